"""Protobuf bodies for routes whose schema is a protobuf message.

Floor 1: pure. The fields read as the same message's JSON would: handlers need not know which one was sent.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
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
            values = _take_lists(message) | MessageToDict(message, preserving_proto_field_name=True)
            return Fields(values | _defaults(message, needed - values.keys()))
        except (DecodeError, ValueError) as error:
            name = message_type.DESCRIPTOR.full_name
            raise MalformedBody(f"The body is not a protobuf message of type {name}: {error}") from None

    return decode


#: Items from which on a list is worth a way of its own: MessageToDict and ParseDict ask each item what it is.
_LONG = 100

#: Types whose items are the same in a message and in JSON; a 32-bit float is not, for its digits.
_SAME_IN_JSON = {
    FieldDescriptor.CPPTYPE_DOUBLE: float,
    FieldDescriptor.CPPTYPE_INT32: int,
    FieldDescriptor.CPPTYPE_UINT32: int,
    FieldDescriptor.CPPTYPE_BOOL: bool,
    FieldDescriptor.CPPTYPE_STRING: str,
}


def _take_lists(message: Message) -> dict[str, list[Any]]:
    """Take the long lists out of a message and return them; one with NaN or an infinity stays."""
    taken = {}
    for field, items in message.ListFields():
        if field.is_repeated and field.type != FieldDescriptor.TYPE_BYTES and field.cpp_type in _SAME_IN_JSON:
            listed = list(items) if len(items) >= _LONG else []
            if listed and (field.cpp_type != FieldDescriptor.CPPTYPE_DOUBLE or math.isfinite(sum(listed))):
                taken[field.name] = listed
    for name in taken:
        message.ClearField(name)
    return taken


def _put_lists(message: Message, values: dict[str, Any]) -> dict[str, Any]:
    """Put the long lists into a message, and return the values that are left."""
    return {name: value for name, value in values.items() if not _put_list(message, name, value)}


def _put_list(message: Message, name: str, items: Any) -> bool:
    field = message.DESCRIPTOR.fields_by_name.get(name)
    kind = _SAME_IN_JSON.get(field.cpp_type) if field is not None and field.is_repeated else None
    if kind is None or type(items) is not list or len(items) < _LONG or set(map(type, items)) != {kind}:
        return False
    if kind is float and not math.isfinite(sum(items)):
        return False
    try:
        getattr(message, name).extend(items)
    except (TypeError, ValueError):  # for ParseDict to say what is wrong
        message.ClearField(name)
        return False
    return True


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
            message = message_type()
            rest = _put_lists(message, result) if type(result) is dict else result
            return ParseDict(json.as_received(rest), message).SerializeToString()
        except ParseError as error:
            raise InvalidAnswer(f"The answer does not fit its schema: {error}") from error

    return encode
