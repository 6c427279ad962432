"""Protobuf descriptors → JSON Schema: the JSON that `google.protobuf.json_format` accepts for a message.

Pure. https://protobuf.dev/programming-guides/json/ is the mapping. Written here since the `protobuf` package
makes no JSON Schema, and generators such as `protoc-gen-jsonschema` need .proto files, which a service with
generated classes may not have.
"""

from __future__ import annotations

from typing import cast

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from aylien_model_serving.schemas.description import JSONSchema, reference

_INTEGER: JSONSchema = {"type": "integer"}
_LONG: JSONSchema = {"type": ["integer", "string"]}  # JSON's numbers lose digits beyond 2**53
_REAL: JSONSchema = {"type": "number"}

_SCALARS: dict[int, JSONSchema] = {
    FieldDescriptor.CPPTYPE_INT32: _INTEGER,
    FieldDescriptor.CPPTYPE_UINT32: _INTEGER,
    FieldDescriptor.CPPTYPE_INT64: _LONG,
    FieldDescriptor.CPPTYPE_UINT64: _LONG,
    FieldDescriptor.CPPTYPE_FLOAT: _REAL,
    FieldDescriptor.CPPTYPE_DOUBLE: _REAL,
    FieldDescriptor.CPPTYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.CPPTYPE_STRING: {"type": "string"},
}

#: Messages with a JSON form of their own.
_WELL_KNOWN: dict[str, JSONSchema] = {
    "google.protobuf.Any": {"type": "object"},
    "google.protobuf.Struct": {"type": "object"},
    "google.protobuf.Value": {},
    "google.protobuf.ListValue": {"type": "array"},
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.Duration": {"type": "string"},
    "google.protobuf.FieldMask": {"type": "string"},
    "google.protobuf.DoubleValue": {"type": ["number", "null"]},
    "google.protobuf.FloatValue": {"type": ["number", "null"]},
    "google.protobuf.Int64Value": {"type": ["integer", "string", "null"]},
    "google.protobuf.UInt64Value": {"type": ["integer", "string", "null"]},
    "google.protobuf.Int32Value": {"type": ["integer", "null"]},
    "google.protobuf.UInt32Value": {"type": ["integer", "null"]},
    "google.protobuf.BoolValue": {"type": ["boolean", "null"]},
    "google.protobuf.StringValue": {"type": ["string", "null"]},
    "google.protobuf.BytesValue": {"type": ["string", "null"], "contentEncoding": "base64"},
}


def of_message(descriptor: Descriptor, components: dict[str, JSONSchema]) -> JSONSchema:
    """Return the schema of a message, and add those of the messages within it.

    Args:
        descriptor: of the message.
        components: components by name, to which nested messages are added.
    """
    return {
        "type": "object",
        "properties": {field.name: _of_field(field, components) for field in descriptor.fields},
        "additionalProperties": False,
    }


def _of_field(field: FieldDescriptor, components: dict[str, JSONSchema]) -> JSONSchema:
    message = field.message_type
    if message is not None and message.GetOptions().map_entry:
        return {
            "type": "object",
            "additionalProperties": _of_item(message.fields_by_name["value"], components),
        }
    item = _of_item(field, components)
    return {"type": "array", "items": item} if field.is_repeated else item


def _of_item(field: FieldDescriptor, components: dict[str, JSONSchema]) -> JSONSchema:
    if field.type == FieldDescriptor.TYPE_BYTES:
        return {"type": "string", "contentEncoding": "base64"}
    if field.cpp_type == FieldDescriptor.CPPTYPE_ENUM:
        names = [value.name for value in cast(EnumDescriptor, field.enum_type).values]
        return {"anyOf": [{"enum": names}, _INTEGER]}
    if field.cpp_type != FieldDescriptor.CPPTYPE_MESSAGE:
        return _SCALARS[field.cpp_type]
    return _of_inner(cast(Descriptor, field.message_type), components)


def _of_inner(message: Descriptor, components: dict[str, JSONSchema]) -> JSONSchema:
    if message.full_name in _WELL_KNOWN:
        return _WELL_KNOWN[message.full_name]
    if message.full_name not in components:
        components[message.full_name] = {}  # a message may be recursive
        components[message.full_name] = of_message(message, components)
    return reference(message.full_name)


def holds_data(descriptor: Descriptor, seen: set[str]) -> bool:
    """Return whether a message has bytes or an array of numbers, alone or within.

    Args:
        descriptor: of the message.
        seen: full names of messages that have been looked at, to which this one is added.
    """
    if descriptor.full_name in seen:
        return False
    seen.add(descriptor.full_name)
    return any(
        field.type == FieldDescriptor.TYPE_BYTES
        or (field.is_repeated and field.cpp_type in _NUMBERS)
        or (field.message_type is not None and holds_data(field.message_type, seen))
        for field in descriptor.fields
    )


_NUMBERS = frozenset(
    {
        FieldDescriptor.CPPTYPE_INT32,
        FieldDescriptor.CPPTYPE_UINT32,
        FieldDescriptor.CPPTYPE_INT64,
        FieldDescriptor.CPPTYPE_UINT64,
        FieldDescriptor.CPPTYPE_FLOAT,
        FieldDescriptor.CPPTYPE_DOUBLE,
    }
)
