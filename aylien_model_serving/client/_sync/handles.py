# Generated from client/_async/handles.py by scripts/unasync.py: change that file, and run the script.
"""What a call of the blocking client may return in place of a value: a job, or a stream."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

from aylien_model_serving.client._sync.bases import JobBase, StreamBase
from aylien_model_serving.client._sync.body import BodyReader
from aylien_model_serving.client._sync.driver import Driver
from aylien_model_serving.client.job_base import JOB_SECONDS
from aylien_model_serving.client.jobs import JobState, result_of
from aylien_model_serving.client.operations import ClientCore
from aylien_model_serving.client.progress import NoBar, default_bar

if TYPE_CHECKING:
    from typing_extensions import Self


class Stream(StreamBase):
    """The items of a route, as it makes them; to be iterated once, and closed where not all are wanted."""

    def __init__(self, items: Generator[Any, None, None], reader: BodyReader) -> None:
        self._items = items
        self._reader = reader

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        try:
            return next(self._items)
        except BaseException:
            self._reader.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave the stream, whereupon the service stops to make items."""
        self._items.close()
        self._reader.close()


class Job(JobBase):
    """A call that the service keeps until it is done.

    `status`, `progress`, `message` are half a second old at most: the service is asked where they are older.
    Iterating gives the items that a generator makes, from the first one on.
    """

    def __init__(self, core: ClientCore, driver: Driver, state: JobState) -> None:
        super().__init__(core, state)
        self._driver = driver

    def refresh(self) -> JobState:
        """Ask the service how it is, and return that."""
        self._update(self._driver.run(self._core.job_state(self.id)))
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

        def on_state(state: JobState) -> None:
            self._update(state)
            bar.show(state)

        try:
            end = self._core.wait_for_end(self.id, timeout, show_progress=progress)
            state = self._driver.run(end, on_state)
        finally:
            bar.close()
        return result_of(state)

    def cancel(self) -> JobState:
        """Have it stopped, or taken out of the queue; one that has ended stays as it is."""
        self._update(self._driver.run(self._core.cancel(self.id)))
        return self._state

    def __iter__(self) -> Iterator[Any]:
        return self._driver.iterate(self._core.iterate_items(self.id), self._update)
