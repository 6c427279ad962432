"""Protobuf bodies for routes whose schema is a protobuf message.

Pure. Handlers get the same fields as from the same message's JSON, and need not know which one was sent.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import Any, Protocol, cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.json_format import Error, MessageToDict, ParseDict, ParseError
from google.protobuf.message import DecodeError, Message

from aylien_model_serving.codecs import Encoder, json, protobuf_arrays
from aylien_model_serving.codecs.fields import Fields
from aylien_model_serving.codecs.protobuf_dicts import compile_to_dict, listed_of
from aylien_model_serving.codecs.protobuf_items import ItemLimit
from aylien_model_serving.codecs.protobuf_values import MessageValues
from aylien_model_serving.errors import InvalidAnswer, MalformedBody

MEDIA_TYPE = "application/x-protobuf"

#: The names by which clients call it.
MEDIA_TYPES = (MEDIA_TYPE, "application/protobuf")


class LimitedDecode(Protocol):
    """A decoder of bodies with a number of items."""

    def __call__(self, body: bytes, content_type: str, max_items: int = ...) -> Fields: ...


def decoder(
    message_type: type[Message],
    needed: frozenset[str] = frozenset(),
    arrays: frozenset[str] = frozenset(),
) -> LimitedDecode:
    """Return the decoder of one message type's bytes.

    Args:
        message_type: a generated message class.
        needed: fields that get their default where the bytes lack them, since the wire format leaves out the
            defaults of fields without presence.
        arrays: fields that the handler takes as arrays. Their numbers are returned unchanged, as a list or as
            an array that is a view of the bytes.

    The decoder takes the messages, texts and bytes that a body may have as a third argument.
    """
    descriptor = cast(Descriptor, message_type.DESCRIPTOR)
    fixed = {
        field.number: field
        for field in descriptor.fields
        if field.name in arrays and protobuf_arrays.is_fixed(field)
    }
    limit, to_dict = ItemLimit(descriptor), compile_to_dict(descriptor)
    defaults = MessageToDict(
        message_type(), preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )

    def decode(body: bytes, content_type: str, max_items: int = json.MAX_ITEMS) -> Fields:
        limit.check(body, max_items)
        message = message_type()
        try:
            rest, found = protobuf_arrays.extract_arrays(body, fixed) if fixed else (body, {})
            message.ParseFromString(rest)
            found |= _extract_lists(message, arrays)
            values = found | to_dict(message)
            absent = defaults.keys() & (needed - values.keys())
            values |= {name: copy(defaults[name]) for name in absent}
            return Fields(values, proven=frozenset(values))
        except (DecodeError, Error, TypeError, ValueError, OverflowError) as error:
            # TypeError: an Any of an unknown type; OverflowError: a time beyond those of a datetime
            raise _malformed(message_type, error) from None

    return decode


def message_decoder(message_type: type[Message], name: str) -> LimitedDecode:
    """Return the decoder of one message type's bytes that makes the message the value of a parameter.

    Args:
        message_type: a generated message class.
        name: of the parameter.
    """
    limit = ItemLimit(cast(Descriptor, message_type.DESCRIPTOR))

    def decode(body: bytes, content_type: str, max_items: int = json.MAX_ITEMS) -> Fields:
        limit.check(body, max_items)
        try:
            return Fields({name: message_type.FromString(body)}, bound=True)
        except DecodeError as error:
            raise _malformed(message_type, error) from None

    return decode


def message_of(message_type: type[Message], values: dict[str, Any]) -> Message:
    """Return a message with values that are known to fit it; long lists are not looked at item by item."""
    message = message_type()
    fields = cast(Descriptor, message.DESCRIPTOR).fields_by_name
    rest = {}
    for name, value in values.items():
        field = fields.get(name)
        if field is None or not _put_list(message, field, value):
            rest[name] = value
    return ParseDict(rest, message)


def _malformed(message_type: type[Message], error: Exception) -> MalformedBody:
    name = message_type.DESCRIPTOR.full_name
    return MalformedBody(f"The body is not a protobuf message of type {name}: {error}")


#: Items of a list from which on it is copied in bulk: MessageToDict and ParseDict inspect each item.
_MIN_LONG_LIST = 100

#: Types whose values are the same in a message and in JSON; a 32-bit float has other digits.
_SAME_IN_JSON_TYPES = {
    FieldDescriptor.CPPTYPE_DOUBLE: float,
    FieldDescriptor.CPPTYPE_INT32: int,
    FieldDescriptor.CPPTYPE_UINT32: int,
    FieldDescriptor.CPPTYPE_BOOL: bool,
    FieldDescriptor.CPPTYPE_STRING: str,
}


def _extract_lists(message: Message, arrays: frozenset[str]) -> dict[str, list[Any]]:
    """Remove lists from a message and return them: those that will be arrays, and the long ones."""
    taken = {}
    for field, items in message.ListFields():
        if field.is_repeated and not field.is_extension:
            will_be_array = field.name in arrays and protobuf_arrays.dtype_of(field) is not None
            listed = listed_of(items) if will_be_array else _long_list(field, items)
            if listed:
                taken[field.name] = listed
    for name in taken:
        message.ClearField(name)
    return taken


def _long_list(field: FieldDescriptor, items: Any) -> list[Any]:
    """Return the items of a long list if they are the same as in JSON, else none."""
    if (
        len(items) < _MIN_LONG_LIST
        or field.type == FieldDescriptor.TYPE_BYTES
        or field.cpp_type not in _SAME_IN_JSON_TYPES
    ):
        return []
    return listed_of(items)


def encoder(message_type: type[Message]) -> Encoder:
    """Return the encoder of one message type."""
    return encoders(message_type)[0]


def encoders(message_type: type[Message]) -> tuple[Encoder, ...]:
    """Return the encoders of one message type, one for each media type that clients may ask for."""
    encode = _encode(message_type)
    return tuple(Encoder(media_type, encode) for media_type in MEDIA_TYPES)


def _encode(message_type: type[Message]) -> Callable[[Any], bytes]:
    values = MessageValues(cast(Descriptor, message_type.DESCRIPTOR))

    def encode(result: object) -> bytes:
        try:
            if isinstance(result, message_type):
                return result.SerializeToString()
            if type(result) is dict:
                return _encode_dict(message_type(), result, values)
            return ParseDict(_as_parsed(result, values), message_type()).SerializeToString()
        except ParseError as error:
            raise InvalidAnswer(f"The answer does not fit its schema: {error}") from error

    return encode


def _as_parsed(result: object, values: MessageValues) -> Any:
    """Return a result as the parser takes it; in JSON, NaN and infinities would be null."""
    encoded = json.encode(result)
    if b"null" not in encoded:
        return json.decoded(encoded)
    return json.as_received(values.with_texts(result, quoted=True))


def _encode_dict(message: Message, values: dict[str, Any], texts: MessageValues) -> bytes:
    """Return a message's bytes; arrays and long lists of its values are not converted to JSON first."""
    fields = cast(Descriptor, message.DESCRIPTOR).fields_by_name
    rest, records = {}, []
    for name, value in values.items():
        field = fields.get(name)
        if field is not None and protobuf_arrays.array_fits(field, value):
            records.append(_put_array(message, field, value))
        elif field is None or not _put_list(message, field, value):
            rest[name] = value
    ParseDict(_as_parsed(rest, texts), message)
    return b"".join((message.SerializeToString(), *records))


def _put_array(message: Message, field: FieldDescriptor, array: Any) -> bytes:
    """Put an array that fits into a message, or return its record, to be appended to the message's bytes."""
    if array.size and field.is_packed and protobuf_arrays.is_fixed(field):
        return protobuf_arrays.encode_array(field, array)
    getattr(message, field.name).extend(array.tolist())
    return b""


def _put_list(message: Message, field: FieldDescriptor, items: Any) -> bool:
    """Put a long list into a message if its items are the same in JSON, and return whether it was put."""
    kind = _SAME_IN_JSON_TYPES.get(field.cpp_type) if field.is_repeated else None
    if kind is None or type(items) is not list or len(items) < _MIN_LONG_LIST:
        return False
    if kind is not float and set(map(type, items)) != {kind}:
        return False
    try:
        getattr(message, field.name).extend(items)
        is_put = True
    except (OverflowError, TypeError, ValueError):
        is_put = False
    if not is_put:  # so that ParseDict reports what is wrong
        message.ClearField(field.name)
    return is_put
