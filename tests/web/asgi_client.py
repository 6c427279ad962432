"""An in-process client of an ASGI app that can disconnect or be slow, and services for its requests."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from aylien_model_serving.app_factory import FlaskAppWrapper
from aylien_model_serving.process import native_threads
from aylien_model_serving.web.app import ServingFlask
from tests.contracts.adapters import Request, scope_of, series_of

PATIENCE_SECONDS = 10.0

#: For the tests that run an event loop of their own.
NEEDS_A_LOOP = pytest.mark.skipif(
    native_threads.is_patched(), reason="where greenlets share a thread, it has room for one event loop"
)


class Client:
    """One request, from its start to the response or to the client's disconnect.

    Args:
        app: the application.
        request: is sent to it.
        slow: whether each message is received only when the test calls `take`.
    """

    def __init__(self, app: ServingFlask, request: Request, *, slow: bool = False, **scope: Any) -> None:
        self.sent: list[dict[str, Any]] = []
        self.body_requested = False
        self._rest: list[dict[str, Any]] = [{"type": "http.request", "body": request.body}]
        self._left = asyncio.Event()
        self._room = asyncio.Semaphore(0 if slow else 1_000_000)
        self._arrived = asyncio.Event()
        self._task = asyncio.create_task(app(scope_of(request) | scope, self._receive, self._send))

    async def _receive(self) -> dict[str, Any]:
        self.body_requested = True
        if self._rest:
            return self._rest.pop(0)
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: dict[str, Any]) -> None:
        await self._room.acquire()
        self.sent.append(message)
        self._arrived.set()

    def take(self) -> None:
        """Receive one more message."""
        self._room.release()

    def leave(self, *, early: bool = False) -> None:
        """Disconnect; early means before the body has been sent."""
        if early:
            self._rest.clear()
        self._left.set()

    async def received(self, count: int) -> None:
        """Return once so many messages have arrived."""
        while len(self.sent) < count:
            self._arrived.clear()
            await asyncio.wait_for(self._arrived.wait(), PATIENCE_SECONDS)

    async def end(self) -> None:
        """Return once the app is done with the request; raises what it raised."""
        await asyncio.wait_for(self._task, PATIENCE_SECONDS)

    @property
    def status(self) -> int:
        status: int = self.sent[0]["status"]
        return status

    @property
    def body(self) -> bytes:
        return b"".join(message["body"] for message in self.sent[1:])


async def send_request(app: ServingFlask, request: Request, **scope: Any) -> Client:
    """Send a request, and return the client once there is a response."""
    client = Client(app, request, **scope)
    await client.end()
    return client


async def until(condition: Any) -> None:
    """Return once a condition is true, leaving the loop to others meanwhile."""

    async def wait() -> None:
        while not condition():
            await asyncio.sleep(0)

    await asyncio.wait_for(wait(), PATIENCE_SECONDS)


def service(handler: Callable[..., Any], **keys: Any) -> ServingFlask:
    return FlaskAppWrapper.create_app(
        [{"endpoint": "/", "callable": handler, "methods": ["POST", "GET"], "name": "handler", **keys}]
    )


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(scenario, PATIENCE_SECONDS))


def counted(app: ServingFlask, status: int) -> float:
    labels = f'endpoint="handler",method="POST",status="{status}"'
    return series_of(app).get(f"flask_http_request_duration_seconds_count{{{labels}}}", 0)


class Gate:
    """A handler that stays in a call until it is let out."""

    def __init__(self) -> None:
        self.entered: list[str] = []
        self.open = threading.Event()

    def __call__(self, text: str) -> dict[str, Any]:
        self.entered.append(text)
        assert self.open.wait(PATIENCE_SECONDS)
        return {"text": text}
