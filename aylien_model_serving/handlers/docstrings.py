"""Docstrings of handlers: what they say of a call, its fields, its answer and its errors.

Pure. The form is Google's, https://google.github.io/styleguide/pyguide.html#383-functions-and-methods:
a paragraph, more of them, then sections like "Args:" whose items are indented.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

_SECTION = re.compile(r"(Args|Arguments|Parameters|Raises|Returns|Yields|Attributes|Examples?|Notes?):\s*")
_ITEM = re.compile(r"\*{0,2}(?P<name>[\w.]+)(?:\s*\([^)]*\))?:(?:\s+(?P<text>.*))?")

_OF_ARGUMENTS = ("Args", "Arguments", "Parameters")
_OF_ANSWERS = ("Returns", "Yields")

#: Sections that have a place of their own, or that say something of an object and not of a call.
_APART = (*_OF_ARGUMENTS, *_OF_ANSWERS, "Raises", "Attributes")


@dataclass(frozen=True)
class Docstring:
    """What a docstring says.

    Args:
        summary: its first paragraph, as one line.
        text: all of it but the sections that have a field of their own here.
        arguments: what each of them is, by its name.
        returns: what the answer is.
        raises: when each error is raised, by the name of its class.
    """

    summary: str = ""
    text: str = ""
    arguments: Mapping[str, str] = field(default_factory=dict)
    returns: str = ""
    raises: Mapping[str, str] = field(default_factory=dict)


def of(handler: Any) -> Docstring:
    """Return what is said of a handler: of a class or an object by its `__call__`, or else by its class."""
    while isinstance(handler, functools.partial):
        handler = handler.func
    if inspect.isroutine(handler):
        return read(inspect.getdoc(handler) or "")
    kind = handler if inspect.isclass(handler) else type(handler)
    called = inspect.getdoc(kind.__call__)
    if called and called != inspect.getdoc(type.__call__):
        return read(called)
    of_class = read(inspect.getdoc(kind) or "")
    return Docstring(of_class.summary, of_class.text)  # the arguments of a class are not those of a call


def read(text: str) -> Docstring:
    """Return what a docstring says, whose indentation has been taken away."""
    plain, sections = _split(text.strip().splitlines())
    summary = " ".join(line.strip() for line in "\n".join(plain).strip().partition("\n\n")[0].splitlines())
    return Docstring(
        summary=summary,
        text="\n".join(plain).strip(),
        arguments=_items(_of(sections, _OF_ARGUMENTS)),
        returns=" ".join(line.strip() for line in _of(sections, _OF_ANSWERS)).strip(),
        raises=_items(_of(sections, ("Raises",))),
    )


def _split(lines: Iterable[str]) -> tuple[list[str], dict[str, list[str]]]:
    """Return the lines of the text, and those of each section that has a place of its own."""
    plain: list[str] = []
    sections: dict[str, list[str]] = {}
    current = plain
    for line in lines:
        title = _SECTION.fullmatch(line)
        if title is not None and title[1] in _APART:
            current = sections.setdefault(title[1], [])
            continue
        if title is not None or (line.strip() and not line.startswith(" ")):
            current = plain
        current.append(line)
    return plain, sections


def _of(sections: Mapping[str, list[str]], titles: Iterable[str]) -> list[str]:
    return [line for title in titles for line in sections.get(title, ())]


def _items(lines: list[str]) -> dict[str, str]:
    """Return the texts of the items by name; a line that is indented further goes on with the last one."""
    found: dict[str, str] = {}
    margin = min((_margin(line) for line in lines if line.strip()), default=0)
    name = ""
    for line in filter(str.strip, lines):
        item = _ITEM.fullmatch(line.strip()) if _margin(line) == margin else None
        if item is not None:
            name = item["name"].rpartition(".")[2]
            found[name] = item["text"] or ""
        elif name:
            found[name] = f"{found[name]} {line.strip()}".strip()
    return found


def _margin(line: str) -> int:
    return len(line) - len(line.lstrip())
