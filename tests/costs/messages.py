"""A protobuf message with a field of every kind that costs something, and its wire format."""

from __future__ import annotations

from google.protobuf import any_pb2, duration_pb2, struct_pb2, timestamp_pb2
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

_KIND = FieldDescriptorProto

#: The repeated fields by name: the type, and the name of an enum's or a message's.
REPEATED = {
    "enums": (_KIND.TYPE_ENUM, ".costs.Colour"),
    "ints": (_KIND.TYPE_INT32, ""),
    "longs": (_KIND.TYPE_INT64, ""),
    "floats": (_KIND.TYPE_FLOAT, ""),
    "doubles": (_KIND.TYPE_DOUBLE, ""),
    "bools": (_KIND.TYPE_BOOL, ""),
    "texts": (_KIND.TYPE_STRING, ""),
    "blobs": (_KIND.TYPE_BYTES, ""),
    "items": (_KIND.TYPE_MESSAGE, ".costs.Item"),
    "structs": (_KIND.TYPE_MESSAGE, ".google.protobuf.Struct"),
    "values": (_KIND.TYPE_MESSAGE, ".google.protobuf.Value"),
    "anys": (_KIND.TYPE_MESSAGE, ".google.protobuf.Any"),
    "times": (_KIND.TYPE_MESSAGE, ".google.protobuf.Timestamp"),
    "map": (_KIND.TYPE_MESSAGE, ".costs.Item.MapEntry"),
    "spans": (_KIND.TYPE_MESSAGE, ".google.protobuf.Duration"),
}


def _item() -> type[Message]:
    pool = DescriptorPool()
    file = FileDescriptorProto(name="costs.proto", package="costs", syntax="proto3")
    for known in (any_pb2, duration_pb2, struct_pb2, timestamp_pb2):
        pool.AddSerializedFile(known.DESCRIPTOR.serialized_pb)
        file.dependency.append(known.DESCRIPTOR.name)
    colour = file.enum_type.add(name="Colour")
    for number in range(8):
        colour.value.add(name=f"C{number}", number=number)
    item = file.message_type.add(name="Item")
    entry = item.nested_type.add(name="MapEntry")
    entry.options.map_entry = True
    for number, (name, kind) in enumerate({"key": _KIND.TYPE_STRING, "value": _KIND.TYPE_INT32}.items(), 1):
        entry.field.add(name=name, number=number, type=kind, label=_KIND.LABEL_OPTIONAL)
    for number, (name, (kind, type_name)) in enumerate(REPEATED.items(), 1):
        item.field.add(
            name=name, number=number, type=kind, label=_KIND.LABEL_REPEATED, type_name=type_name or None
        )
    pool.AddSerializedFile(file.SerializeToString())
    return GetMessageClass(pool.FindMessageTypeByName("costs.Item"))


ITEM = _item()


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number >= 0x80:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*encoded, number))


def record(field: str, content: bytes) -> bytes:
    """Return the record of one item of a field, or of a packed field."""
    number = list(REPEATED).index(field) + 1
    return _varint(number << 3 | 2) + _varint(len(content)) + content
