"""Builds protobuf message classes from a few words of text, each in a descriptor pool of its own.

A line declares a message, an enum or, below a message, a field: `[label] type name [oneof=x] [json=y]`.
"""

from __future__ import annotations

from typing import cast

from google.protobuf import (
    any_pb2,
    duration_pb2,
    empty_pb2,
    field_mask_pb2,
    struct_pb2,
    timestamp_pb2,
    wrappers_pb2,
)
from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    Edition,
    FeatureSet,
    FieldDescriptorProto,
    FileDescriptorProto,
)
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

_IMPORTS = [
    module.DESCRIPTOR
    for module in (
        any_pb2,
        duration_pb2,
        empty_pb2,
        field_mask_pb2,
        struct_pb2,
        timestamp_pb2,
        wrappers_pb2,
    )
]
_IMPORTED = {name for file in _IMPORTS for name in file.message_types_by_name} | {"NullValue"}
_LABELS = {
    "optional": FieldDescriptorProto.LABEL_OPTIONAL,
    "required": FieldDescriptorProto.LABEL_REQUIRED,
    "repeated": FieldDescriptorProto.LABEL_REPEATED,
}


def message_class(text: str, name: str, package: str = "test") -> type[Message]:
    """Return the class of the message `name` of a text, as `parse_file` reads it."""
    pool = DescriptorPool()
    for file in _IMPORTS:
        pool.AddSerializedFile(file.serialized_pb)
    pool.Add(parse_file(text, package))
    return GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}"))


def descriptor_of(message: type[Message]) -> Descriptor:
    """Return the descriptor of a message class, which the type hints know by two names."""
    return cast("Descriptor", message.DESCRIPTOR)


def parse_file(text: str, package: str = "test") -> FileDescriptorProto:
    """Return the file that a text declares.

    Args:
        text: `syntax proto2`, `syntax proto3` (the default) or `syntax delimited` (edition 2023, its messages
            delimited), then messages, their fields, and enums as `enum Name A=0 B=1`.
        package: the package of all names.
    """
    lines = [line.split() for line in text.splitlines() if line.strip()]
    file = FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto3")
    file.dependency.extend(imported.name for imported in _IMPORTS)
    kinds = {words[1]: words[0] for words in lines if words[0] in ("message", "enum")}
    for words in lines:
        if words[0] == "syntax":
            _set_syntax(file, words[1])
        elif words[0] == "message":
            file.message_type.add(name=words[1])
        elif words[0] == "enum":
            _add_enum(file, words[1], words[2:])
        elif words[0] == "extensions":
            file.message_type[-1].extension_range.add(start=1000, end=2000)
        else:
            _add_field(file, file.message_type[-1], words, kinds)
    return file


def _set_syntax(file: FileDescriptorProto, syntax: str) -> None:
    if syntax == "delimited":
        file.syntax = "editions"
        file.edition = Edition.EDITION_2023
        file.options.features.message_encoding = FeatureSet.DELIMITED
    else:
        file.syntax = syntax


def _add_enum(file: FileDescriptorProto, name: str, values: list[str]) -> None:
    enum = file.enum_type.add(name=name)
    for value in values:
        label, number = value.split("=")
        enum.value.add(name=label, number=int(number))
    enum.options.allow_alias = len({value.number for value in enum.value}) < len(enum.value)


def _add_field(
    file: FileDescriptorProto, message: DescriptorProto, words: list[str], kinds: dict[str, str]
) -> None:
    label = words[0] if words[0] in _LABELS else None
    kind, name, *options = words[1:] if label else words
    field = message.field.add(name=name, number=len(message.field) + 1, label=_LABELS[label or "optional"])
    for option in options:
        key, value = option.split("=", 1)
        if key == "json":
            field.json_name = value
        else:
            field.oneof_index = _oneof_index(message, value)
    if kind.startswith("map<"):
        field.label = FieldDescriptorProto.LABEL_REPEATED
        _add_entry(file, message, field, kind[4:-1].split(","), kinds)
    else:
        _set_type(file, field, kind, kinds)
    if label == "optional" and file.syntax == "proto3":
        field.proto3_optional = True
        field.oneof_index = _oneof_index(message, f"_{name}")


def _oneof_index(message: DescriptorProto, name: str) -> int:
    names = [oneof.name for oneof in message.oneof_decl]
    if name not in names:
        message.oneof_decl.add(name=name)
        names.append(name)
    return names.index(name)


def _add_entry(
    file: FileDescriptorProto,
    message: DescriptorProto,
    field: FieldDescriptorProto,
    types: list[str],
    kinds: dict[str, str],
) -> None:
    entry = message.nested_type.add(
        name="".join(part.capitalize() for part in field.name.split("_")) + "Entry"
    )
    entry.options.map_entry = True
    for number, (name, kind) in enumerate(zip(("key", "value"), types, strict=True), 1):
        part = entry.field.add(name=name, number=number, label=FieldDescriptorProto.LABEL_OPTIONAL)
        _set_type(file, part, kind, kinds)
    field.type = FieldDescriptorProto.TYPE_MESSAGE
    field.type_name = f".{file.package}.{message.name}.{entry.name}"


def _set_type(
    file: FileDescriptorProto, field: FieldDescriptorProto, kind: str, kinds: dict[str, str]
) -> None:
    scalar = f"TYPE_{kind.upper()}"
    if scalar in FieldDescriptorProto.Type.keys():  # noqa: SIM118 an enum's wrapper is not a dict
        field.type = FieldDescriptorProto.Type.Value(scalar)
        return
    is_group = kind.startswith("group:")
    kind = kind.removeprefix("group:")
    is_enum = kinds.get(kind) == "enum" or kind == "NullValue"
    field.type_name = f".google.protobuf.{kind}" if kind in _IMPORTED else f".{file.package}.{kind}"
    field.type = FieldDescriptorProto.TYPE_ENUM if is_enum else FieldDescriptorProto.TYPE_MESSAGE
    if is_group:
        field.type = FieldDescriptorProto.TYPE_GROUP
