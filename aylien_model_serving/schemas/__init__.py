"""Schemas: validation of fields and results.

Pure. `choose` finds the kind of schema that a route or `process_json` declares. To add a kind, write
its module here and register it in `choose`.
"""

from __future__ import annotations

from typing import Any

from google.protobuf.message import Message

from aylien_model_serving.codecs import json
from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.handlers.signatures import Signature
from aylien_model_serving.schemas.base import Schema
from aylien_model_serving.schemas.hints import TypeHintsSchema, array_parameters
from aylien_model_serving.schemas.models import is_model
from aylien_model_serving.schemas.protobuf import ProtobufSchema
from aylien_model_serving.schemas.pydantic import PydanticSchema

__all__ = ["Schema", "choose", "open_schema"]


def choose(
    schema: Any,
    handler: Any,
    signature: Signature,
    path_names: frozenset[str] = frozenset(),
    *,
    batched: bool = False,
    max_items: int = json.MAX_ITEMS,
) -> Schema:
    """Return the schema that a route declares.

    Args:
        schema: a module with `Request` and `Response`, or a pair of such classes, protobuf messages or
            pydantic models; None for the handler's type hints.
        handler: the callable that gets the fields.
        signature: the parameters of the handler.
        path_names: fields from the path, which need not be part of the schema.
        batched: whether the handler takes a list of each field; the schema still describes one call.
        max_items: the arrays, objects and texts that a body may have.

    Raises:
        ConfigurationError: the schema is of no known kind, or a batched handler's type hint is not a list.
    """
    chosen = _choose(schema, handler, signature, path_names, batched=batched)
    chosen.limit_items(max_items)
    return chosen


def _choose(
    schema: Any, handler: Any, signature: Signature, path_names: frozenset[str], *, batched: bool
) -> Schema:
    if schema is None:
        return TypeHintsSchema(handler, signature, batched=batched)
    request, response = _request_and_response(schema)
    kinds = [kind for kind in (request, response) if kind is not None]
    if kinds and all(isinstance(kind, type) and issubclass(kind, Message) for kind in kinds):
        arrays = array_parameters(handler, signature, batched=batched)
        return ProtobufSchema(request, response, signature, path_names, arrays)
    if kinds and all(map(is_model, kinds)):
        return PydanticSchema(request, response, signature, path_names)
    raise ConfigurationError(
        "a schema is a *_pb2 module with Request and Response, or a pair (Request, Response) of protobuf "
        f"message or pydantic classes; either of the pair may be None; this is {schema!r}"
    )


def _request_and_response(schema: Any) -> tuple[Any, Any]:
    if isinstance(schema, (tuple, list)) and len(schema) == 2:
        return schema[0], schema[1]
    return getattr(schema, "Request", None), getattr(schema, "Response", None)


def open_schema(handler: Any, signature: Signature, max_items: int = json.MAX_ITEMS) -> Schema:
    """Return the schema of `process_json` without one: names are checked, values are passed unchanged."""
    schema = TypeHintsSchema(handler, signature, typed=False)
    schema.limit_items(max_items)
    return schema
