"""Errors of the commands: each is one line with its remedy, and carries the exit status.

Invalid usage is click's UsageError, with status 2.
"""

from __future__ import annotations

import click

#: Module → the extra that installs it.
EXTRAS = {
    "torch": "torch",
    "PIL": "media",
    "soundfile": "media",
    "av": "media",
    "granian": "granian",
    "redis": "redis",
    "yaml": "deploy",
    "httpx": "client",
    "rich": "client",
    "ray": "ray",
}


class CommandFailed(click.ClickException):
    """The command was valid and could not be carried out."""

    exit_code = 1


class InvalidUsage(click.UsageError):
    """The arguments of the command are wrong."""


def pip_install(module: str) -> str:
    """Return the command that installs a module, or "" where no extra has it."""
    extra = EXTRAS.get(module.partition(".")[0])
    return f"pip install 'model-serving[{extra}]'" if extra else ""
