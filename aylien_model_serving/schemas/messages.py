"""The schema of a handler whose only parameter is a protobuf message, which the body of a request is.

Pure. In JSON, the query and forms the message has the fields that a route's `schema` would have.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any

from google.protobuf.message import Message

from aylien_model_serving.codecs import protobuf
from aylien_model_serving.codecs.fields import Fields
from aylien_model_serving.errors import FieldMismatch
from aylien_model_serving.handlers.signatures import Signature
from aylien_model_serving.schemas.base import merge
from aylien_model_serving.schemas.description import Description, WholeBody
from aylien_model_serving.schemas.protobuf import MessageValidator, ProtobufSchema


class MessageSchema(ProtobufSchema):
    """Validates the body as a message, and the result where its type is a message as well.

    Args:
        parameter: the name of the one that gets the message.
        request: the message's type.
        response: message type of the result, if it is one.
        signature: the parameters of the handler.
        path_names: those that get values of the path.
    """

    def __init__(
        self,
        parameter: str,
        request: type[Message],
        response: type[Message] | None,
        signature: Signature,
        path_names: frozenset[str],
    ) -> None:
        self._parameter = parameter
        self._message_type = request
        self._path_names = path_names
        self._validator = MessageValidator(request)
        super().__init__(request, response, signature, path_names, MappingProxyType({}))

    def limit_items(self, max_items: int) -> None:
        super().limit_items(max_items)
        binary = partial(protobuf.message_decoder(self._message_type, self._parameter), max_items=max_items)
        self.decoders = {**self.decoders, **dict.fromkeys(protobuf.MEDIA_TYPES, binary)}

    def arguments(self, fields: Fields, path_values: Mapping[str, Any]) -> dict[str, Any]:
        in_path = {name: value for name, value in path_values.items() if name in self._path_names}
        in_query = {name: value for name, value in path_values.items() if name not in in_path}
        if not fields.bound:
            fields = Fields(
                {self._parameter: self._message_of({**fields.values, **in_query}, fields.textual)}
            )
        elif in_query:
            raise FieldMismatch(
                f"Unexpected field {min(in_query)[:80]!r} in the query: the body has all of {self._parameter}"
            )
        values = merge(fields.values, in_path)
        self._signature.check(values)
        return values

    def _message_of(self, values: dict[str, Any], textual: bool) -> Message:
        values = self._validator.coerce(values) if textual else values
        self._validator.check_fields(values)
        return protobuf.message_of(self._message_type, values)

    def example_arguments(self, example: Mapping[str, Any]) -> dict[str, Any]:
        in_path = {name: value for name, value in example.items() if name in self._path_names}
        rest = {name: value for name, value in example.items() if name not in in_path}
        return self.arguments(Fields(rest), in_path)

    def describe(self, prefix: str) -> Description:
        described = super().describe(prefix)
        body = WholeBody(self._parameter, described.fields, required=True, is_bare=False)
        return replace(described, body=body)
