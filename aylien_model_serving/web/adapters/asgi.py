"""The ASGI adapter: answers requests for bare handlers under an asyncio server (ASGI 3.0).

A quick handler runs on the loop, a slower one on a thread; a client's disconnect cancels the call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import aclosing, suppress
from functools import partial
from typing import Any, NamedTuple

from flask import Flask, Response, request

from aylien_model_serving.core import abandoned_runs
from aylien_model_serving.core.messages import REQUEST_ID_HEADER, Call, Chunks, Reply, deadline_of
from aylien_model_serving.dispatch import foreign_responses
from aylien_model_serving.dispatch.async_driver import run_large_steps_async, run_steps_async
from aylien_model_serving.dispatch.pipeline import Endpoint
from aylien_model_serving.dispatch.pipeline import answer as answer_steps
from aylien_model_serving.dispatch.streams import admitted
from aylien_model_serving.errors import MalformedBody, ServingError, TooManyRequests
from aylien_model_serving.limiting.limiter import Limiter
from aylien_model_serving.process.large_work import LARGE
from aylien_model_serving.web.adapters.asgi_to_wsgi import Send, environ_of
from aylien_model_serving.web.adapters.connection import (
    ASGIConnection,
    BodyCut,
    ClientDisconnected,
    cancel_on_disconnect,
    read_body,
)
from aylien_model_serving.web.adapters.flask import finish
from aylien_model_serving.web.adapters.lazy_contexts import LazyContexts
from aylien_model_serving.web.adapters.request_info import BODILESS, RequestInfo
from aylien_model_serving.web.adapters.response_headers import NO_SNIFFING
from aylien_model_serving.web.adapters.route_table import RouteMatch

#: The status that is counted for a client that closed its connection before the response; nginx's number.
CLIENT_CLOSED_REQUEST = 499


async def answer(
    app: Flask, endpoint: Endpoint, call: Call, connection: ASGIConnection, info: RequestInfo
) -> None:
    """Answer a request for a bare handler.

    Args:
        app: whose contexts the handler may use, and whose configuration limits the body.
        endpoint: the handler's.
        call: the request, its body not yet read.
        connection: the client's.
        info: the request's start time and id.
    """
    contexts = LazyContexts(app, lambda: environ_of(connection.scope, call.body, info))
    try:
        if endpoint.limiter is None:
            response = await _respond(endpoint, call, connection, contexts)
        else:
            response = await _respond_within_limits(endpoint, endpoint.limiter, call, connection, contexts)
        if contexts.counts():
            endpoint.instruments.count_request(call.method, response.status, endpoint.name, info.seconds())
        try:
            await _send(response, call, connection)
        finally:
            if response.after is not None:
                await asyncio.get_running_loop().run_in_executor(None, response.after)
    except ClientDisconnected as gone:
        endpoint.instruments.count_request(call.method, CLIENT_CLOSED_REQUEST, endpoint.name, info.seconds())
        if isinstance(gone, BodyCut):
            await _refuse_cut_body(endpoint, call, connection)
    finally:
        connection.close()


async def _refuse_cut_body(endpoint: Endpoint, call: Call, connection: ASGIConnection) -> None:
    """Refuse a body without its end, for a client that may still be there: granian makes a 500 of silence."""
    reply = endpoint.error_responses.reply(MalformedBody("The body ends too early"), call)
    with suppress(OSError):  # the client has left, as most have
        await send_reply(reply, call.method, connection.send, call.request_id)


async def send_reply(reply: Reply, method: str, send: Send, request_id: str) -> None:
    """Send a reply that no handler has made."""
    is_bodiless = method == "HEAD" or reply.status in BODILESS
    headers = _headers_of(reply, request_id)
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if is_bodiless else reply.body})


class _ASGIResponse(NamedTuple):
    """A response in ASGI's terms."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes
    chunks: Chunks | None
    after: Callable[[], None] | None = None


async def _respond_within_limits(
    endpoint: Endpoint, limiter: Limiter, call: Call, connection: ASGIConnection, contexts: LazyContexts
) -> _ASGIResponse:
    client = connection.scope.get("client")
    ask = partial(limiter.admit, call.caller, client[0] if client else "", call.headers)
    try:
        admission = await asyncio.to_thread(ask) if limiter.waits else ask()
    except TooManyRequests as error:
        return _response_of_reply(endpoint.error_responses.reply(error, call), call)
    with abandoned_runs.recorded() as runs:
        try:
            response = await _respond(endpoint, call, connection, contexts)
        except BaseException:
            admission.end_after(runs)
            raise
    place = [name for name, _ in response.headers].index(_REQUEST_ID)
    response.headers[place:place] = _encoded(admission.headers)
    if response.chunks is None:
        admission.end_after(runs)
        return response
    return response._replace(chunks=admission.hold(response.chunks))


async def _respond(
    endpoint: Endpoint, call: Call, connection: ASGIConnection, contexts: LazyContexts
) -> _ASGIResponse:
    try:
        limit = endpoint.body_limit.of(contexts.app.config["MAX_CONTENT_LENGTH"])
        call.body_limit = limit
        call.body = await read_body(connection, limit)
    except ServingError as error:
        return _response_of_reply(endpoint.error_responses.reply(error, call), call)
    with contexts:
        is_small = (len(call.body) <= LARGE and call.content_coding is None) or endpoint.remote
        run = run_steps_async if is_small else run_large_steps_async
        reply = await run(answer_steps(endpoint, call), lambda work: cancel_on_disconnect(work, connection))
        if reply.chunks is not None:
            reply = admitted(endpoint, call, reply, holds_thread=False)
        if contexts.request_context is None:
            return _response_of_reply(reply, call)
        return _response_of_flask(finish(contexts, reply, endpoint, call), reply)


async def _send(response: _ASGIResponse, call: Call, connection: ASGIConnection) -> None:
    try:
        await connection.send(
            {"type": "http.response.start", "status": response.status, "headers": response.headers}
        )
    except BaseException:
        if response.chunks is not None:
            response.chunks.close()  # nobody else will
        raise
    is_bodiless = call.method == "HEAD" or response.status in BODILESS
    if response.chunks is not None and not is_bodiless:
        await _send_chunks(response.chunks, connection)
        return
    if response.chunks is not None:
        response.chunks.close()
    await connection.send({"type": "http.response.body", "body": b"" if is_bodiless else response.body})


async def _send_chunks(chunks: Chunks, connection: ASGIConnection) -> None:
    """Send a body piece by piece: the next one is made when the server has taken the last."""
    disconnect = connection.disconnect()
    try:
        async with aclosing(aiter(chunks)) as pieces:  # type: ignore[type-var]  # always a generator
            while (piece := await _next_or_none(anext(pieces, None), disconnect)) is not None:
                await connection.send({"type": "http.response.body", "body": piece, "more_body": True})
        if not disconnect.done():
            await connection.send({"type": "http.response.body", "body": b""})
    except OSError:
        pass  # how servers report a client that has left


async def _next_or_none(piece: Awaitable[bytes | None], disconnect: asyncio.Future[Any]) -> bytes | None:
    """Wait for the next piece, or for the client to leave."""
    next_piece = asyncio.ensure_future(piece)
    try:
        await asyncio.wait({next_piece, disconnect}, return_when=asyncio.FIRST_COMPLETED)
        return next_piece.result() if next_piece.done() and not disconnect.done() else None
    finally:
        next_piece.cancel()
        await asyncio.wait({next_piece})  # a generator can't be closed while it runs


def call_of(match: RouteMatch, path: str, connection: ASGIConnection, info: RequestInfo) -> Call:
    """Return the call that a request makes, without its body."""
    scope = connection.scope
    return Call(
        method=scope["method"],
        path=path,
        query=scope["query_string"].decode("latin-1"),
        headers=connection.headers,
        body=b"",
        path_values=match.path_values,
        request_id=info.request_id,
        deadline=deadline_of(match.endpoint.timeout, connection.headers),
        caller=info.caller.name,
        content_coding=connection.headers.get("content-encoding"),
    )


def _response_of_reply(reply: Reply, call: Call) -> _ASGIResponse:
    headers = _headers_of(reply, call.request_id)
    return _ASGIResponse(reply.status, headers, reply.body, reply.chunks, reply.after)


def _headers_of(reply: Reply, request_id: str) -> list[tuple[bytes, bytes]]:
    """Return the headers in the order in which Flask's response has them."""
    headers = [(b"content-type", reply.media_type.encode("latin-1"))] if reply.media_type else []
    if reply.chunks is None and reply.status not in BODILESS:
        headers.append((b"content-length", b"%d" % len(reply.body)))
    if reply.headers:
        headers += _encoded(reply.headers)
    headers.append((_REQUEST_ID, request_id.encode("latin-1")))
    headers.append(_NO_SNIFFING)
    return headers


def _response_of_flask(response: Response, reply: Reply) -> _ASGIResponse:
    """Return a Flask response in ASGI's terms; the reply's chunks, if they are still its body, are kept."""
    given = foreign_responses.of_werkzeug(response)
    chunks = reply.chunks if response.response is reply.chunks else given.chunks
    headers = _encoded(response.get_wsgi_headers(request.environ))
    return _ASGIResponse(response.status_code, headers, given.body, chunks, reply.after)


def _encoded(headers: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]


_REQUEST_ID = REQUEST_ID_HEADER.lower().encode("latin-1")
[_NO_SNIFFING] = _encoded([NO_SNIFFING])
