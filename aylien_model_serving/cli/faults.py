"""How the commands fail: each error is one line and carries the exit status, and what to do is a part of it.

Floor 4. Wrong use is click's UsageError, with status 2.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

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

#: Names of more that is shown of a list in one line.
_SHOWN = 8


class Failed(click.ClickException):
    """The command was understood and could not be carried out."""

    exit_code = 1


class Misused(click.UsageError):
    """The words of the command lead nowhere."""


def pip_install(module: str) -> str:
    """Return the command that brings a module, or nothing where no extra does."""
    extra = EXTRAS.get(module.partition(".")[0])
    return f"pip install 'model-serving[{extra}]'" if extra else ""


def nearest(word: str, known: Iterable[str]) -> str:
    """Return a hint at the known word that is nearest to an unknown one, or at all of them."""
    words = list(dict.fromkeys(known))
    close = difflib.get_close_matches(word, words, n=1, cutoff=0.5)
    if close:
        return f"; did you mean {close[0]!r}?"
    shown = ", ".join(words[:_SHOWN]) + (", …" if len(words) > _SHOWN else "")
    return f"; there is {shown}" if words else ""
