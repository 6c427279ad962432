"""Bodies that are small and become many objects are refused before they are decoded."""

import json
from typing import Any

import pytest
from google.protobuf import struct_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from hypothesis import given
from hypothesis import strategies as st

from aylien_model_serving.codecs import decoders_of, forms, json_items, protobuf
from aylien_model_serving.codecs import json as codec
from aylien_model_serving.codecs.protobuf_items import ItemLimit
from aylien_model_serving.errors import MalformedBody, TooManyItems
from tests.codecs.test_json import VALUES


def items_of(value: Any) -> int:
    """Return the arrays, objects and texts of a value."""
    if isinstance(value, dict):
        return 1 + sum(1 + items_of(item) for item in value.values())
    if isinstance(value, list):
        return 1 + sum(map(items_of, value))
    return isinstance(value, str)


def is_refused(body: bytes, most: int) -> bool:
    try:
        json_items.check(body, most)
    except TooManyItems:
        return True
    return False


@given(VALUES, st.booleans())
def test_items_are_counted_exactly_whatever_texts_hold(value: Any, ascii_only: bool) -> None:
    body, items = json.dumps(value, ensure_ascii=ascii_only).encode(), items_of(value)

    assert is_refused(body, items - 1)
    assert not is_refused(body, items)


@pytest.mark.parametrize("item", [b"[]", b"{}", b'""', b'{"a":0}', b'["a"]'])
def test_a_body_with_too_many_items_is_refused_with_the_settings_name(item: bytes) -> None:
    body = b'{"a": [' + b",".join([item] * 100) + b"]}"

    with pytest.raises(TooManyItems, match=r"more than 99 .*MODEL_SERVING_MAX_JSON_ITEMS"):
        codec.decode(body, max_items=99)


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": [' + b",".join([b"0.5"] * 1000) + b"]}",
        b'{"a": "' + b"[{" * 1000 + b'"}',
        b'{"a": "' + b'\\"' * 1000 + b'"}',
        b'{"a": "' + b"\\\\" * 1000 + b'"}',
    ],
    ids=["numbers", "brackets within a text", "quotes within a text", "backslashes"],
)
def test_what_is_no_item_does_not_count(body: bytes) -> None:
    assert codec.decode(body, max_items=4).values


@pytest.mark.parametrize("media_type", ["", "application/json", "application/x-www-form-urlencoded"])
def test_the_limit_holds_under_each_media_type_that_json_comes_by(media_type: str) -> None:
    decode = decoders_of(max_items=3)[media_type]

    with pytest.raises(TooManyItems):
        decode(b'{"a": [[], [], []]}', media_type)


def test_numbers_count_where_each_may_become_an_error_of_pydantics() -> None:
    body = b'{"a": [' + b",".join([b"0"] * 101) + b'], "b": ",,,,"}'

    assert codec.decode(body, max_items=103, numbers=True).values
    with pytest.raises(TooManyItems, match="more than 102 values, numbers included"):
        codec.decode(body, max_items=102, numbers=True)


def test_a_multipart_form_with_too_many_parts_is_refused() -> None:
    part = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n'

    with pytest.raises(TooManyItems, match="1,000 fields"):
        forms.decode_multipart(part * (forms.MAX_PARTS + 1) + b"--x--", "multipart/form-data; boundary=x")


def nested_values(depth: int, width: int) -> struct_pb2.ListValue:
    made = struct_pb2.ListValue()
    for _ in range(width):
        made.values.add().list_value.CopyFrom(nested_values(depth - 1, width) if depth else made.__class__())
    return made


@pytest.mark.parametrize(
    ("message", "items"),
    [
        (nested_values(0, 50), 100),
        (nested_values(2, 4), 168),
        (FileDescriptorProto(dependency=[""] * 100), 100),
        (FileDescriptorProto(public_dependency=range(1000)), 0),
        (struct_pb2.Struct(fields={str(n): struct_pb2.Value() for n in range(30)}), 90),
    ],
    ids=["lists", "nested lists", "texts", "numbers", "map"],
)
def test_the_items_of_a_protobuf_body_are_counted_at_every_depth(message: Any, items: int) -> None:
    limit, body = ItemLimit(message.DESCRIPTOR), message.SerializeToString()

    limit.check(body, items)
    if items:
        with pytest.raises(TooManyItems, match="MODEL_SERVING_MAX_JSON_ITEMS"):
            limit.check(body, min(items, len(body) // 2) - 1)


@pytest.mark.parametrize(
    "body", [b"\x0a", b"\x0a\xff\xff\xff\xff\xff\xff", b"\x0c" * 9, b"\x0b" * 9, b"\x0f" * 9]
)
def test_bytes_that_are_no_message_are_left_to_the_parser(body: bytes) -> None:
    ItemLimit(FileDescriptorProto.DESCRIPTOR).check(body, 100)

    with pytest.raises(MalformedBody):
        protobuf.decoder(FileDescriptorProto)(body, "", 100)
