"""Routes and other rows as columns of text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from aylien_model_serving.core.escapes import escape

_GAP = "  "


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a line for each row, with cells below each other; what cells hold can't break or command it."""
    rows = [[escape(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        _GAP.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def route_lines(routes: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return a line for each route: methods, path, how it runs, what it takes.

    Below it, indented, is what the operator has set for it, and where.
    """
    listed = list(routes)
    lines: list[str] = []
    for route, line in zip(listed, columns([_cells(route) for route in listed]), strict=True):
        lines.append(line)
        lines += columns([_option_cells(option) for option in route.get("set_by_operator", ())])
    return lines


def _option_cells(option: Mapping[str, Any]) -> tuple[str, ...]:
    return ("", f"{option['option']} = {json.dumps(option['value'])}", f"from {option['from']}")


def _cells(route: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        ",".join(route["methods"]),
        route["path"],
        route["runs"],
        f"{route['name']}({', '.join(route['fields'])})",
    )
