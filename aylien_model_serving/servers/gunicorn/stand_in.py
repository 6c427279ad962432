"""The application of a worker whose own can't be loaded: it answers every request alike."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterable, MutableMapping
from typing import Any, NamedTuple

from aylien_model_serving.servers.protocol_mark import mark_as_coroutine_function

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]


class StandInResponse(NamedTuple):
    """A response to any request.

    Args:
        status: as in "503 Service Unavailable".
        headers: their names and values.
        body: of it.
    """

    status: str
    headers: list[tuple[str, str]]
    body: bytes


class StandIn:
    """An application for requests that nobody else can answer.

    Args:
        respond: makes the response to one request.
    """

    def __init__(self, respond: Callable[[], StandInResponse]) -> None:
        self._respond = respond

    def __call__(self, *arguments: Any) -> Iterable[bytes] | Coroutine[Any, Any, None]:
        return self._wsgi(*arguments) if len(arguments) == 2 else self._asgi(*arguments)

    mark_as_coroutine_function(__call__)

    def _wsgi(self, environ: object, start_response: Callable[..., object]) -> Iterable[bytes]:
        response = self._respond()
        start_response(response.status, response.headers)
        return [response.body]

    async def _asgi(self, scope: _Message, receive: _Receive, send: _Send) -> None:
        if scope["type"] == "http":
            response = self._respond()
            headers = [(name.lower().encode(), value.encode()) for name, value in response.headers]
            status = int(response.status.partition(" ")[0])
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": response.body})
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1013})
        else:
            for step in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{step}.complete"})
