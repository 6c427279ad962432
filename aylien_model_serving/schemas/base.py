"""What the pipeline asks of a schema."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from aylien_model_serving.codecs import DECODERS, JSON, Decode, Encoder
from aylien_model_serving.codecs.fields import Fields
from aylien_model_serving.errors import FieldMismatch


class Schema(ABC):
    """One kind of schema, bound to one handler."""

    #: Identity of the schema in a cache key.
    name: str = ""

    decoders: Mapping[str, Decode] = DECODERS
    encoders: tuple[Encoder, ...] = (JSON,)

    @abstractmethod
    def arguments(self, fields: Fields, path_values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the handler's arguments for what a client sent.

        Raises:
            SchemaMismatch: a value does not fit.
            FieldMismatch: a field is missing or unexpected.
        """

    @abstractmethod
    def answer(self, result: Any) -> Any:
        """Return a handler's result, checked.

        Raises:
            InvalidAnswer: the result does not fit.
        """


def merge(values: dict[str, Any], path_values: Mapping[str, Any]) -> dict[str, Any]:
    """Return body and path values as one.

    Raises:
        FieldMismatch: both have the same name.
    """
    if not path_values:
        return values
    twice = values.keys() & path_values.keys()
    if twice:
        raise FieldMismatch(f"The field {min(twice)!r} is given in the path and once more beside it")
    return {**values, **path_values}
