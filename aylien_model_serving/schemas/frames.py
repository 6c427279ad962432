"""Frames and series of pandas and polars that handlers take by their type hints.

Pure. Does not import their libraries: the module of a handler with such a hint has imported its own.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from aylien_model_serving.codecs import arrow, frames
from aylien_model_serving.errors import ConfigurationError

_EXPECTED = (
    "Expected a frame: a list of rows, each an object with the same columns, an object with a list for each "
    'column, or {"columns": […], "data": [[…], …]}'
)

_EXPECTED_SERIES = "Expected a list of numbers, texts, booleans and nulls"

#: The types of values that one column may have together; null may be among them.
_TOGETHER = ({int, float}, {str}, {bool})

#: Values of integers that a column has.
_SMALLEST, _LARGEST = -(2**63), 2**63 - 1


def is_frame(kind: Any) -> bool:
    """Return whether a type is a frame or a series."""
    return frames.is_frame_type(kind) or frames.is_series_type(kind)


def check_kind(kind: Any) -> None:
    """Refuse to start where something is said of a frame that nobody looks at.

    Raises:
        ConfigurationError: always.
    """
    raise ConfigurationError("Shape and DType are said of an array or a tensor, not of a frame")


def from_json(kind: Any, value: Any) -> Any:
    """Return a frame or a series of a value of JSON.

    Raises:
        ValueError: there is none.
    """
    if arrow.is_table(value):
        return arrow.frame_of(value, kind)
    if frames.is_series_type(kind):
        if type(value) is not list:
            raise ValueError(_EXPECTED_SERIES)
        return _made(kind, _checked(value, _EXPECTED_SERIES))
    columns, index = _columns_of(value)
    checked = {
        name: _checked(
            values, f"Expected a column of numbers, texts, booleans and nulls, not so {name[:80]!r}"
        )
        for name, values in columns.items()
    }
    return _made(kind, checked, index)


def from_text(kind: Any, value: Any) -> Any:
    """Return the same of what a query or a form has sent, which is no frame."""
    return from_json(kind, value)


def _made(kind: Any, values: Any, index: list[Any] | None = None) -> Any:
    library = sys.modules[kind.__module__.partition(".")[0]]
    if index is None:
        return kind(values) if library.__name__ == "pandas" or type(values) is dict else kind("", values)
    if library.__name__ != "pandas":
        raise ValueError("A frame of polars has no index: send columns and data alone")
    return kind(values, index=_checked(index, "Expected an index of numbers and texts"))


def _columns_of(value: Any) -> tuple[dict[str, list[Any]], list[Any] | None]:
    """Return the columns of a frame in any of its forms, by name, and its index, where one was sent."""
    if type(value) is list:
        return _of_rows(value), None
    if type(value) is not dict:
        raise ValueError(_EXPECTED)
    if {"columns", "data"} <= value.keys() <= {"columns", "data", "index"} and _is_split(value["data"]):
        return _of_split(value), value.get("index")
    if any(type(values) is not list for values in value.values()):
        raise ValueError(_EXPECTED)
    if len({len(values) for values in value.values()}) > 1:
        raise ValueError("Expected columns of one length")
    return value, None


def _is_split(data: Any) -> bool:
    return type(data) is list and all(type(row) is list for row in data)


def _of_rows(rows: list[Any]) -> dict[str, list[Any]]:
    if any(type(row) is not dict for row in rows):
        raise ValueError(_EXPECTED)
    names = rows[0].keys() if rows else ()
    for at, row in enumerate(rows):
        if row.keys() != names:
            raise ValueError(f"Expected rows of the same columns; those of row {at} are not those of row 0")
    return {name: [row[name] for row in rows] for name in names}


def _of_split(value: Mapping[str, Any]) -> dict[str, list[Any]]:
    names, rows, index = value["columns"], value["data"], value.get("index")
    if type(names) is not list or any(type(name) is not str for name in names):
        raise ValueError("Expected the names of the columns as texts")
    if len(set(names)) < len(names):
        raise ValueError("Expected each column once")
    for at, row in enumerate(rows):
        if len(row) != len(names):
            raise ValueError(f"Expected rows of {len(names)} values, one for each column, not so row {at}")
    if index is not None and (type(index) is not list or len(index) != len(rows)):
        raise ValueError("Expected an index of one value for each row")
    columns: Sequence[Any] = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    return {name: list(values) for name, values in zip(names, columns, strict=True)}


def _checked(values: list[Any], expected: str) -> list[Any]:
    """Return the values of one column, which are of one type, or null."""
    kinds = set(map(type, values)) - {type(None)}
    if not any(kinds <= together for together in _TOGETHER):
        raise ValueError(f"{expected}; all of one type")
    if int in kinds and any(type(each) is int and not _SMALLEST <= each <= _LARGEST for each in values):
        raise ValueError("Expected integers of at most 64 bits")
    return (
        [float(each) if type(each) is int else each for each in values] if kinds == {int, float} else values
    )


def schema_of(kind: Any) -> dict[str, Any]:
    """Return the JSON Schema of what a frame or a series is sent as."""
    if frames.is_series_type(kind):
        return {"type": "array", "items": _CELL}
    rows = {"type": "array", "items": {"type": "object", "additionalProperties": _CELL}}
    columns = {"type": "object", "additionalProperties": {"type": "array"}}
    return {"anyOf": [rows, columns]}


def schema_of_result(kind: Any) -> dict[str, Any]:
    """Return the JSON Schema of what a frame or a series is answered as."""
    return {"type": "array", "items": {} if frames.is_series_type(kind) else {"type": "object"}}


_CELL = {"type": ["number", "string", "boolean", "null"]}
