"""Somebody who follows a page: saves its modules, starts its servers, types its commands, reads the answers.

Servers get a free port, and make a virtual environment that is there already; nothing else of a command is
changed.
"""

import re
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from tests.docs.pages import PROJECT, Block, Command, commands
from tests.services.serving import Service, clean_environment, launch

COMMAND_SECONDS = 30

_SERVER = re.compile(r"(?:\w+=\S+ )*(?:make (?:.* )?example-service|gunicorn |uvicorn |granian )")

#: What a page writes where an answer differs from one time to the next.
_ANYTHING = "…"


class Reader:
    """Follows one page.

    Args:
        folder: an empty folder, in which modules are saved and servers run that are not the project's.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._servers = ExitStack()
        self._service: Service | None = None
        self._has_module = False
        _stand_in(folder / "venv")

    def follow(self, block: Block) -> int:
        """Do what a block says, and return how many answers were compared."""
        if block.module:
            (self.folder / block.module).write_text(block.text)
            self._has_module = True
        if block.language != "console":
            return 0
        return sum(self._type(command) for command in commands(block))

    def leave(self) -> None:
        """Stop the server that is left."""
        self._servers.close()

    def _type(self, command: Command) -> bool:
        if _SERVER.match(command.line):
            self._start(command.line)
            return False
        if command.line.startswith("curl "):
            printed = self._ask(command.line)
            assert _fits(printed, command.output), f"$ {command.line}\n{printed}\nand not\n{command.output}"
            return True
        assert command.line.startswith("make "), f"nobody knows what to do with {command.line!r}"
        return False

    def _start(self, line: str) -> None:
        self._servers.close()
        cwd = self.folder if self._has_module and "examples." not in line and "make" not in line else PROJECT
        port = "{port}"  # `launch` fills it in
        variables = {
            "PORT": port,
            "VENV": self.folder / "venv",
            "GUNICORN_CMD_ARGS": f"'--bind=127.0.0.1:{port}'",
            "UVICORN_PORT": port,
            "GRANIAN_PORT": port,
            "XDG_CACHE_HOME": self.folder / "cache",
            "PATH": f"{Path(sys.executable).parent}:$PATH",
        }
        exports = " ".join(f"{name}={value}" for name, value in variables.items())
        command = ["bash", "-c", f"export {exports}; exec env {line}"]
        self._service = self._servers.enter_context(launch(command, cwd=cwd))

    def _ask(self, line: str) -> str:
        assert self._service is not None, f"no server was started before {line!r}"
        line = line.replace("localhost:8000", f"localhost:{self._service.port}")
        asked = subprocess.run(
            ["bash", "-o", "pipefail", "-c", line],
            cwd=self.folder,
            env=clean_environment() | {"no_proxy": "localhost"},
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
        )
        assert asked.returncode == 0, f"$ {line}\n{asked.stderr}"
        return asked.stdout.replace("\r\n", "\n").removesuffix("\n")


def _fits(printed: str, said: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, said.split(_ANYTHING))), printed) is not None


def _stand_in(venv: Path) -> None:
    """Make what the Makefile takes for its virtual environment, with the Python of the tests."""
    (venv / "bin").mkdir(parents=True)
    program = venv / "bin" / "python"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    program.chmod(0o755)
    for stamp in (".serving", ".granian", ".torch", ".development"):
        (venv / stamp).touch()
