"""Docstrings of handlers: the description of a call, its fields, its result and its errors.

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

_ARGUMENT_TITLES = ("Args", "Arguments", "Parameters")
_RESULT_TITLES = ("Returns", "Yields")

#: Sections that have a field of their own, or that describe an object and not a call.
_OWN_FIELD = (*_ARGUMENT_TITLES, *_RESULT_TITLES, "Raises", "Attributes")


@dataclass(frozen=True)
class Docstring:
    """A parsed docstring.

    Args:
        summary: its first paragraph, as one line.
        text: all of it but the sections that have a field of their own here.
        arguments: the description of each, by its name.
        returns: the description of the result.
        raises: when each error is raised, by the name of its class.
    """

    summary: str = ""
    text: str = ""
    arguments: Mapping[str, str] = field(default_factory=dict)
    returns: str = ""
    raises: Mapping[str, str] = field(default_factory=dict)


def of(handler: Any) -> Docstring:
    """Return a handler's docstring; of a class or an object, that of `__call__` or else that of the class."""
    while isinstance(handler, functools.partial):
        handler = handler.func
    if inspect.isroutine(handler):
        return parse(inspect.getdoc(handler) or "")
    kind = handler if inspect.isclass(handler) else type(handler)
    called = inspect.getdoc(kind.__call__)
    if called and called != inspect.getdoc(type.__call__):
        return parse(called)
    of_class = parse(inspect.getdoc(kind) or "")
    return Docstring(of_class.summary, of_class.text)  # the arguments of a class are not those of a call


def parse(text: str) -> Docstring:
    """Parse a docstring whose indentation has been removed."""
    plain, sections = _split(text.strip().splitlines())
    summary = " ".join(line.strip() for line in "\n".join(plain).strip().partition("\n\n")[0].splitlines())
    return Docstring(
        summary=summary,
        text="\n".join(plain).strip(),
        arguments=_items(_of(sections, _ARGUMENT_TITLES)),
        returns=" ".join(line.strip() for line in _of(sections, _RESULT_TITLES)).strip(),
        raises=_items(_of(sections, ("Raises",))),
    )


def _split(lines: Iterable[str]) -> tuple[list[str], dict[str, list[str]]]:
    """Return the lines of the text, and those of each section that has a field of its own."""
    plain: list[str] = []
    sections: dict[str, list[str]] = {}
    current = plain
    for line in lines:
        title = _SECTION.fullmatch(line)
        if title is not None and title[1] in _OWN_FIELD:
            current = sections.setdefault(title[1], [])
            continue
        if title is not None or (line.strip() and not line.startswith(" ")):
            current = plain
        current.append(line)
    return plain, sections


def _of(sections: Mapping[str, list[str]], titles: Iterable[str]) -> list[str]:
    return [line for title in titles for line in sections.get(title, ())]


def _items(lines: list[str]) -> dict[str, str]:
    """Return the texts of the items by name; a line that is indented further continues the last one."""
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
