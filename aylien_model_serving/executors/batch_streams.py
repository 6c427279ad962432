"""Invokes a handler that yields a list for each step of a batch, in it an item for each of its calls.

It runs on the engine's thread until all calls have ended, so that a run takes as long as the longest of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from aylien_model_serving.core.call_scope import CallScope
from aylien_model_serving.errors import HandlerFailed
from aylien_model_serving.executors.batch_steps import END, BatchSteps
from aylien_model_serving.executors.batches import CallOutcome, EngineObserver, HandlerInvoker
from aylien_model_serving.executors.generators import is_stream
from aylien_model_serving.executors.memory_ceiling import MemoryCeiling, Shortage, is_out_of_memory
from aylien_model_serving.executors.queue import QueuedCall
from aylien_model_serving.executors.step_items import StepItems
from aylien_model_serving.handlers.signatures import Signature
from aylien_model_serving.handlers.steps import Done
from aylien_model_serving.process import native_threads

#: Has a call send its items, or its error.
Send = Callable[[QueuedCall, "StepItems | None", "Exception | None"], None]


class StreamInvoker(HandlerInvoker):
    """Invokes one handler for batches whose streams it feeds.

    A batch that fails before its first list is halved, as any other is; a failure after it ends all streams.

    Args:
        handler: the callable; its generator may be an async one.
        signature: what it takes.
        observer: records every step as a run.
        send: called for each call when its first item is there.
        native: whether it runs on native threads where gevent has patched the process.
        memory: learns how large a batch may be.
    """

    def __init__(
        self,
        handler: Callable[..., Any],
        signature: Signature,
        observer: EngineObserver,
        send: Send,
        native: bool,
        memory: MemoryCeiling,
    ) -> None:
        super().__init__(handler, signature, True, observer, native, memory)
        self._send = send

    def _call(self, calls: Sequence[QueuedCall], arguments: dict[str, Any], scope: CallScope) -> BatchSteps:
        """Return the steps of a batch, of which the first has been made."""
        result = super()._call(calls, arguments, scope)
        if not is_stream(result):
            raise HandlerFailed(f"The handler has to yield lists; it returned a {type(result).__name__}")
        return BatchSteps(calls, result, self._leaves_hub)

    def _fail(self, calls: Sequence[QueuedCall], error: Exception) -> list[CallOutcome]:
        """Answer calls that have failed before the others of their batch have ended."""
        for call in calls:
            self._send(call, None, error)
        self._observer.settled()
        return []

    def _split(self, calls: Sequence[QueuedCall], result: BatchSteps) -> list[CallOutcome]:
        """Feed the streams of a batch until all have ended."""
        try:
            self._begin(result)
            while result.wait_for_room():
                native_threads.yield_to_others()
                self._step(result)
            return []
        except BaseException as error:
            result.end(error)
            raise
        finally:
            result.close()

    def _begin(self, steps: BatchSteps) -> None:
        """Have the calls send their first items; one that has none but an error is refused with it."""
        try:
            first = [Done()] * len(steps.calls) if steps.first is END else steps.listed(steps.first)
        except HandlerFailed as error:
            steps.end(error)
            self._fail(steps.calls, error)
            return
        steps.take(first)
        for call, stream, item in zip(steps.calls, steps.streams, first, strict=True):
            if isinstance(item, Exception):
                self._send(call, None, item)
            else:
                self._send(call, stream, None)
        self._observer.settled()

    def _step(self, steps: BatchSteps) -> None:
        calls = steps.active()
        self._observer.steps(calls, [])
        start = time.perf_counter()
        try:
            step = steps.advance()
        except Exception as error:
            if is_out_of_memory(error):
                shortage = Shortage(self._memory)
                shortage.add(len(steps.calls), error)
                shortage.conclude()
            steps.end(error)
            return
        finally:
            self._record_end(calls, time.perf_counter() - start)
        if step is END:
            steps.end(None)
            return
        try:
            steps.take(steps.listed(step))
        except HandlerFailed as error:
            steps.end(error)
