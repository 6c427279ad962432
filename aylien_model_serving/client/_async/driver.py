"""Performs the effects of operations on an event loop of asyncio."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from aylien_model_serving.client._async.backend import AsyncBackend
from aylien_model_serving.client.effects import Effects, ReadBody, SendRequest, Sleep, YieldItem
from aylien_model_serving.client.run_state import RunState, StateCallback


class AsyncDriver:
    """Runs operations.

    Args:
        backend: sends, reads and sleeps.
    """

    def __init__(self, backend: AsyncBackend) -> None:
        self._backend = backend

    async def run(self, effects: Effects, on_state: StateCallback | None = None) -> Any:
        """Return what an operation returns.

        Args:
            effects: the operation.
            on_state: called with each state of a job.
        """
        run_state = RunState(effects, on_state)
        async with aclosing(self._perform_all(run_state)) as items:
            async for _ in items:
                pass
        return run_state.result

    def iterate(self, effects: Effects, on_state: StateCallback | None = None) -> AsyncGenerator[Any, None]:
        """Return an iterator over the items that an operation yields; see `run`."""
        return self._perform_all(RunState(effects, on_state))

    async def aclose(self) -> None:
        await self._backend.aclose()

    async def _perform_all(self, run_state: RunState) -> AsyncGenerator[Any, None]:
        try:
            while (effect := run_state.next_effect()) is not None:
                if isinstance(effect, YieldItem):
                    yield effect.item
                    continue
                try:
                    run_state.succeeded(await self._perform(effect))
                except Exception as error:
                    run_state.failed(error)
        finally:
            for reader in run_state.stop():
                await reader.aclose()

    async def _perform(self, effect: SendRequest | ReadBody | Sleep) -> Any:
        """Do what takes time, and return what came of it."""
        if isinstance(effect, SendRequest):
            return await self._backend.send(effect)
        if isinstance(effect, ReadBody):
            return await self._backend.read(effect.reader, effect.seconds)
        return await self._backend.sleep(effect.seconds)
