"""Somebody who follows a page: saves its modules, starts its servers, types its commands, reads the answers.

Servers get a free port, which takes the place of 8000 in what asks them, and make a virtual environment that
is there already; nothing else of a command is changed.
"""

import re
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from tests.docs.pages import PROJECT, Block, Command, commands
from tests.services.serving import BRIEF_SECONDS, Service, clean_environment, launch

#: Seconds for one line of a page: some train a model, with other tests beside them.
COMMAND_SECONDS = 200

#: Where the servers of the pages are.
_ADDRESS = "localhost:8000"

#: What a page writes where an answer differs from one time to the next.
_ANYTHING = "…"


class PageRunner:
    """Follows one page.

    Args:
        folder: an empty folder, in which modules are saved and servers run that are not the project's.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._servers = ExitStack()
        self._service: Service | None = None
        self._modules: dict[str, str] = {}
        _make_venv(folder / "venv")
        self._programs = f"{folder / 'venv' / 'bin'}:{Path(sys.executable).parent}"

    def run(self, block: Block) -> int:
        """Do what a block says, and return how many answers were compared."""
        if block.module:
            (self.folder / block.module).write_text(block.text)
            self._modules[block.module] = block.text
        if block.language != "console":
            return 0
        return sum(self._run(command) for command in commands(block))

    def close(self) -> None:
        """Stop the server that is left."""
        self._servers.close()

    def _run(self, command: Command) -> bool:
        if command.starts_server:
            self._start(command.line)
            return False
        if command.is_compared:
            output = self._output_of(command.line)
            assert _matches(output, command.output), f"$ {command.line}\n{output}\nand not\n{command.output}"
            return True
        assert command.line.startswith("make "), f"nobody knows what to do with {command.line!r}"
        return False

    def _start(self, line: str) -> None:
        self._servers.close()
        cwd = self.folder if self._modules and "examples." not in line and "make" not in line else PROJECT
        port = "{port}"  # `launch` fills it in
        variables = {
            "PORT": port,
            "VENV": self.folder / "venv",
            "GUNICORN_CMD_ARGS": f"'--bind=127.0.0.1:{port}'",
            "UVICORN_PORT": port,
            "GRANIAN_PORT": port,
            "MODEL_SERVING_HOST": "127.0.0.1",
            "MODEL_SERVING_PORT": port,
            "XDG_CACHE_HOME": self.folder / "cache",
            "PATH": f"{self._programs}:$PATH",
        }
        exports = " ".join(f"{name}={value}" for name, value in variables.items())
        command = ["bash", "-c", f"export {exports}; exec env {line}"]
        server = launch(
            command, cwd=cwd, ready="/readyz", stop_seconds=BRIEF_SECONDS, start_seconds=COMMAND_SECONDS
        )
        self._service = self._servers.enter_context(server)

    def _output_of(self, line: str) -> str:
        for name, text in self._modules.items():
            if _ADDRESS in text and name in line:
                (self.folder / name).write_text(self._with_port(text))
        asked = subprocess.run(
            ["bash", "-o", "pipefail", "-c", f"PATH={self._programs}:$PATH; {self._with_port(line)}"],
            cwd=self.folder,
            env=clean_environment() | {"no_proxy": "localhost", "PYTHONPATH": str(PROJECT)},
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
        )
        assert asked.returncode == 0, f"$ {line}\n{asked.stderr}"
        return asked.stdout.replace("\r\n", "\n").removesuffix("\n")

    def _with_port(self, text: str) -> str:
        if _ADDRESS not in text:
            return text
        assert self._service is not None, f"no server was started before {text!r}"
        return text.replace(_ADDRESS, f"localhost:{self._service.port}")


def _matches(output: str, expected: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, expected.split(_ANYTHING))), output) is not None


def _make_venv(venv: Path) -> None:
    """Make what the Makefile takes for its virtual environment, with the Python of the tests."""
    (venv / "bin").mkdir(parents=True)
    for name, program in {"python": "", "model-serving": "-m aylien_model_serving"}.items():
        script = venv / "bin" / name
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" {program} "$@"\n')
        script.chmod(0o755)
    for stamp in (".serving", ".granian", ".torch", ".development"):
        (venv / stamp).touch()
