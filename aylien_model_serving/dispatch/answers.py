"""What a handler answers with where it is no plain result: a response with a status, headers or a body.

Pure. A result within a response is checked and encoded as one that is returned alone, but for the content of
a status from 400 on: that is the handler's own error, in JSON, which no schema describes.
"""

from __future__ import annotations

from typing import Any

import msgspec

from aylien_model_serving.codecs import JSON, Encoder
from aylien_model_serving.codecs.response import Response, checked_headers
from aylien_model_serving.core.messages import Reply
from aylien_model_serving.dispatch import foreign_responses
from aylien_model_serving.errors import InvalidAnswer
from aylien_model_serving.schemas import Schema, tuples
from aylien_model_serving.schemas.tuples import TupleMeaning


def reply_of(result: Any, schema: Schema, encoder: Encoder, request_id: str) -> Reply | None:
    """Return the reply that a result is or describes; None for a plain result.

    Args:
        result: of a handler, without background tasks.
        schema: of the route.
        encoder: of plain results.
        request_id: of the call.

    Raises:
        InvalidAnswer: the content does not fit the schema, or a header can't be sent.
    """
    if isinstance(result, Reply):
        return result
    if isinstance(result, Response):
        return reply_of_response(result, schema, encoder)
    if type(result) is tuple:
        return _of_tuple(result, schema, encoder, request_id)
    return foreign_responses.reply_of(result, request_id)


def reply_of_response(response: Response, schema: Schema | None = None, encoder: Encoder = JSON) -> Reply:
    """Return the reply that a response describes.

    Args:
        response: of a handler or a view.
        schema: that its result has to fit; None for a view's.
        encoder: of its result.
    """
    if response.body is not None:
        reply = Reply(response.status, response.body, response.content_type or "")
    elif response.json is msgspec.UNSET:
        reply = Reply(response.status, b"", response.content_type or "")
    elif response.status >= 400:
        reply = JSON.reply(response.json)
    else:
        reply = encoder.reply(response.json if schema is None else schema.check_result(response.json))
    return _with(reply, response.status, response.headers, response.content_type)


def _of_tuple(result: tuple[Any, ...], schema: Schema, encoder: Encoder, request_id: str) -> Reply | None:
    """Return the reply that a tuple of a body, a status and headers describes; None where it is data."""
    if schema.tuples is TupleMeaning.DATA or not result or type(result[0]) is tuple:
        return None
    body = reply_of(result[0], schema, encoder, request_id)
    found = tuples.read(result, schema.tuples if body is None else TupleMeaning.RESPONSE)
    if found is None:
        return None
    try:
        headers = checked_headers(found.headers)
    except ValueError as error:
        raise InvalidAnswer(f"The answer can't be sent: {error}") from error
    if body is None:
        wrapped = Response(found.body, status=found.status or 200, headers=headers)
        return reply_of_response(wrapped, schema, encoder)
    media_type = next((value for name, value in headers if name.lower() == "content-type"), None)
    own = [pair for pair in headers if pair[0].lower() != "content-type"]
    return _with(body, found.status or body.status, own, media_type)


def _with(reply: Reply, status: int, headers: list[tuple[str, str]], media_type: str | None) -> Reply:
    reply.status = status
    reply.headers = [*reply.headers, *headers]
    reply.media_type = media_type or reply.media_type
    return reply
