"""Frames and series of pandas and polars as values of JSON: a frame as its rows, each an object.

Pure. Does not import their libraries: whoever has a frame has imported its own.
"""

from __future__ import annotations

import sys
from typing import Any

from aylien_model_serving.errors import InvalidAnswer

_LIBRARIES = ("pandas", "polars")


def is_frame_type(kind: Any) -> bool:
    """Return whether a type is a frame of a library that is loaded."""
    return any(kind is _member(library, "DataFrame") for library in _LIBRARIES)


def is_series_type(kind: Any) -> bool:
    """Return whether a type is a series of a library that is loaded."""
    return any(kind is _member(library, "Series") for library in _LIBRARIES)


def is_of(value: Any, library: str) -> bool:
    """Return whether a value is a frame or a series of a library."""
    kinds = (_member(library, "DataFrame"), _member(library, "Series"))
    return None not in kinds and isinstance(value, kinds)


def _member(library: str, name: str) -> Any:
    return getattr(sys.modules.get(library), name, None)


def listed(value: Any) -> list[Any] | None:
    """Return the rows of a frame, or the values of a series; None for anything else.

    Raises:
        InvalidAnswer: two columns of a frame have one name, or their names have several levels; or it has
            what Python has no value for, as a point in time after the year 9999.
    """
    try:
        if is_of(value, "pandas"):
            return _of_series(value) if hasattr(value, "to_frame") else _rows(value)
        return _of_polars(value) if is_of(value, "polars") else None
    except (ValueError, OverflowError) as error:
        raise InvalidAnswer(f"The answer is a frame with a value that Python has not: {error}") from error


def _of_polars(value: Any) -> list[Any]:
    try:
        rows: list[Any] = value.to_list() if hasattr(value, "to_list") else value.to_dicts()
        return rows
    except sys.modules[
        "polars"
    ].exceptions.PanicException as error:  # none of Exception's, which ends threads
        raise ValueError(str(error)) from None


def _rows(frame: Any) -> list[dict[str, Any]]:
    """Return the rows of a frame of pandas; its index is none of the columns."""
    if frame.columns.nlevels > 1:
        raise InvalidAnswer("The answer is a frame whose columns have several levels: name each by one text")
    names = [str(name) for name in frame.columns]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidAnswer(f"The answer is a frame with two columns of the name {twice[:80]!r}")
    columns = [_of_series(frame.iloc[:, at]) for at in range(len(names))]
    if not columns:
        return [{} for _ in range(len(frame))]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _of_series(series: Any) -> list[Any]:
    values: list[Any] = series.tolist()
    return values if getattr(series.dtype, "kind", "O") in "biuf" and _is_numpys(series) else _plain(values)


def _is_numpys(series: Any) -> bool:
    """Return whether a series is of a dtype of numpy's, which has no value that says that one is missing."""
    return type(series.dtype).__module__.partition(".")[0] == "numpy"


def _plain(values: list[Any]) -> list[Any]:
    """Return values of pandas's own as those of Python, and None for those that are missing."""
    pandas = sys.modules["pandas"]
    missing = (type(pandas.NA), type(pandas.NaT))
    return [None if isinstance(value, missing) else _plain_value(pandas, value) for value in values]


def _plain_value(pandas: Any, value: Any) -> Any:
    if isinstance(value, pandas.Timestamp):
        return value.to_pydatetime(warn=False)
    if isinstance(value, pandas.Timedelta):
        return value.to_pytimedelta()
    return str(value) if isinstance(value, (pandas.Period, pandas.Interval)) else value
