"""Protobuf messages as JSON Schema."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import descriptor_pool, struct_pb2, timestamp_pb2, wrappers_pb2
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto

from aylien_model_serving.schemas.descriptors import of_message

TREE = "descriptors_test.Tree"


@pytest.fixture(scope="module")
def tree() -> Any:
    """A message that holds itself, a map, an enum, bytes and messages of Google's own."""
    file = FileDescriptorProto(name="descriptors_test.proto", package="descriptors_test", syntax="proto3")
    for module in (struct_pb2, timestamp_pb2, wrappers_pb2):
        file.dependency.append(module.DESCRIPTOR.name)
    message = file.message_type.add(name="Tree")
    kind = file.enum_type.add(name="Kind")
    kind.value.add(name="OAK", number=0)
    kind.value.add(name="ELM", number=1)
    entry = message.nested_type.add(name="CountsEntry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, type=FieldDescriptorProto.TYPE_STRING, label=1)
    entry.field.add(name="value", number=2, type=FieldDescriptorProto.TYPE_INT32, label=1)
    for number, (name, type_name, repeated) in enumerate(
        [
            ("branches", f".{TREE}", True),
            ("counts", f".{TREE}.CountsEntry", True),
            ("extra", ".google.protobuf.Struct", False),
            ("planted_at", ".google.protobuf.Timestamp", False),
            ("nick_name", ".google.protobuf.StringValue", False),
        ],
        start=1,
    ):
        message.field.add(
            name=name,
            number=number,
            type=FieldDescriptorProto.TYPE_MESSAGE,
            type_name=type_name,
            label=3 if repeated else 1,
        )
    message.field.add(name="kind", number=10, type=14, type_name=".descriptors_test.Kind", label=1)
    message.field.add(name="bark", number=11, type=FieldDescriptorProto.TYPE_BYTES, label=1)
    message.field.add(name="rings", number=12, type=FieldDescriptorProto.TYPE_UINT64, label=1)
    message.field.add(name="tall", number=13, type=FieldDescriptorProto.TYPE_BOOL, label=1)
    pool = descriptor_pool.DescriptorPool()
    for module in (struct_pb2, timestamp_pb2, wrappers_pb2):
        pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(file.SerializeToString())
    return pool.FindMessageTypeByName(TREE)


def test_a_field_has_the_json_that_protobuf_reads_for_it(tree: Any) -> None:
    schema = of_message(tree, {})

    assert schema["additionalProperties"] is False
    assert schema["properties"] == {
        "branches": {"type": "array", "items": {"$ref": f"#/components/schemas/{TREE}"}},
        "counts": {"type": "object", "additionalProperties": {"type": "integer"}},
        "extra": {"type": "object"},
        "planted_at": {"type": "string", "format": "date-time"},
        "nick_name": {"type": ["string", "null"]},
        "kind": {"anyOf": [{"enum": ["OAK", "ELM"]}, {"type": "integer"}]},
        "bark": {"type": "string", "contentEncoding": "base64"},
        "rings": {"type": ["integer", "string"]},
        "tall": {"type": "boolean"},
    }


def test_a_message_that_holds_itself_is_described_once(tree: Any) -> None:
    found: dict[str, Any] = {}

    schema = of_message(tree, found)

    assert found == {TREE: schema}
