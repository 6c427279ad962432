"""Invokes a handler for a batch: each field goes in as a column, and a column of results comes out.

A batch that fails is halved until the failing calls stand alone, so that all others get their results.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple, Protocol

from aylien_model_serving.core import callers, reads
from aylien_model_serving.core.callers import SEVERAL, Caller
from aylien_model_serving.core.messages import current_job_id, current_request_id
from aylien_model_serving.errors import DeadlineExceeded, HandlerFailed
from aylien_model_serving.executors.hub_watch import HOLD_SECONDS, HubWatch
from aylien_model_serving.executors.queue import QueuedCall
from aylien_model_serving.handlers import callables, exits
from aylien_model_serving.handlers.signatures import Signature
from aylien_model_serving.process import native_threads


class EngineObserver(Protocol):
    """Records what an engine does, on the thread that does it."""

    def starts(self, calls: Sequence[QueuedCall]) -> None:
        """Record that the handler is about to run for these calls."""

    def ended(self, calls: Sequence[QueuedCall], seconds: float) -> None:
        """Record that this run has ended."""

    def settled(self) -> None:
        """Act on the end of a batch: `finish` has been called for all of its calls."""

    def dropped(self, reason: str) -> None:
        """Record that a call did not reach the handler: it was "expired" or "abandoned"."""


class CallOutcome(NamedTuple):
    """How a call ended: with a result or an error."""

    call: QueuedCall
    result: Any
    error: Exception | None = None


class HandlerInvoker:
    """Invokes one handler, for single calls as they are or for batches as columns.

    Args:
        handler: the callable; a coroutine function is awaited.
        signature: what it takes.
        batched: whether it takes columns.
        observer: records every run.
        native: whether it runs on native threads where gevent has patched the process.
    """

    def __init__(
        self,
        handler: Callable[..., Any],
        signature: Signature,
        batched: bool,
        observer: EngineObserver,
        native: bool = False,
    ) -> None:
        self._handler = handler
        self._signature = signature
        self._batched = batched
        self._observer = observer
        self._leaves_hub = native and native_threads.is_patched()
        self._hub_watch = HubWatch(handler)
        self._is_async = inspect.iscoroutinefunction(handler) or callables.is_async(handler)

    def run(self, batch: Sequence[QueuedCall]) -> list[CallOutcome]:
        """Return an outcome for every call of a batch but those that were abandoned before they ran."""
        outcomes: list[CallOutcome] = []
        parts = [batch]
        while parts:
            calls = self._drop_stale(parts.pop(), outcomes)
            if not calls:
                continue
            try:
                result = self._invoke(calls)
            except Exception as error:
                if len(calls) == 1:
                    outcomes.append(CallOutcome(calls[0], None, error))
                else:
                    half = len(calls) // 2
                    parts += [calls[half:], calls[:half]]
            else:
                outcomes += self._split(calls, result)
        return outcomes

    def drop(self, stale: Sequence[QueuedCall]) -> list[CallOutcome]:
        """Return the outcomes of calls that will not run."""
        outcomes = []
        for call in stale:
            self._observer.dropped("abandoned" if call.abandoned else "expired")
            if not call.abandoned:
                outcomes.append(CallOutcome(call, None, DeadlineExceeded()))
        return outcomes

    def _drop_stale(self, calls: Sequence[QueuedCall], outcomes: list[CallOutcome]) -> Sequence[QueuedCall]:
        now = time.monotonic()
        stale = [call for call in calls if call.is_stale(now)]
        if not stale:
            return calls
        outcomes += self.drop(stale)
        return [call for call in calls if call not in stale]

    def _invoke(self, calls: Sequence[QueuedCall]) -> Any:
        arguments = columns(calls) if self._batched else calls[0].arguments
        self._observer.starts(calls)
        token = current_request_id.set(calls[0].request_id if len(calls) == 1 else "-")
        job_token = current_job_id.set(calls[0].job_id if len(calls) == 1 else "")
        caller_token = callers.current.set(_common_caller(calls))
        reads_token = reads.current.set(calls[0].read if len(calls) == 1 else _common_record(calls))
        start = time.perf_counter()
        try:
            if self._is_async:
                return native_threads.run_coroutine(
                    exits.awaited(self._signature.call(self._handler, arguments))
                )
            if self._leaves_hub:
                return native_threads.call(self._signature.call, self._handler, arguments)
            return self._signature.call(self._handler, arguments)
        except Exception:
            raise
        except BaseException as error:
            exits.reraise(error)
        finally:
            seconds = time.perf_counter() - start
            self._observer.ended(calls, seconds)
            if seconds > HOLD_SECONDS and not self._leaves_hub:
                self._hub_watch.check(seconds)
            current_request_id.reset(token)
            current_job_id.reset(job_token)
            callers.current.reset(caller_token)
            reads.current.reset(reads_token)

    def _split(self, calls: Sequence[QueuedCall], result: Any) -> list[CallOutcome]:
        """Give every call its own result."""
        if not self._batched:
            return [CallOutcome(calls[0], result)]
        try:
            listed = items(result, len(calls))
        except HandlerFailed as error:
            return [CallOutcome(call, None, HandlerFailed(str(error))) for call in calls]
        return [
            CallOutcome(call, None, item) if isinstance(item, Exception) else CallOutcome(call, item)
            for call, item in zip(calls, listed, strict=True)
        ]


def _common_caller(calls: Sequence[QueuedCall]) -> Caller:
    """Return who makes all of the calls, or that there are several."""
    first = calls[0].caller
    return first if len(calls) == 1 or all(call.caller == first for call in calls) else SEVERAL


def _common_record(calls: Sequence[QueuedCall]) -> set[str] | None:
    """Return what gets the names of what is read for several calls; what is read for one is for all."""
    records = [call.read for call in calls if call.read is not None]
    return reads.RecordForAll(records) if records else None


def columns(calls: Sequence[QueuedCall]) -> dict[str, Any]:
    """Return a list of values for each field of calls that have the same fields."""
    return {name: [call.arguments[name] for call in calls] for name in calls[0].arguments}


def items(result: Any, expected: int) -> list[Any]:
    """Return the items of a batch's result: a list, a tuple, an array, a tensor.

    Args:
        result: what the handler returned.
        expected: calls in the batch.

    Raises:
        HandlerFailed: there are more or fewer items, or the result has none.
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
