"""The schema of a handler whose only parameter is an iterator of protobuf messages, or of their fields.

gRPC sends the messages while the handler runs. A request of HTTP has all of them: a JSON array, or frames.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterator, Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any, get_origin

from google.protobuf.message import Message

from aylien_model_serving.codecs import decoders_of, message_items, protobuf
from aylien_model_serving.codecs.fields import Fields
from aylien_model_serving.codecs.streaming import MESSAGES
from aylien_model_serving.errors import SchemaMismatch
from aylien_model_serving.handlers.signatures import Signature
from aylien_model_serving.schemas.base import merge
from aylien_model_serving.schemas.description import Description, JSONSchema, WholeBody
from aylien_model_serving.schemas.handler_hints import item_hint_of
from aylien_model_serving.schemas.protobuf import MessageValidator, ProtobufSchema
from aylien_model_serving.schemas.structured_hints import is_message

_ASYNCHRONOUS = (AsyncIterator, AsyncIterable, AsyncGenerator)


class MessageStreamSchema(ProtobufSchema):
    """Validates each message of a stream, and the result by its own type.

    Args:
        parameter: the name of the one that gets the stream.
        hint: of it, an iterator.
        request: message type of the stream.
        response: message type of the result, if it is one.
        signature: the parameters of the handler.
        path_names: those that get values of the path.
    """

    takes_stream = True

    def __init__(
        self,
        parameter: str,
        hint: Any,
        request: type[Message],
        response: type[Message] | None,
        signature: Signature,
        path_names: frozenset[str],
    ) -> None:
        self._parameter = parameter
        self._is_asynchronous = get_origin(hint) in _ASYNCHRONOUS
        self._takes_messages = is_message(item_hint_of(hint))
        self._message_type = request
        decoder = protobuf.message_decoder(request, parameter) if self._takes_messages else None
        self._decode = decoder or protobuf.decoder(request)
        self._validator = MessageValidator(request)
        super().__init__(request, response, signature, path_names, MappingProxyType({}))

    def limit_items(self, max_items: int) -> None:
        self.expected = f"a JSON array of {self._message_type.DESCRIPTOR.name}"
        self.decoders = {
            **decoders_of(max_items, whole=self._parameter, expected=self.expected),
            MESSAGES: partial(self._decode_frames, max_items=max_items),
        }

    def _decode_frames(self, body: bytes, content_type: str, max_items: int) -> Fields:
        one = partial(self._decode_message, max_items=max_items)
        given = message_items.current.get()
        if given is None:
            items: Any = map(one, message_items.split(body, max_items))
        else:
            items = given.for_loop(one) if self._is_asynchronous else given.for_thread(one)
        return Fields({self._parameter: items}, bound=True)

    def _decode_message(self, message: bytes, max_items: int) -> Any:
        values = self._decode(message, "", max_items).values
        return values[self._parameter] if self._takes_messages else values

    def arguments(self, fields: Fields, path_values: Mapping[str, Any]) -> dict[str, Any]:
        if not fields.bound:
            fields = Fields({self._parameter: fields.values.get(self._parameter)}, bound=True)
        given = fields.values[self._parameter]
        if not isinstance(given, (Iterator, AsyncIterator)):
            given = self._of_array(given)
        values = merge({self._parameter: given}, path_values)
        self._signature.check(values)
        return values

    def _of_array(self, array: Any) -> Any:
        if not isinstance(array, list) or not all(isinstance(item, dict) for item in array):
            raise SchemaMismatch(f"The body has to be {self.expected}")
        for item in array:
            self._validator.check_fields(item)
        items = (
            [protobuf.message_of(self._message_type, item) for item in array]
            if self._takes_messages
            else array
        )
        return _each(items) if self._is_asynchronous else iter(items)

    def may_wait(self, arguments: dict[str, Any]) -> bool:
        return True

    def describe(self, prefix: str) -> Description:
        described = super().describe(prefix)
        array = JSONSchema(type="array", items=described.fields)
        return replace(described, body=WholeBody(self._parameter, array, required=True, is_bare=True))


async def _each(items: list[Any]) -> AsyncIterator[Any]:
    for item in items:
        yield item
