"""The ASGI door: a bare handler's answer to an asyncio server (ASGI 3.0, HTTP and lifespan).

Floor 4. A quick handler runs on the loop; a slower one is waited for, and so is a client that leaves.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import aclosing
from typing import Any

from a2wsgi.wsgi import build_environ
from flask import Flask

from aylien_model_serving.errors import BodyTooLarge, ServingError
from aylien_model_serving.messages import REQUEST_ID_HEADER, Call, Chunks, Reply
from aylien_model_serving.pipeline import answer as tell_story
from aylien_model_serving.pipeline import drive_async
from aylien_model_serving.web.contexts import Contexts, body_environ
from aylien_model_serving.web.exchange import EXCHANGE, Exchange, ScopeHeaders
from aylien_model_serving.web.flask_door import to_reply, to_response
from aylien_model_serving.web.table import Found

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

#: What is counted for a client that left before its answer; nginx's number for the same.
CLIENT_LEFT = 499


class ClientLeft(BaseException):
    """Nobody waits for the answer any more; no handler of errors on the way is to answer all the same."""


class Channel:
    """One request of an ASGI server, and the way back.

    Args:
        scope: the request's head.
        headers: its headers.
        receive: awaits the rest of it.
        send: takes the answer.
    """

    __slots__ = ("_leaving", "headers", "receive", "scope", "send")

    def __init__(self, scope: Scope, headers: ScopeHeaders, receive: Receive, send: Send) -> None:
        self.scope = scope
        self.headers = headers
        self.receive = receive
        self.send = send
        self._leaving: asyncio.Future[Message] | None = None

    def leaving(self) -> asyncio.Future[Message]:
        """Return what is done once the client leaves; for a request whose body has been read."""
        if self._leaving is None:
            self._leaving = asyncio.ensure_future(self.receive())
        return self._leaving

    def close(self) -> None:
        """Wait for nothing more."""
        if self._leaving is not None:
            self._leaving.cancel()


async def answer(app: Flask, found: Found, channel: Channel, exchange: Exchange) -> None:
    """Answer a request for a bare handler.

    Args:
        app: whose contexts the handler may ask for, and whose configuration limits the body.
        found: the endpoint and the path's values.
        channel: the request and the way back.
        exchange: the request's first moment and its id.
    """
    endpoint, method = found.endpoint, channel.scope["method"]
    try:
        reply = await _reply(app, found, channel, exchange)
        endpoint.instruments.count_request(method, reply.status, endpoint.name, exchange.seconds())
        await _send(reply, channel, exchange)
    except ClientLeft:
        endpoint.instruments.count_request(method, CLIENT_LEFT, endpoint.name, exchange.seconds())
    finally:
        channel.close()


async def _send(reply: Reply, channel: Channel, exchange: Exchange) -> None:
    headers = _headers(reply, exchange)
    await channel.send({"type": "http.response.start", "status": reply.status, "headers": headers})
    if reply.chunks is None:
        body = b"" if channel.scope["method"] == "HEAD" else reply.body
        await channel.send({"type": "http.response.body", "body": body})
    elif channel.scope["method"] == "HEAD":
        reply.chunks.close()
        await channel.send({"type": "http.response.body", "body": b""})
    else:
        await _send_chunks(reply.chunks, channel)


async def _reply(app: Flask, found: Found, channel: Channel, exchange: Exchange) -> Reply:
    call = _call(found, channel, exchange)
    try:
        call.body = await read_body(channel, app.config["MAX_CONTENT_LENGTH"])
    except ServingError as error:
        return found.endpoint.failures.reply(error, call)
    with Contexts(app, lambda: _environ(channel, call.body, exchange)) as contexts:
        reply = await drive_async(
            tell_story(found.endpoint, call), lambda work: _watched(work, channel.leaving())
        )
        if contexts.request_context is None:
            return reply
        finished: Reply = to_reply(contexts.finish(to_response(reply)))
        return finished


async def _send_chunks(chunks: Chunks, channel: Channel) -> None:
    """Send a body piece by piece: the next one is made when the server has taken the last."""
    leaving = channel.leaving()
    try:
        async with aclosing(aiter(chunks)) as pieces:  # type: ignore[type-var]  # a generator, in truth
            while (piece := await _or_none(anext(pieces, None), leaving)) is not None:
                await channel.send({"type": "http.response.body", "body": piece, "more_body": True})
        if not leaving.done():
            await channel.send({"type": "http.response.body", "body": b""})
    except OSError:
        pass  # the server's word for a client that has left


async def _or_none(piece: Awaitable[bytes | None], leaving: asyncio.Future[Any]) -> bytes | None:
    """Wait for the next piece, or for the client to leave."""
    making = asyncio.ensure_future(piece)
    await asyncio.wait({making, leaving}, return_when=asyncio.FIRST_COMPLETED)
    if making.done() and not leaving.done():
        return making.result()
    making.cancel()
    await asyncio.wait({making})
    return None


def _call(found: Found, channel: Channel, exchange: Exchange) -> Call:
    scope, timeout = channel.scope, found.endpoint.timeout
    return Call(
        method=scope["method"],
        path=path_of(scope),
        query=scope["query_string"].decode("latin-1"),
        headers=channel.headers,
        body=b"",
        path_values=found.path_values,
        request_id=exchange.request_id,
        deadline=time.monotonic() + timeout if timeout else None,
    )


def path_of(scope: Scope) -> str:
    """Return the decoded path below the application's root."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    return path[len(root) :] if root and path.startswith(root) else path


def _environ(channel: Channel, body: bytes, exchange: Exchange) -> Any:
    """Return the request as WSGI would have it, for a handler that asks for Flask's `request`."""
    environ = build_environ(channel.scope, None)  # type: ignore[arg-type]  # the body is put in its place below
    return {**body_environ(environ, body), EXCHANGE: exchange}


async def read_body(channel: Channel, limit: int | None) -> bytes:
    """Return the whole body of an ASGI request.

    Raises:
        BodyTooLarge: its declared or real length is over the limit; a declared one is refused unread.
        ClientLeft: the connection ended before the body did.
    """
    declared = channel.headers.get("content-length", "")
    if limit is not None and declared.isdecimal() and int(declared) > limit:
        raise BodyTooLarge(limit)
    message = await channel.receive()
    if not message.get("more_body"):
        return _chunk(message)
    chunks, size = [_chunk(message)], len(_chunk(message))
    while message.get("more_body"):
        message = await channel.receive()
        chunks.append(_chunk(message))
        size += len(chunks[-1])
        if limit is not None and size > limit:
            raise BodyTooLarge(limit)
    return b"".join(chunks)


def _chunk(message: Message) -> bytes:
    if message["type"] == "http.disconnect":
        raise ClientLeft
    body: bytes = message.get("body", b"")
    return body


async def _watched(work: Awaitable[Any], leaving: asyncio.Future[Message]) -> Any:
    """Wait for work, and cancel it when the client leaves.

    Raises:
        ClientLeft: it has left.
    """
    running = asyncio.ensure_future(work)
    try:
        await asyncio.wait({running, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            raise ClientLeft
        return running.result()
    finally:
        running.cancel()


def _headers(reply: Reply, exchange: Exchange) -> list[tuple[bytes, bytes]]:
    """Return the headers in the order in which Flask's response has them."""
    return [
        (b"content-type", reply.media_type.encode("latin-1")),
        *(() if reply.chunks is not None else ((b"content-length", b"%d" % len(reply.body)),)),
        *((name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in reply.headers),
        (_REQUEST_ID, exchange.request_id.encode("latin-1")),
    ]


_REQUEST_ID = REQUEST_ID_HEADER.lower().encode("latin-1")


async def answer_other(scope: Scope, receive: Receive, send: Send) -> None:
    """Take part in the server's lifespan, and refuse websockets."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1000})
    elif scope["type"] == "lifespan":
        for phase in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{phase}.complete"})
