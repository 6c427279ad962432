"""Sends, reads and sleeps on an event loop of asyncio; `_sync/backend.py` does so by blocking."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from contextlib import ExitStack, aclosing
from typing import Any, TypeVar

import httpx

from aylien_model_serving.client._async.body import AsyncBodyReader
from aylien_model_serving.client.effects import ApiResponse, SendRequest
from aylien_model_serving.client.errors import TimedOut
from aylien_model_serving.client.options import positive_seconds
from aylien_model_serving.client.transport import from_httpx, is_streamed, to_httpx, translate_errors

_T = TypeVar("_T")


class AsyncBackend:
    """The connections to a service, which belong to one event loop.

    Args:
        address: of the service.
        settings: of httpx's clients.
        limits: numbers of connections, and the seconds for which they are kept.
        verify: whether TLS certificates are checked, or the context that does.
        http_transport: carries all requests in place of connections.
        connect_timeout: seconds that one try to connect may take.

    Raises:
        ValueError: the seconds are not above 0.
    """

    def __init__(
        self,
        address: str,
        settings: Mapping[str, Any],
        limits: httpx.Limits,
        verify: Any,
        http_transport: httpx.AsyncBaseTransport | None,
        connect_timeout: float,
    ) -> None:
        self._address = address
        self._connect_timeout = positive_seconds("connect_timeout", connect_timeout)
        self._client = httpx.AsyncClient(**settings, limits=limits, verify=verify, transport=http_transport)

    async def send(self, effect: SendRequest) -> ApiResponse:
        """Send a request, and return its response, of which a streamed body is still to be read."""
        return await self._within(effect.seconds, self._send(effect))

    async def read(self, reader: AsyncBodyReader, seconds: float) -> bytes | None:
        """Return the next piece of a body; None at the end."""
        return await self._within(seconds, reader.read(seconds))

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def aclose(self) -> None:
        await self._client.aclose()

    async def _within(self, seconds: float, awaitable: Awaitable[_T]) -> _T:
        try:
            return await asyncio.wait_for(awaitable, seconds)
        except asyncio.TimeoutError:
            raise TimedOut(f"{self._address} did not answer within {seconds:.3g} s") from None

    async def _send(self, effect: SendRequest) -> ApiResponse:
        with translate_errors(self._address, effect.seconds), ExitStack() as files:
            request = to_httpx(self._client, self._address, effect, self._connect_timeout, files)
            response = await self._client.send(request, stream=True)
            if is_streamed(response):
                return from_httpx(response, b"", AsyncBodyReader(response, self._address, response.aclose))
            async with aclosing(response):
                return from_httpx(response, await response.aread())
