"""What a call of the client for asyncio may come back with: a job, or a stream."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from typing import TYPE_CHECKING, Any

from aylien_model_serving.client.core import Core
from aylien_model_serving.client.driver_async import AsyncDriver, AsyncLive
from aylien_model_serving.client.handles import JOB_SECONDS
from aylien_model_serving.client.jobs import JobState, result_of
from aylien_model_serving.client.progress import NoBar, bar_for_here

if TYPE_CHECKING:
    from typing_extensions import Self


class AsyncStream:
    """The items of a route, as it makes them; to be iterated once, and closed where not all are wanted."""

    def __init__(self, given: AsyncGenerator[Any, None], live: AsyncLive) -> None:
        self._given = given
        self._live = live

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        try:
            return await anext(self._given)
        except BaseException:
            await self._live.aclose()
            raise

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Leave the stream, whereupon the service stops to make items."""
        await self._given.aclose()
        await self._live.aclose()


class AsyncJob:
    """A call that the service keeps until it is done.

    `status`, `progress` and `message` are as they were when the service was last asked, as by `refresh`.
    Iterating gives the items that a generator makes, from the first one on.
    """

    def __init__(self, core: Core, driver: AsyncDriver, state: JobState) -> None:
        self._core = core
        self._driver = driver
        self._state = state

    def _see(self, state: JobState) -> None:
        self._state = state

    @property
    def id(self) -> str:
        """Its id, by which another client finds it."""
        return self._state.id

    @property
    def route(self) -> str | None:
        """The name of its route, if it came from a list of jobs."""
        return self._state.route

    @property
    def state(self) -> JobState:
        """All that was told of it when the service was last asked."""
        return self._state

    @property
    def status(self) -> str:
        """queued, processing, streaming, finished, failed or cancelled."""
        return self._state.status

    @property
    def progress(self) -> float:
        """How far it is, from 0 to 1."""
        return self._state.progress

    @property
    def message(self) -> str:
        """What its handler says of it."""
        return self._state.message

    @property
    def error(self) -> str:
        """Why it failed."""
        return self._state.error

    @property
    def done(self) -> bool:
        """Whether it has ended, in whatever way."""
        return self._state.has_ended

    async def refresh(self) -> JobState:
        """Ask the service how it is, and return that."""
        self._see(await self._driver.run(self._core.look(self.id)))
        return self._state

    async def result(self, timeout: float = JOB_SECONDS, *, progress: bool = False) -> Any:
        """Wait for its end, and return what the handler returned.

        Args:
            timeout: seconds to wait.
            progress: whether to show a bar, in a terminal or a notebook.

        Raises:
            JobFailed: the handler refused or failed.
            JobCancelled: somebody cancelled it.
            TimedOut: it has not ended; it goes on, and may be waited for again.
        """
        bar = bar_for_here() if progress else NoBar()

        def see(state: JobState) -> None:
            self._see(state)
            bar.show(state)

        try:
            state = await self._driver.run(self._core.end_of(self.id, timeout, is_shown=progress), see)
        finally:
            bar.close()
        return result_of(state)

    async def cancel(self) -> JobState:
        """Have it stopped, or taken out of the queue; one that has ended stays as it is."""
        self._see(await self._driver.run(self._core.cancel(self.id)))
        return self._state

    def __aiter__(self) -> AsyncIterator[Any]:
        return self._driver.iterate(self._core.items_of(self.id), self._see)

    def __repr__(self) -> str:
        return f"<AsyncJob {self.id}: {self._state.status}, {self._state.progress:.0%}>"
