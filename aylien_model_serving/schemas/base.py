"""The interface of schemas, as the pipeline uses it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from google.protobuf.message import Message

from aylien_model_serving.codecs import DECODERS, JSON, Decode, Encoder, choose_encoder, decoders_of
from aylien_model_serving.codecs.fields import Fields
from aylien_model_serving.errors import FieldMismatch
from aylien_model_serving.schemas.description import Description
from aylien_model_serving.schemas.request_parameters import RequestParameters
from aylien_model_serving.schemas.tuples import TupleMeaning


class Schema(ABC):
    """One kind of schema, bound to one handler."""

    #: Identity of the schema in a cache key.
    name: str = ""

    #: The decoders of bodies that are taken as they are, text or bytes, by media type or range of types.
    raw: Mapping[str, Decode] = MappingProxyType({})

    #: What a client is told to send in place of a body that is not understood.
    expected: str = "JSON"

    #: Whether fields hold data as such, files, arrays or bytes, so that bodies may be large.
    takes_data: bool = False

    #: What a tuple means that the handler returns.
    tuples: TupleMeaning = TupleMeaning.UNKNOWN

    #: Whether the handler makes its result item by item.
    streams: bool = False

    #: Whether the handler takes the messages of a request one by one.
    takes_stream: bool = False

    #: The message types of request and response, where both are protobuf's.
    messages: tuple[type[Message], type[Message]] | None = None

    #: The message type of the result, where it is protobuf's.
    response: type[Message] | None = None

    #: The hints of fields and of the result that a library's arrays are named by, where there are any.
    hints: Mapping[str, Any] = MappingProxyType({})
    result_hint: Any = None

    #: The parameters that are headers and cookies, if there are any.
    parameters: RequestParameters | None = None

    decoders: Mapping[str, Decode] = DECODERS
    encoders: tuple[Encoder, ...] = (JSON,)

    def limit_items(self, max_items: int) -> None:
        """Limit the items that a body may have; see `codecs.json.decode`."""
        self.decoders = decoders_of(max_items, expected=self.expected)

    def encoder(self, accept: str) -> Encoder:
        """Return the encoder for an Accept header."""
        return choose_encoder(accept, self.encoders)

    def set_deadline(self, arguments: dict[str, Any], deadline: float) -> None:
        """Tell arguments that take time of their own when nobody waits for them any more.

        Args:
            arguments: what `arguments` has returned.
            deadline: in `time.monotonic()` seconds.
        """
        return  # most arguments take none

    def may_wait(self, arguments: dict[str, Any]) -> bool:
        """Return whether using these arguments may block, on the network or on another process."""
        return False

    @abstractmethod
    def arguments(self, fields: Fields, path_values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the handler's arguments for the fields of a request.

        Raises:
            SchemaMismatch: a value does not fit.
            FieldMismatch: a field is missing or unexpected.
        """

    def large_arguments(self, fields: Fields, path_values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the same for the fields of a large body, in steps between which other threads run."""
        return self.arguments(fields, path_values)

    def example_arguments(self, example: Mapping[str, Any]) -> dict[str, Any]:
        """Return the handler's arguments for a call that the service makes itself.

        Args:
            example: the fields, those of the path included; a body without fields has its parameter's name.

        Raises:
            SchemaMismatch: a value does not fit.
            FieldMismatch: a field is missing or unexpected.
        """
        return self.arguments(Fields(dict(example)), {})

    def warmup_arguments(self, example: Mapping[str, Any]) -> dict[str, Any]:
        """Return the same where the example has headers and cookies too, by their parameters' names."""
        names = frozenset() if self.parameters is None else self.parameters.names
        fields = {name: value for name, value in example.items() if name not in names}
        return self.example_arguments(fields) | {name: example[name] for name in names & example.keys()}

    def read_text(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values, as JSON would have them, that the texts of a query stand for.

        Args:
            values: some of the fields, by name; one without a type stays text.

        Raises:
            SchemaMismatch: a text stands for no value of its field.
        """
        return dict(values)

    @abstractmethod
    def check_result(self, result: Any) -> Any:
        """Return a handler's result, validated.

        Raises:
            InvalidAnswer: the result does not fit.
        """

    @abstractmethod
    def describe(self, prefix: str) -> Description:
        """Return the description of the route's fields and result.

        Args:
            prefix: of the names of components that are the route's own.
        """


def merge(values: dict[str, Any], path_values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of body and path together.

    Raises:
        FieldMismatch: both have the same name.
    """
    if not path_values:
        return values
    twice = values.keys() & path_values.keys()
    if twice:
        raise FieldMismatch(f"The field {min(twice)!r} is given in the path and once more beside it")
    return {**values, **path_values}
