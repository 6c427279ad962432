"""One request to the app, as an ASGI server makes it (ASGI 3.0), and its response.

So an RPC has all that a request has: keys, limits, caches, hooks, metrics, log lines.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
App = Callable[[Any, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]

#: Takes a piece of a response's body.
TakePiece = Callable[[bytes], Awaitable[None]]


class Exchange:
    """A request with its whole body, and the response, of which a stream is taken piece by piece.

    Args:
        body: of the request.
        take_piece: called with each piece of a successful response; None to keep all of it.
    """

    def __init__(self, body: bytes, take_piece: TakePiece | None = None) -> None:
        self._body: bytes | None = body
        self._take_piece = take_piece
        self._pieces: list[bytes] = []
        self.status = 500
        self.headers: dict[str, str] = {}

    @property
    def body(self) -> bytes:
        """What is kept of the response's body."""
        return b"".join(self._pieces)

    async def run(self, app: App, scope: Message) -> None:
        """Have the app answer; whoever cancels this abandons the request."""
        await app(scope, self._receive, self._send)

    async def _receive(self) -> Message:
        if self._body is None:
            await asyncio.Event().wait()  # a client that leaves has all this cancelled
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = _headers(message.get("headers", ()))
        elif piece := message.get("body", b""):
            if self._take_piece is None or self.status >= 300:
                self._pieces.append(bytes(piece))
            else:
                await self._take_piece(bytes(piece))


def _headers(pairs: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in pairs}
