"""The endpoints of jobs: state, cancellation, stream and list.

They are bare handlers like any other, so every adapter answers them; a client that waits holds no thread.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Annotated

from flask import Response, request

from aylien_model_serving import codecs
from aylien_model_serving.codecs.streaming import EVENT_STREAM, HEADERS
from aylien_model_serving.core import callers, start_log
from aylien_model_serving.core.messages import Reply
from aylien_model_serving.core.secrets import without_passwords
from aylien_model_serving.core.settings import Settings
from aylien_model_serving.errors import BadRequest, ConfigurationError, NotFound
from aylien_model_serving.executors.generators import GeneratorItems
from aylien_model_serving.executors.waiters import Waiters
from aylien_model_serving.jobs.default_place import default_file, expected_file
from aylien_model_serving.jobs.job import JobRecord
from aylien_model_serving.jobs.retention import Limits
from aylien_model_serving.jobs.states import ENDED, Status
from aylien_model_serving.jobs.store import Store, open_store
from aylien_model_serving.jobs.view import JobPage, ShownJob, listed, show
from aylien_model_serving.process import native_threads, owner
from aylien_model_serving.routing.routes import Route
from aylien_model_serving.web.state import JobStore

#: Seconds that one request may wait for a job's end: where it holds no thread, and where it holds one.
LONGEST_WAIT, LONGEST_WAIT_OF_THREAD = 300.0, 30.0

#: Seconds between two polls of a job that a client waits for: the first, and the most.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.25

#: Jobs of one page at most.
_PAGE = 100

#: The largest number of a job that SQLite can keep.
_LAST_NUMBER = 2**63 - 1

#: Seconds after which a stream without events sends a comment: for proxies, as the standard advises, and
#: to find out on a thread that the client has left.
_KEEP_ALIVE = 5.0


#: The store in the process's memory, in which services of one name are numbered.
MEMORY = "memory://"

#: Bytes of it, at most.
_MAX_MEMORY = 256 * 1024 * 1024

_numbers = itertools.count(1)


def open_jobs(settings: Settings, routes: Iterable[Route]) -> JobStore:
    """Return the store of a service's jobs.

    Args:
        settings: may name another one, and the service.
        routes: the service's; without a name it is known by the module of the first handler of jobs.

    Raises:
        ConfigurationError: webhooks are allowed, and nothing is there to sign them with; or nothing can be
            written where the store would be, or it is another service's.
    """
    module, service = _identity(settings, routes)
    url = settings.jobs_url or f"sqlite:///{default_file(module, service, settings.state_home)}"
    if settings.webhook_allow and settings.webhook_secret is None:
        raise ConfigurationError(
            "MODEL_SERVING_WEBHOOK_ALLOW: webhooks are signed: set MODEL_SERVING_WEBHOOK_SECRET as well"
        )
    if url != MEMORY and owner.is_first(start_log.PLACE_OF_JOBS):
        start_log.logger.info("Jobs are kept in %s", _shown(url))
    limits = Limits(settings.jobs_max_ended, settings.jobs_max_bytes)
    if url == MEMORY:
        limits = replace(limits, max_bytes=min(limits.max_bytes, _MAX_MEMORY))
        return JobStore(url, open_store(url, limits), f"{service} {next(_numbers)}", is_memory=True)
    return JobStore(url, open_store(url, limits, service), service, is_memory=False)


def place_of_jobs(settings: Settings, routes: Sequence[Route]) -> str | None:
    """Return where a service's jobs will be kept, for people; None where no route has any."""
    if not any(route.job for route in routes):
        return None
    module, service = _identity(settings, routes)
    return _shown(settings.jobs_url or str(expected_file(module, service, settings.state_home)))


def _shown(url: str) -> str:
    return without_passwords(url.removeprefix("sqlite:///"))


def _identity(settings: Settings, routes: Iterable[Route]) -> tuple[str, str]:
    """Return the module of the first handler of jobs, and the name of the service, which may be the same."""
    handler = next(route.callable for route in routes if route.job is not None)
    module = str(getattr(handler, "__module__", None) or "__main__")
    return module, (settings.service_name or module).encode("utf-8", "backslashreplace").decode()


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
        job = self._find(job_id, scope)
        if wait > 0 and job.status not in ENDED:
            holds_thread = native_threads.is_own_loop(asyncio.get_running_loop())
            with self._waiters.enter(holds_thread=holds_thread):
                job = await self._wait(job_id, scope, min(wait, _longest_wait(holds_thread)))
        return self._reply(job)

    async def _wait(self, job_id: str, scope: str | None, seconds: float) -> JobRecord:
        """Return a job that has ended, or is under way after so many seconds."""
        until = time.monotonic() + seconds
        pause = _FIRST_PAUSE
        job = self._find(job_id, scope)
        while job.status not in ENDED and time.monotonic() < until:
            await asyncio.sleep(min(pause, max(0.0, until - time.monotonic())))
            pause = min(2 * pause, _LONGEST_PAUSE)
            job = self._find(job_id, scope)
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
        return self._reply(job)

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
        page = self._store.page(
            self._service, caller=scope, status=status, route=route, limit=limit, before=before
        )
        shown: JobPage = {"jobs": [listed(job) for job in page]}
        if len(page) == limit:
            shown["next"] = page[-1].number
        return shown

    async def stream(self, job_id: str) -> Annotated[Reply, Iterator[ShownJob]]:
        """Stream a job: a generator's items as they are made, and its progress."""
        scope = callers.current.get().scope
        self._find(job_id, scope)
        chunks = GeneratorItems(self._events(job_id, scope), _nothing, in_native_thread=False)
        return Reply(200, b"", EVENT_STREAM, list(HEADERS), chunks)

    async def _events(self, job_id: str, scope: str | None) -> AsyncGenerator[bytes, None]:
        seen, last, sent_at, pause = -1, None, time.monotonic(), _FIRST_PAUSE
        while True:
            job = self._find(job_id, scope)
            items = self._store.items(self._service, job_id, seen, _PAGE)
            for index, item in items:
                seen = index
                yield b"data: " + item + b"\n\n"
            state = (job.status, job.fraction, job.message, job.attempts)
            if job.status in ENDED and not items:
                yield _event(job.status, self._reply(job).body)
                return
            if state != last:
                last = state
                yield _event("progress", codecs.JSON.encode(show(job)))
            elif not items and time.monotonic() - sent_at > _KEEP_ALIVE:
                yield b": still at it\n\n"
            elif not items:
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
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


#: What follows a route's name in the name of the view that answers POST in its place.
POSTED = "_posted"


def without_body(view: Callable[..., Response]) -> Callable[..., Response]:
    """Return a view that takes a query where a POST has no body, which other routes do not."""

    def with_query(**path_values: object) -> Response:
        if not request.content_length and "job_id" in request.args:
            path_values["job_id"] = request.args["job_id"]
            path_values["wait"] = _seconds(request.args.get("wait", "0"))
        return view(**path_values)

    return with_query


def _longest_wait(holds_thread: bool) -> float:
    return LONGEST_WAIT_OF_THREAD if holds_thread and not native_threads.is_patched() else LONGEST_WAIT


def _seconds(text: str) -> float:
    """Return a number of seconds; 0 for what is no number, or none that can be waited for."""
    try:
        seconds = float(text)
    except ValueError:
        return 0.0
    return seconds if math.isfinite(seconds) else 0.0


def _unknown(job_id: str) -> str:
    return f"There is no job {job_id[:80]!r}: it never was, or its result has expired"


def _event(name: str, data: bytes) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + data + b"\n\n"


def _nothing() -> None:
    """The endpoint has no slots to give back."""
