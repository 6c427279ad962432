"""What a call of the blocking client may come back with: a job, or a stream."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

from aylien_model_serving.client._sync.driver import BodyReader, Driver
from aylien_model_serving.client.job_base import JOB_SECONDS, JobAttributes
from aylien_model_serving.client.jobs import JobState, result_of
from aylien_model_serving.client.operations import ClientCore
from aylien_model_serving.client.progress import NoBar, default_bar

#: Seconds for which a job's state is taken as it was.
_FRESH = 0.5

if TYPE_CHECKING:
    from typing_extensions import Self


class Stream:
    """The items of a route, as it makes them; to be iterated once, and closed where not all are wanted."""

    def __init__(self, given: Generator[Any, None, None], reader: BodyReader) -> None:
        self._given = given
        self._reader = reader

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        try:
            return next(self._given)
        except BaseException:
            self._reader.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave the stream, whereupon the service stops to make items."""
        self._given.close()
        self._reader.close()

    def __del__(self) -> None:
        self._reader.close()  # or its connection would be taken for ever


class Job(JobAttributes):
    """A call that the service keeps until it is done.

    `status`, `progress`, `message` are half a second old at most: the service is asked where they are older.
    Iterating gives the items that a generator makes, from the first one on.
    """

    def __init__(self, core: ClientCore, driver: Driver, state: JobState) -> None:
        super().__init__(core, state)
        self._driver = driver

    def _see(self, state: JobState) -> None:
        super()._see(state)
        self._seen_at = time.monotonic()

    def look(self) -> JobState:
        """Return how it is, at most half a second ago."""
        if not self._state.has_ended and time.monotonic() - self._seen_at > _FRESH:
            self.refresh()
        return self._state

    def _latest(self) -> JobState:
        return self.look()

    def refresh(self) -> JobState:
        """Ask the service how it is, and return that."""
        self._see(self._driver.run(self._core.look(self.id)))
        return self._state

    def result(self, timeout: float = JOB_SECONDS, *, progress: bool = False) -> Any:
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

        def see(state: JobState) -> None:
            self._see(state)
            bar.show(state)

        try:
            state = self._driver.run(self._core.wait_for_end(self.id, timeout, show_progress=progress), see)
        finally:
            bar.close()
        return result_of(state)

    def cancel(self) -> JobState:
        """Have it stopped, or taken out of the queue; one that has ended stays as it is."""
        self._see(self._driver.run(self._core.cancel(self.id)))
        return self._state

    def __iter__(self) -> Iterator[Any]:
        return self._driver.iterate(self._core.iterate_items(self.id), self._see)
