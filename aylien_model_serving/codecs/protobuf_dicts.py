"""Compiles a protobuf message type into a function from its messages to dicts, as JSON has their fields.

Pure. The dict is that of `json_format.MessageToDict` with `preserving_proto_field_name`, which looks at the
type of each value anew and takes up to ten times as long; types with a rare JSON form are left to it. NaN and
infinities stay numbers, as the message has them, while JSON has texts for them.
"""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache
from math import isfinite
from typing import Any, NamedTuple

from google.protobuf import descriptor_pool
from google.protobuf.descriptor import Descriptor, EnumValueDescriptor, FieldDescriptor
from google.protobuf.internal.type_checkers import ToShortestFloat
from google.protobuf.json_format import MessageToDict, SerializeToJsonError

Convert = Callable[[Any], Any]

_WRAPPERS = "google/protobuf/wrappers.proto"
_EPOCH = datetime(1970, 1, 1)

#: Nanoseconds of a second, and seconds of the longest duration (google/protobuf/duration.proto).
_SECOND, _LONGEST = 1_000_000_000, 315_576_000_000


class _Conversion(NamedTuple):
    """The conversions of `one` value of a type and of `many`, the items of a repeated field."""

    one: Convert
    many: Convert


def compile_to_dict(descriptor: Descriptor) -> Convert:
    """Return the function from messages of a type, which may be recursive, to dicts.

    The function raises SerializeToJsonError or ValueError for what JSON can't express, TypeError for an Any
    of an unknown type.
    """
    return _DictCompiler().message(descriptor).one


class _DictCompiler:
    """Makes each type's conversion once, and that of a field when a message first has it."""

    def __init__(self) -> None:
        self._made: dict[str, _Conversion] = {}

    def message(self, descriptor: Descriptor) -> _Conversion:
        name = descriptor.full_name
        if name not in self._made:
            self._made[name] = self._make(descriptor)
        return self._made[name]

    def _make(self, descriptor: Descriptor) -> _Conversion:
        if descriptor.file.name == _WRAPPERS:
            inner = _scalar(descriptor.fields_by_name["value"]).one
            return _one_by_one(lambda message: inner(message.value))
        if descriptor.full_name == "google.protobuf.Value":
            return _Conversion(_value, _values)
        if descriptor.full_name.startswith("google.protobuf."):
            return _one_by_one(_WELL_KNOWN.get(descriptor.full_name, _as_protobuf_does))
        return _regular(_Fields(self))

    def field(self, field: FieldDescriptor) -> tuple[str, Convert]:
        name = f"[{field.full_name}]" if field.is_extension else field.name
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            entry = field.message_type.fields_by_name
            return name, _map(entry["key"], self._conversion(entry["value"]).one)
        conversion = self._conversion(field)
        return name, conversion.many if field.is_repeated else conversion.one

    def _conversion(self, field: FieldDescriptor) -> _Conversion:
        return _scalar(field) if field.message_type is None else self.message(field.message_type)


class _Fields(dict[FieldDescriptor, tuple[str, Convert]]):
    """The name and the conversion of each field that a message of one type has had."""

    def __init__(self, compiler: _DictCompiler) -> None:
        super().__init__()
        self._compiler = compiler

    def __missing__(self, field: FieldDescriptor) -> tuple[str, Convert]:
        self[field] = self._compiler.field(field)
        return self[field]


def _regular(fields: _Fields) -> _Conversion:
    def many(messages: Any) -> list[dict[str, Any]]:
        """Convert many in one call: those of two bytes each would take longer to call for than to convert."""
        converted = []
        for message in messages:
            found: dict[str, Any] = {}
            for field, value in message.ListFields():
                name, convert = fields[field]
                try:
                    found[name] = convert(value)
                except ValueError as error:
                    raise SerializeToJsonError(f"Failed to serialize {field.name} field: {error}.") from error
            converted.append(found)
        return converted

    return _Conversion(lambda message: many((message,))[0], many)


def _as_protobuf_does(message: Any) -> Any:
    return MessageToDict(message, preserving_proto_field_name=True)


def _map(key: FieldDescriptor, convert: Convert) -> Convert:
    if key.type == FieldDescriptor.TYPE_BOOL:
        return lambda entries: {"true" if name else "false": convert(entries[name]) for name in entries}
    return lambda entries: {str(name): convert(entries[name]) for name in entries}


def _one_by_one(convert: Convert) -> _Conversion:
    return _Conversion(convert, lambda values: [convert(value) for value in values])


def _unchanged(value: Any) -> Any:
    return value


def listed_of(values: Any) -> list[Any]:
    """Return the values of a repeated field; some at a time, so that other threads run meanwhile."""
    listed: list[Any] = []
    for start in range(0, len(values), _AT_ONCE):
        listed += values[start : start + _AT_ONCE]
    return listed


#: Values that are copied by one call.
_AT_ONCE = 100_000


def _short_float(number: float) -> Any:
    return ToShortestFloat(number) if isfinite(number) else number


#: Integers from 0 on whose texts are shared: of one or two bytes each, they would take fifty as texts.
_SHARED = 1 << 14


@cache
def _texts() -> list[str]:
    return [str(number) for number in range(_SHARED)]


def _integers(numbers: Any) -> list[str]:
    texts = _texts()
    return [texts[number] if 0 <= number < _SHARED else str(number) for number in numbers]


def _base64(content: bytes) -> str:
    return b2a_base64(content, newline=False).decode()


def _enum(field: FieldDescriptor) -> _Conversion:
    assert field.enum_type is not None
    if field.enum_type.full_name == "google.protobuf.NullValue":
        return _one_by_one(lambda _: None)
    values = field.enum_type.values_by_number  # its items hold each alias, a look-up finds the first
    names: dict[int, str] = {number: _name_in_json(values[number]) for number in values}
    get = names.get
    return _one_by_one(lambda number: get(number, number))._replace(
        many=lambda numbers: [get(number, number) for number in numbers]
    )


def _name_in_json(value: EnumValueDescriptor) -> str:
    """Return the name of an enum's value, or the other one that an option gives it."""
    if not value.has_options:
        return value.name
    try:
        option: Any = descriptor_pool.Default().FindExtensionByName("pb.enumvalue.json")
    except KeyError:  # nobody has imported the file that declares it
        return value.name
    options = value.GetOptions()
    return str(options.Extensions[option].string if options.HasExtension(option) else value.name)


def _scalar(field: FieldDescriptor) -> _Conversion:
    if field.enum_type is not None:
        return _enum(field)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return _one_by_one(_base64)
    return _CONVERSIONS[field.cpp_type]


_AS_IT_IS = _Conversion(_unchanged, listed_of)
_LONG = _Conversion(str, _integers)
_CONVERSIONS = {
    FieldDescriptor.CPPTYPE_INT32: _AS_IT_IS,
    FieldDescriptor.CPPTYPE_UINT32: _AS_IT_IS,
    FieldDescriptor.CPPTYPE_BOOL: _AS_IT_IS,
    FieldDescriptor.CPPTYPE_STRING: _AS_IT_IS,
    FieldDescriptor.CPPTYPE_INT64: _LONG,
    FieldDescriptor.CPPTYPE_UINT64: _LONG,
    FieldDescriptor.CPPTYPE_DOUBLE: _AS_IT_IS,
    FieldDescriptor.CPPTYPE_FLOAT: _one_by_one(_short_float),
}


def _struct(message: Any) -> dict[str, Any]:
    fields = message.fields
    return {name: _value(fields[name]) for name in fields} if fields else {}


def _list_value(message: Any) -> list[Any]:
    values = message.values
    return _values(values) if values else []  # asking an empty one for items takes as long again


def _values(values: Any) -> list[Any]:
    """Return many at once: those without a kind, of two bytes each, take no call of their own."""
    return [None if value.WhichOneof("kind") is None else _value(value) for value in values]


def _value(message: Any) -> Any:
    kind = message.WhichOneof("kind")
    if kind is None or kind == "null_value":
        return None
    if kind == "number_value" and not isfinite(message.number_value):
        return _as_protobuf_does(message)  # which raises
    return _KINDS[kind](message)


_KINDS: dict[str, Convert] = {
    "number_value": lambda message: message.number_value,
    "string_value": lambda message: message.string_value,
    "bool_value": lambda message: message.bool_value,
    "struct_value": lambda message: _struct(message.struct_value),
    "list_value": lambda message: _list_value(message.list_value),
}


def _timestamp(message: Any) -> Any:
    seconds, nanos = message.seconds, message.nanos
    if not seconds and not nanos:
        return "1970-01-01T00:00:00Z"
    try:
        text = (_EPOCH + timedelta(0, seconds)).isoformat()
    except OverflowError:
        return _as_protobuf_does(message)  # which raises
    return f"{text}{_fraction(nanos)}Z" if 0 <= nanos < _SECOND else _as_protobuf_does(message)


def _duration(message: Any) -> Any:
    seconds, nanos = message.seconds, message.nanos
    if 0 <= seconds <= _LONGEST and 0 <= nanos < _SECOND:
        return f"{seconds}{_fraction(nanos)}s"
    return _as_protobuf_does(message)  # which may raise


def _fraction(nanos: int) -> str:
    """Return the digits of a second's part with its point, of which there are 3, 6 or 9, or none at all."""
    if not nanos:
        return ""
    if not nanos % 1_000_000:
        return f".{nanos // 1_000_000:03}"
    return f".{nanos:09}" if nanos % 1000 else f".{nanos // 1000:06}"


def _any(message: Any) -> Any:
    return _as_protobuf_does(message) if message.ByteSize() else {}


_WELL_KNOWN: dict[str, Convert] = {
    "google.protobuf.Any": _any,
    "google.protobuf.Duration": _duration,
    "google.protobuf.ListValue": _list_value,
    "google.protobuf.Struct": _struct,
    "google.protobuf.Timestamp": _timestamp,
}
