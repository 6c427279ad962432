"""Protobuf's wire format: the position of each field in a message's bytes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aylien_model_serving.codecs import protobuf_wire
from tests.schemas.proto_files import message_class

M: Any = message_class("message M\nint64 n\nstring s\nrepeated fixed32 a\ndouble d\nfixed32 b\nM m", "M")
BODY = M(n=-1, s="é" * 100, a=[1, 2], d=0.5, b=1, m={"n": 1}).SerializeToString()


def test_each_field_is_found_at_its_position() -> None:
    found = list(protobuf_wire.iter_records(BODY, 6))

    assert [(each.number, each.wire_type, each.end - each.content) for each in found] == [
        (1, protobuf_wire.VARINT, 10),
        (2, protobuf_wire.LEN, 200),
        (3, protobuf_wire.LEN, 8),
        (4, protobuf_wire.I64, 8),
        (5, protobuf_wire.I32, 4),
        (6, protobuf_wire.LEN, 2),
    ]
    assert [each.start for each in found] == [0, *(each.end for each in found[:-1])]


@pytest.mark.parametrize("end", [1, 5, 12, 13, 50, len(BODY) - 1])
def test_a_message_that_is_cut_short_is_no_message(end: int) -> None:
    with pytest.raises(ValueError, match="beyond"):
        list(protobuf_wire.iter_records(BODY[:end], 6))


def test_no_more_records_are_read_than_allowed() -> None:
    with pytest.raises(ValueError, match="Too many"):
        list(protobuf_wire.iter_records(BODY, 5))


def test_a_message_without_some_records_is_what_the_others_make() -> None:
    found = [each for each in protobuf_wire.iter_records(BODY, 6) if each.number in (1, 3)]

    assert M.FromString(protobuf_wire.remove_records(BODY, found)) == M(s="é" * 100, d=0.5, b=1, m={"n": 1})


@given(st.binary(max_size=300), st.integers(1, 2**29 - 1))
def test_a_record_is_read_as_it_was_written(content: bytes, number: int) -> None:
    body = protobuf_wire.encode_record(number, content)

    (found,) = protobuf_wire.iter_records(body, 1)

    assert (found.number, found.wire_type, body[found.content : found.end]) == (
        number,
        protobuf_wire.LEN,
        content,
    )
