"""Runs a handler for a batch: each field goes in as a column, and a column of results comes out.

A batch that fails is halved until the guilty stand alone, so that the innocent get their answers.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple, Protocol

from aylien_model_serving.core.messages import current_request_id
from aylien_model_serving.errors import DeadlineExceeded, HandlerFailed
from aylien_model_serving.executors.queue import QueuedCall
from aylien_model_serving.handlers import callables
from aylien_model_serving.handlers.signatures import Signature
from aylien_model_serving.process import native_threads


class EngineObserver(Protocol):
    """Is told what an engine does, on the thread that does it."""

    def starts(self, jobs: Sequence[QueuedCall]) -> None:
        """Take note that the handler is about to run for these calls."""

    def ended(self, jobs: Sequence[QueuedCall], seconds: float) -> None:
        """Take note that this run has ended."""

    def settled(self) -> None:
        """Take note that all calls of a batch have been told their outcomes."""

    def dropped(self, reason: str) -> None:
        """Take note that a call did not reach the handler: it was "expired" or "abandoned"."""


class CallOutcome(NamedTuple):
    """What became of a call: a result or an error."""

    job: QueuedCall
    result: Any
    error: Exception | None = None


class HandlerInvoker:
    """Runs one handler, for single calls as they are or for batches as columns.

    Args:
        handler: the callable; a coroutine function is awaited.
        signature: what it takes.
        batched: whether it takes columns.
        observer: is told of every run.
    """

    def __init__(
        self, handler: Callable[..., Any], signature: Signature, batched: bool, observer: EngineObserver
    ) -> None:
        self._handler = handler
        self._signature = signature
        self._batched = batched
        self._observer = observer
        self._is_async = inspect.iscoroutinefunction(handler) or callables.is_async(handler)

    def run(self, batch: Sequence[QueuedCall]) -> list[CallOutcome]:
        """Return an outcome for every call of a batch but those that were abandoned before they ran."""
        outcomes: list[CallOutcome] = []
        parts = [batch]
        while parts:
            jobs = self._living(parts.pop(), outcomes)
            if not jobs:
                continue
            try:
                result = self._call(jobs)
            except (Exception, asyncio.CancelledError) as error:
                if len(jobs) == 1:
                    outcomes.append(CallOutcome(jobs[0], None, _plain(error)))
                else:
                    half = len(jobs) // 2
                    parts += [jobs[half:], jobs[:half]]
            else:
                outcomes += self._spread(jobs, result)
        return outcomes

    def drop(self, stale: Sequence[QueuedCall]) -> list[CallOutcome]:
        """Return the outcomes of calls that will not run."""
        outcomes = []
        for job in stale:
            self._observer.dropped("abandoned" if job.abandoned else "expired")
            if not job.abandoned:
                outcomes.append(CallOutcome(job, None, DeadlineExceeded()))
        return outcomes

    def _living(self, jobs: Sequence[QueuedCall], outcomes: list[CallOutcome]) -> Sequence[QueuedCall]:
        now = time.monotonic()
        stale = [job for job in jobs if job.is_stale(now)]
        if not stale:
            return jobs
        outcomes += self.drop(stale)
        return [job for job in jobs if job not in stale]

    def _call(self, jobs: Sequence[QueuedCall]) -> Any:
        arguments = columns(jobs) if self._batched else jobs[0].arguments
        self._observer.starts(jobs)
        token = current_request_id.set(jobs[0].request_id if len(jobs) == 1 else "-")
        start = time.perf_counter()
        try:
            if self._is_async:
                return native_threads.run_coroutine(self._signature.call(self._handler, arguments))
            if native_threads.is_patched():
                return native_threads.call(self._signature.call, self._handler, arguments)
            return self._signature.call(self._handler, arguments)
        finally:
            self._observer.ended(jobs, time.perf_counter() - start)
            current_request_id.reset(token)

    def _spread(self, jobs: Sequence[QueuedCall], result: Any) -> list[CallOutcome]:
        """Give every call its own result."""
        if not self._batched:
            return [CallOutcome(jobs[0], result)]
        try:
            found = items(result, len(jobs))
        except HandlerFailed as error:
            return [CallOutcome(job, None, HandlerFailed(str(error))) for job in jobs]
        return [
            CallOutcome(job, None, item) if isinstance(item, Exception) else CallOutcome(job, item)
            for job, item in zip(jobs, found, strict=True)
        ]


def columns(jobs: Sequence[QueuedCall]) -> dict[str, Any]:
    """Return a list of values for each field of calls that have the same fields."""
    return {name: [job.arguments[name] for job in jobs] for name in jobs[0].arguments}


def items(result: Any, expected: int) -> list[Any]:
    """Return the items of a batch's result: a list, a tuple, an array, a tensor.

    Args:
        result: what the handler returned.
        expected: calls in the batch.

    Raises:
        HandlerFailed: there are more or fewer items, or none can be told.
    """
    wanted = f"The handler has to return a list of {expected} results, one for each call of its batch"
    if isinstance(result, (str, bytes, bytearray, Mapping, AbstractSet)):
        raise HandlerFailed(f"{wanted}; it returned a {type(result).__name__}")
    try:
        found = len(result)
        listed = list(result) if found == expected else []
    except Exception as error:
        raise HandlerFailed(f"{wanted}; it returned a {type(result).__name__}") from error
    if found != expected:
        raise HandlerFailed(f"{wanted}; it returned {found}")
    return listed


def _plain(error: BaseException) -> Exception:
    """Return an error that a caller may raise: a handler that cancels itself must not cancel its caller."""
    if isinstance(error, Exception):
        return error
    failed = HandlerFailed()
    failed.__cause__ = error
    return failed
