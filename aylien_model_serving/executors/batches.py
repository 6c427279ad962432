"""Invokes a handler for a batch: each field goes in as a column, and a column of results comes out.

A batch that fails is halved until the failing calls stand alone, so that all others get their results. So is
one that runs out of a GPU's memory, and those after it are smaller.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import CancelledError as FutureCancelled
from typing import Any, NamedTuple, Protocol

from aylien_model_serving.core import call_scope, callers, reads
from aylien_model_serving.core.call_scope import CallScope
from aylien_model_serving.core.callers import SEVERAL, Caller
from aylien_model_serving.core.cancellation import Cancelled
from aylien_model_serving.core.messages import current_job_id, current_request_id
from aylien_model_serving.errors import DeadlineExceeded, HandlerFailed
from aylien_model_serving.executors.hub_watch import HOLD_SECONDS, HubWatch
from aylien_model_serving.executors.memory_ceiling import MemoryCeiling, Shortage, is_out_of_memory
from aylien_model_serving.executors.queue import QueuedCall
from aylien_model_serving.handlers import callables, exits
from aylien_model_serving.handlers.signatures import Signature
from aylien_model_serving.process import native_threads


class StepObserver(Protocol):
    """Records what an engine does, on the thread that does it."""

    def steps(self, calls: Sequence[QueuedCall], joined: Sequence[QueuedCall]) -> None:
        """Record that a step for these calls is about to run, of which some have just joined."""

    def ended(self, calls: Sequence[QueuedCall], seconds: float) -> None:
        """Record that this step, or this run, has ended."""

    def dropped(self, reason: str) -> None:
        """Record that a call did not reach the handler: it was "expired" or "abandoned"."""


class EngineObserver(StepObserver, Protocol):
    """Records the runs of an engine too."""

    def starts(self, calls: Sequence[QueuedCall]) -> None:
        """Record that the handler is about to run for these calls."""

    def settled(self) -> None:
        """Act on the end of a batch: `finish` has been called for all of its calls."""


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
        memory: learns how large a batch may be.
    """

    def __init__(
        self,
        handler: Callable[..., Any],
        signature: Signature,
        batched: bool,
        observer: EngineObserver,
        native: bool = False,
        memory: MemoryCeiling | None = None,
    ) -> None:
        self._handler = handler
        self._memory = memory or MemoryCeiling(1)
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
        shortage = Shortage(self._memory)
        while parts:
            calls = self._drop_stale(parts.pop(), outcomes)
            if not calls:
                continue
            if len(calls) > self._memory.size:
                parts += _halves(calls)
                continue
            try:
                result = self._invoke(calls)
            except Exception as error:
                if is_out_of_memory(error):
                    shortage.add(len(calls), error)
                if len(calls) == 1:
                    outcomes += self._fail(calls, error)
                else:
                    parts += _halves(calls)
            else:
                self._memory.worked(len(calls))
                shortage.has_worked = True
                outcomes += self._split(calls, result)
        shortage.conclude()
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
        scope = _common_scope(calls)
        scope_token = call_scope.current.set(scope)
        reads_token = reads.current.set(calls[0].read if len(calls) == 1 else _common_record(calls))
        start = time.perf_counter()
        try:
            if calls[0].method:
                result = getattr(inspect.unwrap(self._handler), calls[0].method)(**arguments)
                if not inspect.iscoroutine(result):
                    return result
                return native_threads.run_coroutine(exits.awaited(result), scope.listening)
            return self._call(calls, arguments, scope)
        except FutureCancelled as error:
            if scope.is_abandoned:
                raise HandlerFailed from Cancelled()
            raise HandlerFailed from error
        except Exception:
            raise
        except BaseException as error:
            exits.reraise(error)
        finally:
            self._record_end(calls, time.perf_counter() - start)
            current_request_id.reset(token)
            current_job_id.reset(job_token)
            callers.current.reset(caller_token)
            reads.current.reset(reads_token)
            call_scope.current.reset(scope_token)

    def _call(self, calls: Sequence[QueuedCall], arguments: dict[str, Any], scope: CallScope) -> Any:
        """Call the handler with the arguments of calls, within their scope."""
        if self._is_async:
            coroutine = exits.awaited(self._signature.call(self._handler, arguments))
            return native_threads.run_coroutine(coroutine, scope.listening)
        if self._leaves_hub:
            return native_threads.call(self._signature.call, self._handler, arguments)
        return self._signature.call(self._handler, arguments)

    def _record_end(self, calls: Sequence[QueuedCall], seconds: float) -> None:
        """Record the end of a run."""
        self._observer.ended(calls, seconds)
        if seconds > HOLD_SECONDS and not self._leaves_hub:
            self._hub_watch.check(seconds)

    def _fail(self, calls: Sequence[QueuedCall], error: Exception) -> list[CallOutcome]:
        """Return the outcomes of calls that have failed."""
        return [CallOutcome(call, None, error) for call in calls]

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


def _halves(calls: Sequence[QueuedCall]) -> list[Sequence[QueuedCall]]:
    """Return both halves, of which the first is taken from the end."""
    half = len(calls) // 2
    return [calls[half:], calls[:half]]


def failure_of(error: BaseException) -> HandlerFailed:
    """Return the error of calls whose run has raised."""
    failed = HandlerFailed()
    failed.__cause__ = error
    return failed


def _common_caller(calls: Sequence[QueuedCall]) -> Caller:
    """Return who makes all of the calls, or that there are several."""
    first = calls[0].caller
    return first if len(calls) == 1 or all(call.caller == first for call in calls) else SEVERAL


def _common_scope(calls: Sequence[QueuedCall]) -> CallScope:
    """Return the scope of a run: of several calls, the latest deadline."""
    if len(calls) == 1:
        return CallScope(calls[0].deadline, calls[0].models, calls)
    deadlines = [call.deadline for call in calls if call.deadline is not None]
    return CallScope(max(deadlines) if len(deadlines) == len(calls) else None, calls[0].models, calls)


def _common_record(calls: Sequence[QueuedCall]) -> set[str] | None:
    """Return what gets the names of what is read for several calls; what is read for one is for all."""
    records = [call.read for call in calls if call.read is not None]
    return reads.RecordForAll(records) if records else None


def columns(calls: Sequence[QueuedCall]) -> dict[str, Any]:
    """Return a list of values for each field of calls that have the same fields."""
    return {name: [call.arguments[name] for call in calls] for name in calls[0].arguments}


def _is_frame(result: Any) -> bool:
    """Return whether a result is a frame of pandas or polars, whose items are columns and no rows."""
    return hasattr(result, "columns")


def items(result: Any, expected: int, verb: str = "return") -> list[Any]:
    """Return the items of a batch's result: a list, a tuple, an array, a tensor.

    Args:
        result: what the handler returned, or yielded.
        expected: calls in the batch.
        verb: what it does with a result, "return" or "yield".

    Raises:
        HandlerFailed: there are more or fewer items, or the result has none.
    """
    wanted = f"The handler has to {verb} a list of {expected} results, one for each call of its batch"
    if isinstance(result, (str, bytes, bytearray, Mapping, AbstractSet)) or _is_frame(result):
        raise HandlerFailed(f"{wanted}; it {verb}ed a {type(result).__name__}")
    try:
        found = len(result)
        listed = list(result) if found == expected else []
    except Exception as error:
        raise HandlerFailed(f"{wanted}; it {verb}ed a {type(result).__name__}") from error
    if found != expected:
        raise HandlerFailed(f"{wanted}; it {verb}ed {found}")
    return listed
