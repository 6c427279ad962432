"""Sends fuzzed requests to an app in this process, as servers of both protocols do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from aylien_model_serving.web.app import ServingFlask
from tests.fuzz.requests import Fuzzed, environ_of, pieces_of, scope_of

#: Pieces of a body that a client takes before it leaves, and the seconds for which it stays.
_MOST_PIECES = 50
_PATIENCE_SECONDS = 2.0


@dataclass
class Answer:
    """What an app did with a request.

    Args:
        status: 0 where there was none.
        headers: as they were sent.
        body: as far as it was read.
        raised: what the app raised in place of an answer, or what it did against its protocol.
        cpu: seconds of this process's processors.
    """

    status: int = 0
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""
    raised: BaseException | None = None
    cpu: float = 0.0

    def header(self, name: bytes) -> bytes | None:
        return next((value for known, value in self.headers if known.lower() == name), None)


Send = Callable[[ServingFlask, Fuzzed], Answer]


def send_wsgi(app: ServingFlask, request: Fuzzed) -> Answer:
    """Send a request as Gunicorn's WSGI workers do."""
    environ, answer = environ_of(request), Answer()

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
        answer.status = int(status[:3])
        answer.headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]

    began = time.process_time()
    try:
        answer.body = _read(app(environ, start_response))
    except Exception as error:
        answer.raised = error
    answer.cpu = time.process_time() - began
    return answer


def _read(produced: Any) -> bytes:
    pieces, until = [], time.monotonic() + _PATIENCE_SECONDS
    try:
        for piece in produced:
            pieces.append(piece)
            if len(pieces) > _MOST_PIECES or time.monotonic() > until:
                break
    finally:
        getattr(produced, "close", lambda: None)()
    return b"".join(pieces)


class _Client:
    """A client of an ASGI app, which leaves after a while."""

    def __init__(self, request: Fuzzed) -> None:
        self.answer = Answer()
        self.pieces: list[bytes] = []
        self._rest = pieces_of(request)
        self._left = asyncio.Event()
        self._timer = asyncio.get_running_loop().call_later(_PATIENCE_SECONDS, self._left.set)

    async def receive(self) -> dict[str, Any]:
        if self._rest:
            piece = self._rest.pop(0)
            return {"type": "http.request", "body": piece, "more_body": bool(self._rest)}
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.answer.status = message["status"]
            self.answer.headers = list(message["headers"])
            return
        self.pieces.append(message.get("body", b""))
        if len(self.pieces) > _MOST_PIECES:
            self._left.set()

    def close(self) -> Answer:
        self._timer.cancel()
        self._left.set()
        self.answer.body = b"".join(self.pieces)
        return self.answer


async def send_asgi(app: ServingFlask, request: Fuzzed) -> Answer:
    """Send a request as an ASGI server does."""
    client, scope = _Client(request), scope_of(request)
    began = time.process_time()
    try:
        await app(scope, client.receive, client.send)
    except Exception as error:
        client.answer.raised = error
    answer = client.close()
    answer.cpu = time.process_time() - began
    return answer


class Loop:
    """An event loop that stays from one request to the next, as a server's does."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self._loop.run_until_complete(work)

    def send(self, app: ServingFlask, request: Fuzzed) -> Answer:
        answer: Answer = self.run(send_asgi(app, request))
        return answer

    def close(self) -> None:
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()
