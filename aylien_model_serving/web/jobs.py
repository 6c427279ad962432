"""The endpoints of jobs: state, cancellation, stream and list.

They are bare handlers like any other, so every adapter answers them; a client that waits holds no thread.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from functools import partial
from typing import Annotated, Any, TypeVar

from aylien_model_serving import codecs
from aylien_model_serving.codecs.streaming import EVENT_STREAM, HEADERS
from aylien_model_serving.core import callers
from aylien_model_serving.core.messages import Reply
from aylien_model_serving.errors import BadRequest, NotFound
from aylien_model_serving.executors.generators import GeneratorItems
from aylien_model_serving.executors.waiters import Waiters
from aylien_model_serving.jobs.job import JobRecord
from aylien_model_serving.jobs.states import ENDED, Status
from aylien_model_serving.jobs.store import Store
from aylien_model_serving.jobs.view import JobPage, ShownJob, listed, show
from aylien_model_serving.process import native_threads
from aylien_model_serving.routing.routes import Route

#: Seconds that one request may wait for a job's end: where it holds no thread, and where it holds one.
LONGEST_WAIT, LONGEST_WAIT_OF_THREAD = 300.0, 30.0

#: Seconds between two polls of a job that a client waits for: the first, and the most, also over a network.
_FIRST_PAUSE, _LONGEST_PAUSE, _LONGEST_REMOTE_PAUSE = 0.02, 0.25, 0.5

#: Jobs of one page at most.
_PAGE = 100

#: The largest number of a job that SQLite can keep.
_LAST_NUMBER = 2**63 - 1

#: Seconds after which a stream without events sends a comment: for proxies, as the standard advises, and
#: to find out on a thread that the client has left.
_KEEP_ALIVE = 5.0
_T = TypeVar("_T")


class JobEndpoints:
    """Answers clients of jobs.

    Args:
        store: of the jobs.
        service: the service whose jobs they are.
        wake_workers: have the workers of jobs poll the store.
        waiters: the places of clients that wait.
    """

    def __init__(
        self, store: Store, service: str, wake_workers: Sequence[Callable[[], None]], waiters: Waiters
    ) -> None:
        self._store = store
        self._service = service
        self._wake_workers = wake_workers
        self._waiters = waiters
        self._longest_pause = _LONGEST_REMOTE_PAUSE if store.is_remote else _LONGEST_PAUSE

    def routes(self) -> list[Route]:
        """Return the routes of these endpoints."""
        return [
            Route("/status/<job_id>", self.status, ("GET",), "job_status"),
            Route("/status", self.status, ("GET", "POST"), "job_status_by_field"),
            Route("/cancel/<job_id>", self.cancel, ("POST",), "job_cancel"),
            Route("/stream/<job_id>", self.stream, ("GET",), "job_stream"),
            Route("/jobs", self.jobs, ("GET",), "jobs"),
        ]

    async def status(self, job_id: str, wait: float = 0.0) -> Annotated[Reply, ShownJob]:
        """Return a job.

        Args:
            job_id: the job's id.
            wait: seconds to wait for its end.
        """
        scope = callers.current.get().scope
        job = await self._off_loop(self._find, job_id, scope)
        if wait > 0 and job.status not in ENDED:
            holds_thread = native_threads.is_own_loop(asyncio.get_running_loop())
            with self._waiters.enter(holds_thread=holds_thread):
                job = await self._wait(job_id, scope, min(wait, _longest_wait(holds_thread)))
        return await self._off_loop(self._reply, job)

    async def _off_loop(self, read: Callable[..., _T], *arguments: Any) -> _T:
        """Read from the store, on a thread where a network may have it take long."""
        return await asyncio.to_thread(read, *arguments) if self._store.is_remote else read(*arguments)

    async def _wait(self, job_id: str, scope: str | None, seconds: float) -> JobRecord:
        """Return a job that has ended, or is under way after so many seconds."""
        until = time.monotonic() + seconds
        pause = _FIRST_PAUSE
        job = await self._off_loop(self._find, job_id, scope)
        while job.status not in ENDED and time.monotonic() < until:
            await asyncio.sleep(min(pause, max(0.0, until - time.monotonic())))
            pause = min(2 * pause, self._longest_pause)
            job = await self._off_loop(self._find, job_id, scope)
        return job

    async def cancel(self, job_id: str) -> Annotated[Reply, ShownJob]:
        """Cancel a job, running or queued; one that has ended stays as it is."""
        scope = callers.current.get().scope
        # It may have to wait for another process's transaction.
        job = await asyncio.to_thread(self._cancel, job_id, scope)
        if job is None:
            raise NotFound(_unknown(job_id))
        for wake in self._wake_workers:
            wake()
        return await self._off_loop(self._reply, job)

    def _cancel(self, job_id: str, scope: str | None) -> JobRecord | None:
        return self._store.cancel(self._service, job_id, self._store.now(), scope)

    async def jobs(
        self,
        status: Status | None = None,
        route: str | None = None,
        limit: int = 20,
        before: int | None = None,
    ) -> JobPage:
        """List jobs, the last one first.

        Args:
            status: in this state alone.
            route: of this route alone.
            limit: how many at most, up to 100.
            before: what the page before gave as `next`.
        """
        if not 1 <= limit <= _PAGE:
            raise BadRequest(f"limit: 1 to {_PAGE} are expected")
        if before is not None and not 0 <= before <= _LAST_NUMBER:
            raise BadRequest("before: what the page before gave as `next` is expected")
        scope = callers.current.get().scope
        read = partial(self._store.page, self._service, caller=scope, status=status, route=route)
        page = await self._off_loop(partial(read, limit=limit, before=before))
        shown: JobPage = {"jobs": [listed(job) for job in page]}
        if len(page) == limit:
            shown["next"] = page[-1].number
        return shown

    async def stream(self, job_id: str) -> Annotated[Reply, Iterator[ShownJob]]:
        """Stream a job: a generator's items as they are made, and its progress."""
        scope = callers.current.get().scope
        await self._off_loop(self._find, job_id, scope)
        chunks = GeneratorItems(self._events(job_id, scope), _nothing, in_native_thread=False)
        return Reply(200, b"", EVENT_STREAM, list(HEADERS), chunks)

    async def _events(self, job_id: str, scope: str | None) -> AsyncGenerator[bytes, None]:
        seen, last, sent_at, pause = -1, None, time.monotonic(), _FIRST_PAUSE
        while True:
            job = await self._off_loop(self._find, job_id, scope)
            items = await self._off_loop(self._store.items, self._service, job_id, seen, _PAGE)
            for index, item in items:
                seen = index
                yield b"data: " + item + b"\n\n"
            state = (job.status, job.fraction, job.message, job.attempts)
            if job.status in ENDED and not items:
                yield _event(job.status, (await self._off_loop(self._reply, job)).body)
                return
            if state != last:
                last = state
                yield _event("progress", codecs.JSON.encode(show(job)))
            elif not items and time.monotonic() - sent_at > _KEEP_ALIVE:
                yield b": still at it\n\n"
            elif not items:
                await asyncio.sleep(pause)
                pause = min(2 * pause, self._longest_pause)
                continue
            sent_at, pause = time.monotonic(), _FIRST_PAUSE

    def _find(self, job_id: str, scope: str | None) -> JobRecord:
        job = self._store.get(self._service, job_id, scope)
        if job is None:
            raise NotFound(_unknown(job_id))
        return job

    def _reply(self, job: JobRecord) -> Reply:
        result = self._store.result(self._service, job.id) if job.status == "finished" else None
        return Reply(200, codecs.JSON.encode(show(job, None if result is None else result[1])))


def _longest_wait(holds_thread: bool) -> float:
    return LONGEST_WAIT_OF_THREAD if holds_thread and not native_threads.is_patched() else LONGEST_WAIT


def _unknown(job_id: str) -> str:
    return f"There is no job {job_id[:80]!r}: it never was, or its result has expired"


def _event(name: str, data: bytes) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + data + b"\n\n"


def _nothing() -> None:
    """The endpoint has no slots to give back."""
