"""What a call of the client for asyncio may return in place of a value: a job, or a stream."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from typing import TYPE_CHECKING, Any

from aylien_model_serving.client._async.bases import AsyncJobBase, AsyncStreamBase
from aylien_model_serving.client._async.body import AsyncBodyReader
from aylien_model_serving.client._async.driver import AsyncDriver
from aylien_model_serving.client.job_base import JOB_SECONDS
from aylien_model_serving.client.jobs import JobState, result_of
from aylien_model_serving.client.operations import ClientCore
from aylien_model_serving.client.progress import NoBar, default_bar

if TYPE_CHECKING:
    from typing_extensions import Self


class AsyncStream(AsyncStreamBase):
    """The items of a route, as it makes them; to be iterated once, and closed where not all are wanted."""

    def __init__(self, items: AsyncGenerator[Any, None], reader: AsyncBodyReader) -> None:
        self._items = items
        self._reader = reader

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        try:
            return await anext(self._items)
        except BaseException:
            await self._reader.aclose()
            raise

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Leave the stream, whereupon the service stops to make items."""
        await self._items.aclose()
        await self._reader.aclose()


class AsyncJob(AsyncJobBase):
    """A call that the service keeps until it is done.

    `status`, `progress` and `message` are as they were when the service was last asked, as by `refresh`.
    Iterating gives the items that a generator makes, from the first one on.
    """

    def __init__(self, core: ClientCore, driver: AsyncDriver, state: JobState) -> None:
        super().__init__(core, state)
        self._driver = driver

    async def refresh(self) -> JobState:
        """Ask the service how it is, and return that."""
        self._update(await self._driver.run(self._core.job_state(self.id)))
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
        bar = default_bar() if progress else NoBar()

        def on_state(state: JobState) -> None:
            self._update(state)
            bar.show(state)

        try:
            end = self._core.wait_for_end(self.id, timeout, show_progress=progress)
            state = await self._driver.run(end, on_state)
        finally:
            bar.close()
        return result_of(state)

    async def cancel(self) -> JobState:
        """Have it stopped, or taken out of the queue; one that has ended stays as it is."""
        self._update(await self._driver.run(self._core.cancel(self.id)))
        return self._state

    def __aiter__(self) -> AsyncIterator[Any]:
        return self._driver.iterate(self._core.iterate_items(self.id), self._update)
