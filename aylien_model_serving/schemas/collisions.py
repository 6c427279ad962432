"""Integers that are made to collide in a set.

Pure. Python hashes an integer to its remainder modulo 2**61 - 1: making a set of n integers of one remainder
takes n**2 steps. Of those of 64 bits no more than nine have the same one, but integers in JSON may be longer.
"""

from __future__ import annotations

from typing import Any

import msgspec

from aylien_model_serving.errors import SchemaMismatch

_SMALLEST, _LARGEST = -(2**63), 2**64 - 1


def has_set(hint: Any) -> bool:
    """Return whether values of a type hint may hold a set."""
    return _holds_set(msgspec.inspect.type_info(hint), set())


def _holds_set(node: Any, seen: set[int]) -> bool:
    if isinstance(node, (msgspec.inspect.SetType, msgspec.inspect.FrozenSetType)):
        return True
    if isinstance(node, (msgspec.inspect.Type, msgspec.inspect.Field)) and id(node) not in seen:
        seen.add(id(node))
        return any(_holds_set(getattr(node, name), seen) for name in node.__struct_fields__)
    return isinstance(node, tuple) and any(_holds_set(part, seen) for part in node)


def refuse_large_integers(field: str, value: Any) -> None:
    """Refuse a value that holds an integer of more than 64 bits.

    Raises:
        SchemaMismatch: it names the field.
    """
    if _holds_large_integer(value):
        raise SchemaMismatch(f"{field}: Integers in a set have at most 64 bits")


def _holds_large_integer(value: Any) -> bool:
    if type(value) is int:
        return not _SMALLEST <= value <= _LARGEST
    if type(value) is dict:
        return any(map(_holds_large_integer, value.values()))
    return type(value) is list and any(map(_holds_large_integer, value))
