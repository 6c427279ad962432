"""Readers of numbers, switches and nested dicts, which the keys of routes have in common.

A reader takes a value as the user wrote it, and raises ConfigurationError with what is expected instead.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from aylien_model_serving.core.suggest import suggestion
from aylien_model_serving.errors import ConfigurationError


def seconds(value: Any) -> float:
    """Return seconds above 0."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1e9:
        raise ConfigurationError(f"seconds above 0 are expected; this is {value!r}")
    return float(value)


def mebibytes(value: Any) -> float:
    """Return MiB above 0, of which there are at most as many as a frame between processes may have."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= 1024:
        raise ConfigurationError(f"MiB above 0, up to 1024, are expected; this is {value!r}")
    return float(value)


def switch(value: Any) -> bool:
    """Return True or False."""
    if not isinstance(value, bool):
        raise ConfigurationError(f"True or False is expected; this is {value!r}")
    return value


#: Whatever is counted; threads, for each of which there is a place from the start; processes of one machine.
_MOST, _MOST_THREADS, _MOST_REPLICAS = 1_000_000_000, 10_000, 1_000


def count(value: Any, most: int = _MOST) -> int:
    """Return a whole number of 1 or more."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise ConfigurationError(
            f"a number of 1 or more is expected, up to {most:,}; this is {_shown(value)}"
        )
    return value


def threads(value: Any) -> int:
    """Return a number of threads."""
    return count(value, _MOST_THREADS)


def replicas(value: Any) -> int:
    """Return a number of processes."""
    return count(value, _MOST_REPLICAS)


def _shown(value: Any) -> str:
    """Return a value as messages have it; an integer of thousands of digits is no text at all."""
    return "one of many digits" if isinstance(value, int) and abs(value) >= _TOO_LONG else repr(value)


#: An integer that is not written out.
_TOO_LONG = 10**30


def unchanged(value: Any) -> Any:
    """Return a value as it is."""
    return value


def whole(value: Any) -> int:
    """Return a whole number of at most a million, below 0 too."""
    if isinstance(value, bool) or not isinstance(value, int) or not -1_000_000 <= value <= 1_000_000:
        raise ConfigurationError(f"a whole number is expected; this is {value!r}")
    return value


def number(value: Any) -> float:
    """Return a number above 0."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
        raise ConfigurationError(f"a number above 0 is expected; this is {value!r}")
    return float(value)


def function(value: Any) -> Any:
    """Return a function, or whatever else can be called."""
    if not callable(value):
        raise ConfigurationError(f"a function is expected; this is {value!r}")
    return value


def times(value: Any) -> int:
    """Return a whole number of 0 or more."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MOST:
        raise ConfigurationError(
            f"a number of 0 or more is expected, up to {_MOST:,}; this is {_shown(value)}"
        )
    return value


def milliseconds(value: Any) -> float:
    """Return milliseconds, up to a minute, as seconds."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 60_000:
        raise ConfigurationError(f"milliseconds from 0 to 60000 are expected; this is {value!r}")
    return value / 1000


def optional(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a reader that takes None as well."""
    return lambda value: None if value is None else read(value)


def read_nested(value: Any, readers: Mapping[str, Callable[[Any], Any]]) -> dict[str, Any]:
    """Return the values of a dict within a key.

    Args:
        value: the dict as the user wrote it.
        readers: of the keys that it may have.

    Raises:
        ConfigurationError: it is no dict, or has an unknown key or a wrong value.
    """
    if not isinstance(value, Mapping):
        raise ConfigurationError(
            f"True, False or a dict of {', '.join(readers)} is expected; this is {value!r}"
        )
    found: dict[str, Any] = {}
    for key, item in value.items():
        if key not in readers:
            raise ConfigurationError(f"unknown key {key!r}{suggestion(str(key), readers)}")
        try:
            found[key] = readers[key](item)
        except ConfigurationError as error:
            raise ConfigurationError(f"key {key!r}: {error}") from error
    return found
