"""Tells the client's stories on an event loop of asyncio: sends, sleeps, reads on; see `driver`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from contextlib import ExitStack, aclosing
from typing import Any, TypeVar

import httpx

from aylien_model_serving.client.effects import ApiResponse, Effects, ReadBody, SendRequest, Sleep, YieldItem
from aylien_model_serving.client.errors import TimedOut
from aylien_model_serving.client.options import positive_seconds
from aylien_model_serving.client.run_state import RunState, StateCallback
from aylien_model_serving.client.transport import (
    from_httpx,
    is_streamed,
    request_of,
    set_read_timeout,
    translate_errors,
)

_T = TypeVar("_T")


class AsyncBodyReader:
    """A body that is read piece by piece.

    Args:
        response: httpx's, whose head has come.
        address: of the service, for messages.
    """

    def __init__(self, response: httpx.Response, address: str) -> None:
        self._response = response
        self._address = address
        self._pieces: AsyncIterator[bytes] | None = None

    async def read(self, seconds: float) -> bytes | None:
        """Return what comes next, and None at the end, which closes it as a failure does."""
        if self._pieces is None:
            set_read_timeout(self._response, seconds)
            self._pieces = self._response.aiter_bytes()
        piece = None
        with translate_errors(self._address, seconds):
            try:
                piece = await anext(self._pieces, None)
            finally:
                if piece is None:
                    await self.aclose()
        return piece

    async def aclose(self) -> None:
        await self._response.aclose()


class AsyncDriver:
    """Tells stories on the running loop.

    Args:
        address: of the service.
        pool: its connections, which belong to one loop.
        connect_timeout: seconds that one try to connect may take.

    Raises:
        ValueError: the seconds are none.
    """

    def __init__(self, address: str, pool: httpx.AsyncClient, connect_timeout: float) -> None:
        self.address = address
        self.pool = pool
        self._connect_timeout = positive_seconds("connect_timeout", connect_timeout)

    async def run(self, story: Effects, see: StateCallback | None = None) -> Any:
        """Return what a story comes to.

        Args:
            story: the story.
            see: is shown the states of jobs.
        """
        run_state = RunState(story, see)
        async with aclosing(self._tell(run_state)) as given:
            async for _ in given:
                pass
        return run_state.outcome

    def iterate(self, story: Effects, see: StateCallback | None = None) -> AsyncGenerator[Any, None]:
        """Return an iterator over what a story gives; see `run`."""
        return self._tell(RunState(story, see))

    async def _tell(self, run_state: RunState) -> AsyncGenerator[Any, None]:
        try:
            while (step := run_state.step()) is not None:
                if isinstance(step, YieldItem):
                    yield step.item
                    continue
                try:
                    run_state.came(await self._do(step))
                except Exception as error:
                    run_state.failed(error)
        finally:
            for reader in run_state.leave():
                await reader.aclose()

    async def _do(self, step: SendRequest | ReadBody | Sleep) -> Any:
        """Do what takes time, and return what came of it."""
        if isinstance(step, SendRequest):
            return await self._within(step.seconds, self._ask(step))
        if isinstance(step, ReadBody):
            return await self._within(step.seconds, step.reader.read(step.seconds))
        return await asyncio.sleep(step.seconds)

    async def _within(self, seconds: float, waiting: Awaitable[_T]) -> _T:
        try:
            return await asyncio.wait_for(waiting, seconds)
        except asyncio.TimeoutError:
            raise TimedOut(f"{self.address} did not answer within {seconds:.3g} s") from None

    async def _ask(self, step: SendRequest) -> ApiResponse:
        with translate_errors(self.address, step.seconds), ExitStack() as files:
            request = request_of(self.pool, self.address, step, self._connect_timeout, files)
            response = await self.pool.send(request, stream=True)
            if is_streamed(response):
                return from_httpx(response, b"", AsyncBodyReader(response, self.address))
            async with aclosing(response):
                return from_httpx(response, await response.aread())
