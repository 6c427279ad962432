"""The engine: a queue of calls, and threads that run the handler for them, in batches or one by one.

One thread at a time waits at the queue, so that a call that arrives wakes one thread or none; the
others wait for their turn.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from aylien_model_serving.errors import DeadlineExceeded, TooManyItems, Unavailable
from aylien_model_serving.executors.batch_policy import BatchOptions, BatchPolicy
from aylien_model_serving.executors.batch_streams import StreamInvoker
from aylien_model_serving.executors.batches import CallOutcome, EngineObserver, HandlerInvoker, failure_of
from aylien_model_serving.executors.grouping import Grouping
from aylien_model_serving.executors.latency import RunTime
from aylien_model_serving.executors.memory_ceiling import MemoryCeiling
from aylien_model_serving.executors.queue import CallQueue, QueuedCall
from aylien_model_serving.executors.senders import Senders, deliver
from aylien_model_serving.executors.splitting import CallRows, split, split_rows
from aylien_model_serving.handlers.signatures import Signature

__all__ = ["Engine", "EngineObserver", "QueuedCall"]

logger = logging.getLogger(__name__)


class Engine:
    """Runs one handler for all that submit calls.

    Args:
        handler: the callable; of a batched one every field is a list, and so is its result.
        signature: what it takes.
        batching: the limits of a batch; None for a handler that takes one call at a time.
        threads: how many runs may be under way at once.
        max_queue: calls that may wait, or items where calls are split; None for no limit.
        observer: records what happens.
        native: whether the handler runs on native threads where gevent has patched the process.
        on_exhausted: called when a GPU's memory has run out several times within a minute.
        streaming: whether a batched handler yields a list for each step.
        senders: on whose threads calls send their items; None where calls take them on threads of their own.
    """

    def __init__(
        self,
        handler: Callable[..., Any],
        signature: Signature,
        *,
        batching: BatchOptions | None,
        threads: int = 1,
        max_queue: int | None,
        observer: EngineObserver,
        native: bool = False,
        on_exhausted: Callable[[], None] | None = None,
        streaming: bool = False,
        senders: Senders | None = None,
    ) -> None:
        self._memory = MemoryCeiling(batching.max_size if batching else 1, on_exhausted)
        self._invoker = (
            StreamInvoker(
                handler, signature, observer, senders.send if senders else deliver, native, self._memory
            )
            if streaming
            else HandlerInvoker(handler, signature, batching is not None, observer, native, self._memory)
        )
        self._streaming = streaming
        self._policy = BatchPolicy(batching) if batching else None
        self._split = batching.split if batching else None
        self._grouping = Grouping(batching) if batching and (batching.group_by or batching.size_of) else None
        self._threads = threads
        self._max_queue = max_queue
        self._observer = observer
        self._queue = CallQueue(batching.max_total or math.inf if batching else math.inf)
        self._run_time = RunTime()
        self._running = 0
        self._sleeps_until = -math.inf  # of the thread at the queue, while it sleeps
        self._closed = False
        self._turn = threading.Lock()
        lock = threading.Lock()
        self._changed = threading.Condition(lock)
        self._emptied = threading.Condition(lock)

    def waiting(self) -> int:
        """Return the number of calls that wait for a run."""
        return len(self._queue)

    def max_batch(self) -> int:
        """Return how many calls a batch may have, as far as memory is known to have room for them."""
        return self._memory.size

    def running(self) -> int:
        """Return the number of calls whose run is under way."""
        return self._running

    def check_room(self) -> None:
        """Refuse a call before it is read.

        Raises:
            Unavailable: as many calls wait as may, or the engine is closed.
        """
        with self._changed:
            self._refuse_overflow(time.monotonic())

    def submit(self, call: QueuedCall) -> None:
        """Queue a call for its run.

        Raises:
            Unavailable: as many calls wait as may, or the engine is closed.
            BadRequest: a function that groups or measures calls refuses this one.
            HandlerFailed: such a function has failed.
            TooManyItems: the call has more items than may ever wait.
        """
        if self._split is None and type(call.arguments) is not CallRows:
            self._enqueue([call])
            return
        items = self._items(call)
        if self._max_queue is not None and len(items) > self._max_queue:
            raise TooManyItems(
                f"{self._split or 'calls'}: there are {len(items)} items, and up to {self._max_queue} may be"
            )
        if items:
            self._enqueue(items)
        else:
            self._finish([CallOutcome(call, [])])

    def _items(self, call: QueuedCall) -> list[QueuedCall]:
        if isinstance(call.arguments, CallRows):
            return split_rows(call, call.arguments.rows)
        return split(call, self._split or "")

    def _enqueue(self, calls: Sequence[QueuedCall]) -> None:
        if self._grouping is not None:
            for call in calls:
                self._grouping.apply(call)
        now = time.monotonic()
        with self._changed:
            self._refuse_overflow(now, len(calls))
            for call in calls:
                call.arrived = now
                self._queue.append(call)
                if self._policy is not None:
                    self._policy.arrived(now, len(self._queue))
            if self._sleeps_until > now and self._due(now) < self._sleeps_until:
                self._sleeps_until = now
                self._changed.notify()

    def _refuse_overflow(self, now: float, further: int = 1) -> None:
        if self._closed:
            raise Unavailable
        if self._max_queue is not None:
            self._queue.refuse_overflow(self._max_queue, now, further)

    def start(self) -> None:
        """Start the engine's threads."""
        for _ in range(self._threads):
            threading.Thread(target=self.work, name="model-serving-engine", daemon=True).start()

    def work(self) -> None:
        """Take calls and run the handler for them, until the engine is closed and empty."""
        while True:
            with self._turn:
                taken = self._take()
            if taken is None:
                return
            self._run(*taken)

    def _take(self) -> tuple[list[QueuedCall], list[QueuedCall]] | None:
        """Wait until a batch is due; return it and the stale calls, or None at the end."""
        with self._changed:
            while True:
                now = time.monotonic()
                if not self._queue and self._queue.has_stale():
                    return [], self._queue.take_stale()
                if not self._queue:
                    if self._closed:
                        return None
                    self._sleep(math.inf)
                    continue
                due = self._due(now)
                if due > now:
                    self._sleep(due)
                    continue
                batch = self._queue.take(self._memory.size, now, self._threads, self._run_time.expected())
                if self._queue.has_stale():
                    self._run_time.doubt()
                if not batch:
                    continue
                self._running += len(batch)
                return batch, self._queue.take_stale()

    def _sleep(self, until: float) -> None:
        """Wait for a time, or for a call that makes a batch due before it."""
        self._sleeps_until = until
        self._changed.wait(None if until == math.inf else until - time.monotonic())
        self._sleeps_until = -math.inf

    def _due(self, now: float) -> float:
        if self._policy is None or self._closed or self._is_batch_full():
            return now
        return self._policy.due(now, len(self._queue), self._queue.first.arrived)

    def _is_batch_full(self) -> bool:
        return len(self._queue) >= self._memory.size or self._queue.reaches_total()

    def _run(self, batch: list[QueuedCall], stale: list[QueuedCall]) -> None:
        start = time.monotonic()
        outcomes = self._invoker.drop(stale)
        try:
            outcomes += self._invoker.run(batch)
        except BaseException as error:
            outcomes += [CallOutcome(call, None, failure_of(error)) for call in batch]
            raise
        finally:
            self._update_policy(len(batch), start)
            self._finish(outcomes)
            self._release(len(batch))

    def _update_policy(self, size: int, start: float) -> None:
        """Report the batch to the policy before its callers are answered and can call again."""
        now = time.monotonic()
        if size:
            with self._changed:
                if not self._streaming:  # a call is in time that begins in time
                    self._run_time.ran(now - start)
                if self._policy is not None:
                    self._policy.ran(size, now - start, now)

    def _finish(self, outcomes: Sequence[CallOutcome]) -> None:
        for call, result, error in outcomes:
            if error is None and call.is_late(time.monotonic()):
                deliver(call, None, DeadlineExceeded())
            else:
                deliver(call, result, error)
        try:
            self._observer.settled()
        except Exception:
            logger.exception("outcomes could not be delivered")

    def _release(self, size: int) -> None:
        with self._changed:
            self._running -= size
            if self._closed and not self._running:
                self._emptied.notify_all()

    def close(self, timeout: float | None) -> bool:
        """Take no more calls, let those that wait run, and return whether all has been done.

        Args:
            timeout: seconds to wait for that; None for as long as it takes.
        """
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            return self._emptied.wait_for(self._is_empty, timeout)

    def _is_empty(self) -> bool:
        return not (self._queue or self._queue.has_stale() or self._running)
