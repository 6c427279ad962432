"""Writes a large value as JSON part by part, so that the interpreter's lock is never held for long.

Pure. Parts are as long as the last one was short: what a value's items need is not known before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

Encode = Callable[[Any], bytes]

#: Bytes of a part, about.
SIZE = 128 * 1024

#: Items of a first part; a list or dict with fewer is written item by item.
_FEW = 64

#: Lists and dicts within each other that are looked into.
_LEVELS = 4


def parts(value: object, encode: Encode, levels: int = _LEVELS) -> Iterator[bytes]:
    """Yield the JSON of a value in parts, which are no JSON themselves.

    Args:
        value: whatever `encode` takes.
        encode: returns the JSON of a value, or of a part.
        levels: how deep to look for what is large.
    """
    if type(value) is list and value and levels:
        yield b"["
        yield from _of_list(value, encode, levels - 1)
        yield b"]"
    elif type(value) is dict and value and levels and set(map(type, value)) == {str}:
        yield b"{"
        yield from _of_dict(value, encode, levels - 1)
        yield b"}"
    else:
        yield encode(value)


def _of_list(items: list[Any], encode: Encode, levels: int) -> Iterator[bytes]:
    if len(items) < _FEW:
        for at, item in enumerate(items):
            yield b"," if at else b""
            yield from parts(item, encode, levels)
        return
    start, count = 0, _FEW
    while start < len(items):
        part = encode(items[start : start + count])
        yield b"," if start else b""
        yield part[1:-1]
        start, count = start + count, _next_count(count, part)


def _of_dict(fields: dict[str, Any], encode: Encode, levels: int) -> Iterator[bytes]:
    fields = dict(fields)  # a handler may give one that others add to meanwhile
    if len(fields) < _FEW:
        for at, (name, item) in enumerate(fields.items()):
            yield (b"," if at else b"") + encode(name) + b":"
            yield from parts(item, encode, levels)
        return
    rest, count, separator = iter(fields.items()), _FEW, b""
    while chosen := dict(islice(rest, count)):
        part = encode(chosen)
        yield separator
        yield part[1:-1]
        count, separator = _next_count(count, part), b","


def _next_count(count: int, part: bytes) -> int:
    """Return how many items the next part has, if they are like those of the last one."""
    return max(1, min(2 * count, count * SIZE // len(part)))
