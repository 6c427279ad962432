"""Protobuf bodies for routes whose schema is a protobuf message.

Floor 1: pure. The fields read as the same message's JSON would: handlers need not know which one was sent.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from google.protobuf.json_format import MessageToDict, ParseDict, ParseError
from google.protobuf.message import DecodeError, Message

from aylien_model_serving.codecs import Decode, Encoder, json
from aylien_model_serving.codecs.fields import Fields
from aylien_model_serving.errors import InvalidAnswer, MalformedBody

MEDIA_TYPE = "application/x-protobuf"


def decoder(message_type: type[Message], needed: frozenset[str] = frozenset()) -> Decode:
    """Return the decoder of one message type's bytes.

    Args:
        message_type: a generated message class.
        needed: fields that are given with their default where the bytes lack them, since bytes do not hold
            the defaults of fields without presence.
    """

    def decode(body: bytes, content_type: str) -> Fields:
        message = message_type()
        try:
            message.ParseFromString(body)
            values = MessageToDict(message, preserving_proto_field_name=True)
            return Fields(values | _defaults(message, needed - values.keys()))
        except (DecodeError, ValueError) as error:
            name = message_type.DESCRIPTOR.full_name
            raise MalformedBody(f"The body is not a protobuf message of type {name}: {error}") from None

    return decode


def _defaults(message: Message, names: frozenset[str]) -> dict[str, Any]:
    if not names:
        return {}
    complete = MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return {name: complete[name] for name in names & complete.keys()}


def encoder(message_type: type[Message]) -> Encoder:
    """Return the encoder of one message type."""
    return Encoder(MEDIA_TYPE, _encode(message_type))


def _encode(message_type: type[Message]) -> Callable[[Any], bytes]:
    def encode(result: object) -> bytes:
        try:
            if isinstance(result, message_type):
                return result.SerializeToString()
            return ParseDict(json.as_received(result), message_type()).SerializeToString()
        except ParseError as error:
            raise InvalidAnswer(f"The answer does not fit its schema: {error}") from error

    return encode
