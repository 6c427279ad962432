"""Protobuf bodies: bytes ↔ the same fields as from the message's JSON."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from aylien_model_serving.codecs import protobuf
from aylien_model_serving.errors import InvalidAnswer, MalformedBody
from examples.example_schema_pb2 import Request, Response
from tests.schemas.proto_files import message_class

REQUEST = Request(title="a", enrichments={"extracted": {"value": {"body": "b"}}})


def test_a_message_is_read_as_its_fields() -> None:
    found = protobuf.decoder(Request)(REQUEST.SerializeToString(), protobuf.MEDIA_TYPE)

    assert not found.textual
    assert found.values == {"title": "a", "enrichments": {"extracted": {"value": {"body": "b"}}}}


def test_a_field_that_the_handler_needs_arrives_with_its_default() -> None:
    message = message_class("message M\nstring text\nint32 n\nrepeated float x\noptional string o", "M")

    decode = protobuf.decoder(message, frozenset({"n", "x", "o", "unknown"}))

    assert decode(b"", "").values == {"n": 0, "x": []}


@pytest.mark.parametrize("body", [b"\xff", b"{}", REQUEST.SerializeToString()[:-3], b"\x12\x01\xff"])
def test_bytes_that_are_no_such_message_are_refused(body: bytes) -> None:
    with pytest.raises(MalformedBody, match=r"app\.Request"):
        protobuf.decoder(Request)(body, "")


@pytest.mark.parametrize(
    ("field", "body"),
    [
        ("Struct x", b"\x0a\x10\x0a\x0e\x0a\x01a\x12\x09\x11" + b"\x00\x00\x00\x00\x00\x00\xf8\x7f"),
        ("Any x", b"\x0a\x0b\x0a\x09of/nobody"),
    ],
    ids=["NaN in a Struct", "a type that nobody knows"],
)
def test_a_message_that_json_can_not_express_is_refused(field: str, body: bytes) -> None:
    message = message_class(f"message M\n{field}", "M")
    message().ParseFromString(body)  # protobuf itself takes it

    with pytest.raises(MalformedBody, match="is not a protobuf message of type"):
        protobuf.decoder(message)(body, "")


@pytest.mark.parametrize("make", [dict, lambda **fields: Response(**fields)], ids=["dict", "message"])
def test_an_answer_is_written_as_the_message_that_it_describes(make: Callable[..., Any]) -> None:
    encoder = protobuf.encoder(Response)

    body = encoder.encode(make(language="en", confidence=np.float32(0.5)))

    assert encoder.media_type == "application/x-protobuf"
    assert Response.FromString(body) == Response(language="en", confidence=0.5)


def test_an_answer_that_does_not_fit_is_refused() -> None:
    with pytest.raises(InvalidAnswer, match="no field named"):
        protobuf.encoder(Response).encode({"label": "en"})
