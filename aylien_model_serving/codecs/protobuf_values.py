"""Python's values as protobuf's parser of JSON takes them: durations, points in time, NaN and infinities.

Pure. JSON has none of them, and msgspec writes other texts than the parser reads: "PT90S" for "90s".
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

import msgspec
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from aylien_model_serving.codecs import json_values
from aylien_model_serving.errors import InvalidAnswer

_FLOATS = (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT)
_WRAPPED_FLOATS = ("google.protobuf.DoubleValue", "google.protobuf.FloatValue")
_OWN_TIMES: Mapping[str, type[datetime | timedelta]] = {
    "google.protobuf.Duration": timedelta,
    "google.protobuf.Timestamp": datetime,
}


class MessageValues:
    """Writes the values of one message type.

    Args:
        descriptor: of the message type.
    """

    def __init__(self, descriptor: Descriptor) -> None:
        self._descriptor = descriptor
        self._fields: dict[str, Mapping[str, FieldDescriptor]] = {}

    def with_texts(self, result: Any, *, quoted: bool) -> Any:
        """Return a result with the texts of durations and points in time where its message has such fields.

        Args:
            result: whatever JSON can express, and what it holds.
            quoted: whether NaN and infinities become texts, which the parser alone reads as numbers.

        Raises:
            InvalidAnswer: it holds something that JSON can't express.
        """
        try:
            plain = msgspec.to_builtins(
                result, builtin_types=tuple(_OWN_TIMES.values()), str_keys=True, enc_hook=json_values.plain
            )
        except InvalidAnswer:
            raise
        except (TypeError, ValueError, RecursionError) as error:
            raise InvalidAnswer(f"{json_values.NO_JSON} {error}") from error
        return self._message(self._descriptor, plain, quoted)

    def _message(self, descriptor: Descriptor, value: Any, quoted: bool) -> Any:
        own = _OWN_TIMES.get(descriptor.full_name)
        if own is not None and isinstance(value, own):
            return _text_of(value)
        if descriptor.full_name in _WRAPPED_FLOATS:
            return _text_of_number(value) if quoted else value
        if type(value) is not dict or descriptor.full_name.startswith("google.protobuf."):
            return value
        fields = self._fields_of(descriptor)
        return {
            name: item if name not in fields else self._field(fields[name], item, quoted)
            for name, item in value.items()
        }

    def _fields_of(self, descriptor: Descriptor) -> Mapping[str, FieldDescriptor]:
        if descriptor.full_name not in self._fields:
            fields = descriptor.fields
            names = {field.json_name: field for field in fields} | {field.name: field for field in fields}
            self._fields[descriptor.full_name] = names
        return self._fields[descriptor.full_name]

    def _field(self, field: FieldDescriptor, value: Any, quoted: bool) -> Any:
        message = field.message_type
        if message is not None and message.GetOptions().map_entry:
            field = message.fields_by_name["value"]
            if type(value) is not dict:
                return value
            return {name: self._one(field, item, quoted) for name, item in value.items()}
        if field.is_repeated and type(value) is list:
            return [self._one(field, item, quoted) for item in value]
        return self._one(field, value, quoted)

    def _one(self, field: FieldDescriptor, value: Any, quoted: bool) -> Any:
        if field.message_type is not None:
            return self._message(field.message_type, value, quoted)
        return _text_of_number(value) if quoted and field.cpp_type in _FLOATS else value


def _text_of_number(value: Any) -> Any:
    if type(value) is not float or math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _text_of(value: datetime | timedelta) -> str:
    if isinstance(value, datetime):
        aware = value if value.tzinfo is not None else value.replace(tzinfo=timezone.utc)
        return aware.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")
    micros = value // timedelta(microseconds=1)
    seconds, rest = divmod(abs(micros), 1_000_000)
    fraction = f".{rest:06}" if rest else ""
    return f"{'-' if micros < 0 else ''}{seconds}{fraction}s"
