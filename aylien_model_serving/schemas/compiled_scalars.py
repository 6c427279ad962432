"""Checks of single protobuf values: strings, bytes, numbers, booleans, enums, one by one and in bulk.

A check is true only where `json_format.ParseDict` is certain to accept the value, so it compares exact types.
Lists are checked by built-in functions in C: the set of their types, then their minimum and maximum.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection
from math import isfinite
from typing import Any, NamedTuple

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor

Accepts = Callable[[object], bool]

_DOUBLE_MAX = sys.float_info.max
_FLOAT_MAX = float.fromhex("0x1.fffffep+127")
_INT32 = (-(2**31), 2**31 - 1)
_INT64 = (-(2**63), 2**63 - 1)
_UINT32 = (0, 2**32 - 1)
_UINT64 = (0, 2**64 - 1)

_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_"
_PADDING = frozenset((b"", b"=", b"=="))


class Check(NamedTuple):
    """What a type of value accepts: `one` value, or `many` (a list, the keys or values of a dict)."""

    one: Accepts
    many: Callable[[Collection[Any]], bool]


def refuses(_: object) -> bool:
    """Leave every value to `ParseDict`."""
    return False


def one_by_one(one: Accepts) -> Check:
    """Return the check of a type whose values have to be inspected one by one."""
    return Check(one, lambda values: all(map(one, values)))


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_text(value: object) -> bool:
    """Return whether a value is a str without surrogates."""
    return type(value) is str and (value.isascii() or _encodes(value))


def _are_texts(values: Collection[Any]) -> bool:
    if set(map(type, values)) != {str}:
        return not values
    return all(map(str.isascii, values)) or all(map(_encodes, values))


def _is_base64(value: object) -> bool:
    """Accept either alphabet and any padding; a group of four cannot hold one character alone (RFC 4648)."""
    if type(value) is not str or not value.isascii():
        return False
    encoded = value.encode()
    rest = encoded.translate(None, _BASE64)
    return rest in _PADDING and encoded.endswith(rest) and (len(encoded) - len(rest)) % 4 != 1


def _is_bool(value: object) -> bool:
    return type(value) is bool


def _are_bools(values: Collection[Any]) -> bool:
    return set(map(type, values)) <= {bool}


def _is_map_key_bool(value: object) -> bool:
    return type(value) is str and (value == "true" or value == "false")


def _integers(low: int, high: int) -> Check:
    def is_text_of_one(text: str) -> bool:
        if " " in text:
            return False
        try:
            return low <= int(text) <= high
        except ValueError:
            pass
        try:
            number = float(text)
        except ValueError:
            return False
        return number.is_integer() and low <= number <= high

    def one(value: object) -> bool:
        if type(value) is int:
            return low <= value <= high
        if type(value) is float:
            return value.is_integer() and low <= value <= high
        return type(value) is str and is_text_of_one(value)

    def many(values: Collection[Any]) -> bool:
        if set(map(type, values)) == {int}:
            return bool(low <= min(values) and max(values) <= high)
        return all(map(one, values))

    return Check(one, many)


def _is_text_of_float(text: str) -> bool:
    if text == "nan":
        return False
    try:
        float(text)
    except ValueError:
        return False
    return True


def _are_finite(numbers: Collection[Any]) -> bool:
    """Return whether all numbers are finite: one that is not shows in their sum, which may also overflow."""
    try:
        return isfinite(sum(numbers)) or all(map(isfinite, numbers))
    except OverflowError:
        return False


def _floats(limit: float) -> Check:
    def one(value: object) -> bool:
        if type(value) is float or type(value) is int:
            return -limit <= value <= limit
        return type(value) is str and _is_text_of_float(value)

    def many(values: Collection[Any]) -> bool:
        kinds = set(map(type, values))
        if kinds == {float} and limit == _DOUBLE_MAX:
            return _are_finite(values)
        if kinds and kinds <= {float, int}:
            # Neither min nor max finds a NaN for certain: it is searched for separately.
            return bool(-limit <= min(values) and max(values) <= limit) and _are_finite(values)
        return all(map(one, values))

    return Check(one, many)


def _enum(enum: EnumDescriptor) -> Check:
    names = frozenset(value.name for value in enum.values)
    numbers = frozenset(value.number for value in enum.values)
    low, high = (1, 0) if enum.is_closed else _INT32

    def one(value: object) -> bool:
        if type(value) is str:
            return value in names
        return type(value) is int and (low <= value <= high or value in numbers)

    def many(values: Collection[Any]) -> bool:
        if set(map(type, values)) == {str}:
            return names.issuperset(values)
        return all(map(one, values))

    return Check(one, many)


TEXT = Check(is_text, _are_texts)
DOUBLE = _floats(_DOUBLE_MAX)
_CHECKS: dict[int, Check] = {
    FieldDescriptor.TYPE_STRING: TEXT,
    FieldDescriptor.TYPE_BYTES: one_by_one(_is_base64),
    FieldDescriptor.TYPE_BOOL: Check(_is_bool, _are_bools),
    FieldDescriptor.TYPE_DOUBLE: DOUBLE,
    FieldDescriptor.TYPE_FLOAT: _floats(_FLOAT_MAX),
    FieldDescriptor.TYPE_INT32: _integers(*_INT32),
    FieldDescriptor.TYPE_SINT32: _integers(*_INT32),
    FieldDescriptor.TYPE_SFIXED32: _integers(*_INT32),
    FieldDescriptor.TYPE_INT64: _integers(*_INT64),
    FieldDescriptor.TYPE_SINT64: _integers(*_INT64),
    FieldDescriptor.TYPE_SFIXED64: _integers(*_INT64),
    FieldDescriptor.TYPE_UINT32: _integers(*_UINT32),
    FieldDescriptor.TYPE_FIXED32: _integers(*_UINT32),
    FieldDescriptor.TYPE_UINT64: _integers(*_UINT64),
    FieldDescriptor.TYPE_FIXED64: _integers(*_UINT64),
}
_BOOL_KEY = one_by_one(_is_map_key_bool)


def scalar_check(field: FieldDescriptor) -> Check:
    """Return the check of the single values of a field that is not a message."""
    return _CHECKS[field.type] if field.enum_type is None else _enum(field.enum_type)


def key_check(field: FieldDescriptor) -> Check:
    """Return the check of a map's keys, which JSON spells as strings."""
    return _BOOL_KEY if field.type == FieldDescriptor.TYPE_BOOL else scalar_check(field)
