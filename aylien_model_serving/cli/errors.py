"""How the commands fail: each error is one line and carries the exit status, and what to do is a part of it.

Wrong use is click's UsageError, with status 2.
"""

from __future__ import annotations

import click

#: Modules that extras bring, and the extra that does.
EXTRAS = {
    "torch": "torch",
    "PIL": "media",
    "soundfile": "media",
    "av": "media",
    "granian": "granian",
    "redis": "redis",
    "httpx": "client",
    "rich": "client",
}


class Failed(click.ClickException):
    """The command was understood and could not be carried out."""

    exit_code = 1


class Misused(click.UsageError):
    """The words of the command lead nowhere."""


def pip_install(module: str) -> str:
    """Return the command that brings a module, or nothing where no extra does."""
    extra = EXTRAS.get(module.partition(".")[0])
    return f"pip install 'model-serving[{extra}]'" if extra else ""
