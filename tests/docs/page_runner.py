"""Runs a page as its reader would: saves its modules, starts its servers, runs its commands, compares output.

Servers get a free port, which replaces 8000 in the other commands, and make a virtual environment that exists
already; nothing else of a command is changed.
"""

import re
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from tests.docs.pages import PROJECT, Block, Command, commands
from tests.services.serving import BRIEF_SECONDS, Service, clean_environment, free_port, launch

#: Time limit in seconds of one command: some train a model, while other tests run.
COMMAND_SECONDS = 200

#: The address of the servers in the pages.
_ADDRESS = "localhost:8000"

#: The port of the gRPC servers in the pages.
_GRPC_PORT = "50051"

#: What a page prints in place of output that differs from run to run.
_ANYTHING = "…"


class PageRunner:
    """Runs the blocks of one page.

    Args:
        folder: an empty folder, for the page's modules, and for servers that are not the project's.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._servers = ExitStack()
        self._service: Service | None = None
        self._modules: dict[str, str] = {}
        self._grpc_port = str(free_port())
        _make_venv(folder / "venv")
        self._programs = f"{folder / 'venv' / 'bin'}:{Path(sys.executable).parent}"

    def run(self, block: Block) -> int:
        """Save a module or run console commands, and return how many outputs were compared."""
        if block.module:
            (self.folder / block.module).write_text(block.text)
            self._modules[block.module] = block.text
        if block.language != "console":
            return 0
        return sum(self._run(command) for command in commands(block))

    def close(self) -> None:
        """Stop the last server."""
        self._servers.close()

    def _run(self, command: Command) -> bool:
        if command.starts_server:
            self._start(command.line)
            return False
        if command.starts_worker:
            self._start_beside(f"{command.line} --health-port {{port}}", {})
            return False
        if command.is_compared:
            output = self._output_of(command.line)
            assert _matches(output, command.output), f"$ {command.line}\n{output}\nand not\n{command.output}"
            return True
        assert command.line.startswith("make "), f"unknown kind of command: {command.line!r}"
        return False

    def _start(self, line: str) -> None:
        self._servers.close()
        port = "{port}"  # `launch` fills it in
        variables = {
            "PORT": port,
            "VENV": self.folder / "venv",
            "GUNICORN_CMD_ARGS": f"'--bind=127.0.0.1:{port}'",
            "UVICORN_PORT": port,
            "GRANIAN_PORT": port,
            "MODEL_SERVING_HOST": "127.0.0.1",
            "MODEL_SERVING_PORT": port,
        }
        self._service = self._start_beside(line, variables)

    def _start_beside(self, line: str, variables: Mapping[str, object]) -> Service:
        """Start a program, beside those that run already."""
        is_projects = "examples." in line or re.search(r"\bmake\b", line) is not None
        cwd = self.folder if self._modules and not is_projects else PROJECT
        own = {"XDG_CACHE_HOME": self.folder / "cache", "PATH": f"{self._programs}:$PATH"}
        exports = " ".join(f"{name}={value}" for name, value in {**variables, **own}.items())
        line = line.replace(_GRPC_PORT, self._grpc_port)
        command = ["bash", "-c", f"export {exports}; exec env {line}"]
        server = launch(
            command, cwd=cwd, ready="/readyz", stop_seconds=BRIEF_SECONDS, start_seconds=COMMAND_SECONDS
        )
        return self._servers.enter_context(server)

    def _output_of(self, line: str) -> str:
        for name, text in self._modules.items():
            if name in line:
                (self.folder / name).write_text(self._with_port(text))
        completed = subprocess.run(
            ["bash", "-o", "pipefail", "-c", f"PATH={self._programs}:$PATH; {self._with_port(line)}"],
            cwd=self.folder,
            env=clean_environment() | {"no_proxy": "localhost", "PYTHONPATH": str(PROJECT)},
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
        )
        assert completed.returncode == 0, f"$ {line}\n{completed.stderr}"
        return completed.stdout.replace("\r\n", "\n").removesuffix("\n")

    def _with_port(self, text: str) -> str:
        text = text.replace(_GRPC_PORT, self._grpc_port)
        if _ADDRESS not in text:
            return text
        assert self._service is not None, f"no server was started before {text!r}"
        return text.replace(_ADDRESS, f"localhost:{self._service.port}")


def _matches(output: str, expected: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, expected.split(_ANYTHING))), output) is not None


def _make_venv(venv: Path) -> None:
    """Make what the Makefile accepts as its virtual environment, with the Python of the tests."""
    (venv / "bin").mkdir(parents=True)
    for name, program in {"python": "", "model-serving": "-m aylien_model_serving"}.items():
        script = venv / "bin" / name
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" {program} "$@"\n')
        script.chmod(0o755)
    for stamp in (".serving", ".granian", ".torch", ".development"):
        (venv / stamp).touch()
