"""Schemas: validation of fields and results.

Pure. `choose` finds the kind of schema that a route or `process_json` declares. To add a kind, write
its module here and register it in `choose`.
"""

from __future__ import annotations

from typing import Any

from aylien_model_serving.background.tasks import hint_without_tasks
from aylien_model_serving.codecs import json
from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.handlers.signatures import Signature
from aylien_model_serving.schemas import (
    body_parameters,
    foreign_parameters,
    marked_parameters,
    optional_fields,
    request_parameters,
    split_hints,
)
from aylien_model_serving.schemas.base import Schema
from aylien_model_serving.schemas.batch_hints import result_of
from aylien_model_serving.schemas.handler_hints import hints_of, is_stream, item_hint_of
from aylien_model_serving.schemas.hints import TypeHintsSchema, array_parameters
from aylien_model_serving.schemas.message_streams import MessageStreamSchema
from aylien_model_serving.schemas.messages import MessageSchema
from aylien_model_serving.schemas.models import is_model
from aylien_model_serving.schemas.opening import opened_for
from aylien_model_serving.schemas.optional_fields import OptionalFieldsSchema
from aylien_model_serving.schemas.protobuf import ProtobufSchema
from aylien_model_serving.schemas.pydantic import PydanticSchema
from aylien_model_serving.schemas.structured_hints import is_message
from aylien_model_serving.schemas.tuples import TupleMeaning, meaning_of
from aylien_model_serving.schemas.whole_body import WholeBodySchema

__all__ = ["Schema", "choose", "open_schema", "opened_for"]


def choose(
    schema: Any,
    handler: Any,
    signature: Signature,
    path_names: frozenset[str] = frozenset(),
    *,
    batched: bool = False,
    split: str | None = None,
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
        split: the field that has a list of such values for each call; None where a call has one.
        max_items: the arrays, objects and texts that a body may have.

    Raises:
        ConfigurationError: the schema is of no known kind, or a batched handler's type hint is not a list.
    """
    foreign_parameters.refuse(handler)
    if split is not None:
        handler = split_hints.of_call(handler, split)
    marked_parameters.refuse_misplaced(handler, batched=batched)
    parameters = request_parameters.of_handler(handler, signature, path_names, batched=batched)
    signature = request_parameters.without(signature, parameters)
    chosen = _choose(schema, handler, signature, path_names, batched=batched)
    chosen.parameters = parameters
    chosen.limit_items(max_items)
    chosen.streams = is_stream(handler)
    chosen.tuples = _tuple_meaning(schema, handler, batched=batched)
    return chosen


def _tuple_meaning(schema: Any, handler: Any, *, batched: bool) -> TupleMeaning:
    """Return what a tuple means that the handler returns: never data where the schema has a response."""
    if schema is not None and _request_and_response(schema)[1] is not None:
        return TupleMeaning.RESPONSE
    return meaning_of(_hint_of_result(handler, batched=batched))


def _hint_of_result(handler: Any, *, batched: bool) -> Any:
    """Return the hint of one call's result, None without one."""
    hint = hint_without_tasks(hints_of(handler).found.get("return"))
    return hint_without_tasks(result_of(hint)) if batched else hint


def _choose(
    schema: Any, handler: Any, signature: Signature, path_names: frozenset[str], *, batched: bool
) -> Schema:
    if schema is None:
        return _of_hints(handler, signature, path_names, batched=batched)
    request, response = _request_and_response(schema)
    kinds = [kind for kind in (request, response) if kind is not None]
    body_parameters.refuse_body_markers(handler)
    if kinds and all(map(is_message, kinds)):
        parameter = body_parameters.only_parameter(handler, signature, path_names, batched=batched)
        if parameter is not None and request is not None and item_hint_of(parameter.hint) is not None:
            return MessageStreamSchema(
                parameter.name, parameter.hint, request, response, signature, path_names
            )
        if parameter is not None and parameter.hint is request:
            return MessageSchema(parameter.name, request, response, signature, path_names)
        arrays = array_parameters(handler, signature, batched=batched)
        return ProtobufSchema(request, response, signature, path_names, arrays)
    if kinds and all(map(is_model, kinds)):
        return PydanticSchema(request, response, signature, path_names)
    raise ConfigurationError(
        "a schema is a *_pb2 module with Request and Response, or a pair (Request, Response) of protobuf "
        f"message or pydantic classes; either of the pair may be None; this is {schema!r}"
    )


def _of_hints(handler: Any, signature: Signature, path_names: frozenset[str], *, batched: bool) -> Schema:
    parameter = body_parameters.only_parameter(handler, signature, path_names, batched=batched)
    item: Any = None if parameter is None else item_hint_of(parameter.hint)
    if parameter is not None and is_message(item):
        response = _message_of_result(handler, batched=batched)
        return MessageStreamSchema(parameter.name, parameter.hint, item, response, signature, path_names)
    if parameter is not None and parameter.is_whole and is_message(parameter.hint):
        response = _message_of_result(handler, batched=batched)
        return MessageSchema(parameter.name, parameter.hint, response, signature, path_names)
    if parameter is not None and parameter.is_whole:
        return WholeBodySchema(handler, signature, parameter, batched=batched)
    optional = optional_fields.names(handler, signature, batched=batched)
    chosen = (
        OptionalFieldsSchema(handler, signature, optional, batched=batched)
        if optional
        else TypeHintsSchema(handler, signature, batched=batched)
    )
    if parameter is not None:
        chosen.raw = body_parameters.raw_decoders(parameter)
    fields = [name for name in signature.known if name not in path_names]
    chosen.expected = body_parameters.expected_bodies(fields, chosen.raw)
    return chosen


def _message_of_result(handler: Any, *, batched: bool) -> Any:
    """Return the message type of a result, or of the items of a stream; None where it is none."""
    returns = _hint_of_result(handler, batched=batched)
    returns = item_hint_of(returns) or returns
    return returns if is_message(returns) else None


def _request_and_response(schema: Any) -> tuple[Any, Any]:
    if isinstance(schema, (tuple, list)) and len(schema) == 2:
        return schema[0], schema[1]
    return getattr(schema, "Request", None), getattr(schema, "Response", None)


def open_schema(handler: Any, signature: Signature, max_items: int = json.MAX_ITEMS) -> Schema:
    """Return the schema of `process_json` without one: names are checked, values are passed unchanged."""
    parameters = request_parameters.of_handler(handler, signature, (), batched=False)
    schema = TypeHintsSchema(handler, request_parameters.without(signature, parameters), typed=False)
    schema.limit_items(max_items)
    schema.parameters = parameters
    return schema
