"""Checks of google.protobuf's well-known types, which have a JSON form of their own.

`Any` is left to `ParseDict`, unless empty: whether it is valid depends on the descriptor pool at that time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from datetime import date
from itertools import repeat
from types import NoneType

from google.protobuf.any_pb2 import Any
from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.struct_pb2 import ListValue, Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp

from aylien_model_serving.schemas.compiled_scalars import DOUBLE, TEXT, Accepts, is_text, refuses

_TIMESTAMP = re.compile(
    r"([0-9]{4})-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,9})?"
    r"(?:Z|([+-][0-9]{2}:[0-9]{2}))"
)
_DURATION = re.compile(r"(-?[0-9]{1,12})(?:\.[0-9]{1,9})?s")
_DURATION_MAX = 315_576_000_000  # seconds, 10,000 years
_SIMPLE_VALUES = frozenset((float, bool, NoneType))
_MANY = 8  # values, from which on it pays to compare all their types first


def _is_timestamp(value: object) -> bool:
    """Accept RFC 3339; an offset could carry the first and the last year out of range, so not with those."""
    found = _TIMESTAMP.fullmatch(value) if type(value) is str else None
    if not found:
        return False
    try:
        date.fromisoformat(found[0][:10])
    except ValueError:
        return False
    return found[2] is None or "0001" < found[1] < "9999"


def _is_duration(value: object) -> bool:
    found = _DURATION.fullmatch(value) if type(value) is str else None
    return found is not None and abs(int(found[1])) <= _DURATION_MAX


def _is_field_mask(value: object) -> bool:
    return is_text(value) and "_" not in str(value)


def _is_empty(value: object) -> bool:
    return type(value) is dict and not value


def _is_value(value: object, depth_left: int) -> bool:
    """Return whether a Value is accepted where `depth_left` messages may be nested, itself included."""
    if type(value) in _SIMPLE_VALUES:
        return True
    if type(value) is str:
        return value.isascii() or is_text(value)
    if type(value) is dict:
        return _is_struct(value, depth_left - 1)
    if type(value) is list:
        return _is_list(value, depth_left - 1)
    return type(value) is int and DOUBLE.one(value)


def _is_struct(value: object, depth_left: int) -> bool:
    if type(value) is not dict or depth_left < 1:
        return False
    return all(map(is_text, value)) and _are_values(value.values(), depth_left - 1)


def _is_list(value: object, depth_left: int) -> bool:
    return type(value) is list and depth_left > 0 and _are_values(value, depth_left - 1)


def _are_values(values: Collection[object], depth_left: int) -> bool:
    if depth_left < 1:
        return not values
    if len(values) < _MANY:
        return all(map(_is_value, values, repeat(depth_left)))
    kinds = set(map(type, values))
    if kinds <= _SIMPLE_VALUES:
        return True
    if kinds == {str}:
        return TEXT.many(values)
    if kinds == {int}:
        return DOUBLE.many(values)
    return all(map(_is_value, values, repeat(depth_left)))


_LEAVES: dict[str, Accepts] = {
    "google.protobuf.Any": _is_empty,
    "google.protobuf.Duration": _is_duration,
    "google.protobuf.FieldMask": _is_field_mask,
    "google.protobuf.Timestamp": _is_timestamp,
}
_NESTING: dict[str, Callable[[object, int], bool]] = {
    "google.protobuf.ListValue": _is_list,
    "google.protobuf.Struct": _is_struct,
    "google.protobuf.Value": _is_value,
}
_GENUINE: dict[str, Descriptor] = {
    message.DESCRIPTOR.full_name: message.DESCRIPTOR
    for message in (Any, Duration, FieldMask, ListValue, Struct, Timestamp, Value)
}


def is_well_known(descriptor: Descriptor) -> bool:
    """Return whether a message has the name of a well-known type other than the wrappers."""
    return descriptor.full_name in _GENUINE


def _types_of(descriptor: Descriptor) -> FileDescriptorProto:
    proto = FileDescriptorProto()
    descriptor.file.CopyToProto(proto)
    proto.ClearField("options")
    return proto


def is_genuine(descriptor: Descriptor) -> bool:
    """Return whether a message is the well-known type of its name: a pool may hold another one."""
    return _types_of(descriptor) == _types_of(_GENUINE[descriptor.full_name])


def well_known_accepts(descriptor: Descriptor, depth_left: int) -> Accepts:
    """Return the check of a well-known type.

    Args:
        descriptor: a message for which `is_well_known` holds.
        room: how many messages may be nested from here on, this one included; at least 1.
    """
    if not is_genuine(descriptor):
        return refuses
    name = descriptor.full_name
    if name in _LEAVES:
        return _LEAVES[name]
    nesting = _NESTING[name]
    return lambda value: nesting(value, depth_left)
