"""The connection of one request under an ASGI server: its body, and what happens when its client leaves."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Awaitable
from typing import Any

from aylien_model_serving.errors import BodyTooLarge, MalformedBody
from aylien_model_serving.web.adapters.asgi_to_wsgi import Message, Receive, Scope, Send
from aylien_model_serving.web.adapters.framing import declared_length
from aylien_model_serving.web.adapters.request_info import ScopeHeaders

#: Seconds after which a call is watched for a disconnect: watching costs as much as a quick response.
_WATCH_DELAY = 0.05


class ClientDisconnected(BaseException):
    """The client has closed its connection; a BaseException, so that no `except Exception` answers it."""


class BodyCut(ClientDisconnected):
    """The body has ended before its end; granian says so too of a body whose chunks are broken."""


class ASGIConnection:
    """One request of an ASGI server, and its `receive` and `send`.

    Args:
        scope: the ASGI scope.
        headers: the request's headers.
        receive: returns the request's next message.
        send: takes the response's messages.
    """

    __slots__ = ("_disconnect", "headers", "receive", "scope", "send")

    def __init__(self, scope: Scope, headers: ScopeHeaders, receive: Receive, send: Send) -> None:
        self.scope = scope
        self.headers = headers
        self.receive = receive
        self.send = send
        self._disconnect: asyncio.Future[Message] | None = None

    def disconnect(self) -> asyncio.Future[Message]:
        """Return a future that is done once the client has left; for a request whose body has been read."""
        if self._disconnect is None:
            self._disconnect = asyncio.ensure_future(self.receive())
        return self._disconnect

    def close(self) -> None:
        """Cancel the wait for a disconnect."""
        if self._disconnect is not None:
            self._disconnect.cancel()


async def read_body(connection: ASGIConnection, limit: int | None) -> bytes:
    """Return the whole body of an ASGI request.

    Raises:
        BodyTooLarge: its declared or real length is over the limit; a declared one is refused unread. One
            that is not declared has to be shorter than the limit, as Werkzeug has it.
        MalformedBody: its declared length is none, or it ends before it.
        ClientDisconnected: the connection ended before the body did.
    """
    declared = connection.headers.get("content-length")
    length = declared_length(declared) if declared else None
    if limit is not None and length is not None and length > limit:
        raise BodyTooLarge(limit)
    message = await connection.receive()
    body = _chunk(message)
    if message.get("more_body"):
        body = await _read_rest(body, connection, limit)
    if length is None:
        if limit is not None and len(body) >= limit:
            raise BodyTooLarge(limit)
    elif len(body) < length:
        raise MalformedBody(f"The body ends after {len(body)} of {length} declared bytes")
    return body


async def _read_rest(first: bytes, connection: ASGIConnection, limit: int | None) -> bytes:
    """Return the body whose first piece has come; a server that has the next ones waits for none of them."""
    body, more, count = io.BytesIO(first), True, 0
    body.seek(len(first))
    while more:
        message = await connection.receive()
        body.write(_chunk(message))
        if limit is not None and body.tell() > limit:
            raise BodyTooLarge(limit)
        more, count = message.get("more_body", False), count + 1
        if not count % _PIECES_AT_ONCE:
            await asyncio.sleep(0)
    return body.getvalue()


#: Pieces of a body after which others have their turn: a client may send a million of one byte.
_PIECES_AT_ONCE = 1000


def _chunk(message: Message) -> bytes:
    if message["type"] == "http.disconnect":
        raise BodyCut
    body: bytes = message.get("body", b"")
    return body


async def cancel_on_disconnect(work: Awaitable[Any], connection: ASGIConnection) -> Any:
    """Await a call, and cancel it when the client leaves.

    Raises:
        ClientDisconnected: it has left.
    """
    watch = _DisconnectWatch(connection)
    try:
        return await work
    except asyncio.CancelledError:
        if watch.has_disconnected:
            raise ClientDisconnected from None
        raise
    finally:
        watch.end()


class _DisconnectWatch:
    """Cancels the current task once its client leaves; watches only calls that take `_WATCH_DELAY` or more.

    Args:
        connection: the client's.
    """

    __slots__ = ("_connection", "_task", "_timer", "has_disconnected")

    def __init__(self, connection: ASGIConnection) -> None:
        self._connection = connection
        self._task = asyncio.current_task()
        self._timer = asyncio.get_running_loop().call_later(_WATCH_DELAY, self._begin)
        self.has_disconnected = False

    def _begin(self) -> None:
        self._connection.disconnect().add_done_callback(self._cancel)

    def _cancel(self, _: object) -> None:
        if self._task is not None:
            self.has_disconnected = True
            self._task.cancel()

    def end(self) -> None:
        """Stop watching."""
        self._task = None
        self._timer.cancel()
