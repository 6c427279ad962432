"""The two clients behind one blocking interface, so that one test covers both."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from flask import Flask

from aylien_model_serving.client import AsyncClient, Client
from tests.web.asgi_client import NEEDS_A_LOOP

NAMES = ("blocking", pytest.param("asyncio", marks=NEEDS_A_LOOP))


class BlockingCaller:
    """The blocking client."""

    def __init__(self, url: str, **options: Any) -> None:
        self.client: Any = Client(url, **options)

    def run(self, called: Any) -> Any:
        return called

    def items(self, several: Any) -> list[Any]:
        return list(several)

    def first(self, several: Any) -> Any:
        """Return the first item of a stream, and leave it."""
        with several:
            return next(several)

    def close(self) -> None:
        self.client.close()


class AsyncioCaller:
    """The client for asyncio, on a loop of its own."""

    def __init__(self, url: str, **options: Any) -> None:
        self.client: Any = AsyncClient(url, **options)
        self._loop = asyncio.new_event_loop()

    def run(self, called: Awaitable[Any]) -> Any:
        return self._loop.run_until_complete(called)

    def items(self, several: Any) -> list[Any]:
        async def gather() -> list[Any]:
            return [item async for item in several]

        return self.run(gather())

    def first(self, several: Any) -> Any:
        """Return the first item of a stream, and leave it."""

        async def take() -> Any:
            async with several:
                return await anext(several)

        return self.run(take())

    def close(self) -> None:
        self.run(self.client.aclose())
        self.run(self._loop.shutdown_asyncgens())
        self._loop.close()


Caller = BlockingCaller | AsyncioCaller
KINDS: dict[str, Callable[..., Caller]] = {"blocking": BlockingCaller, "asyncio": AsyncioCaller}


@contextmanager
def connected(kind: str, url: str, **options: Any) -> Iterator[Caller]:
    """Yield a client of a kind, which is closed when the block ends."""
    caller = KINDS[kind](url, **options)
    try:
        yield caller
    finally:
        caller.close()


def transport_to(kind: str, app: Flask) -> Any:
    """Return the httpx transport of a kind of client to an app of this process."""
    if kind == "blocking":
        return httpx.WSGITransport(app)
    return httpx.ASGITransport(app)  # type: ignore[arg-type]  # it speaks both protocols
