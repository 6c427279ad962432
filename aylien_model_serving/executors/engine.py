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

from aylien_model_serving.errors import DeadlineExceeded, HandlerFailed, Unavailable
from aylien_model_serving.executors.batch_policy import BatchOptions, BatchPolicy
from aylien_model_serving.executors.batches import CallOutcome, EngineObserver, HandlerInvoker
from aylien_model_serving.executors.latency import RunTime
from aylien_model_serving.executors.queue import CallQueue, QueuedCall
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
        max_queue: calls that may wait; None for no limit.
        observer: records what happens.
        native: whether the handler runs on native threads where gevent has patched the process.
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
    ) -> None:
        self._invoker = HandlerInvoker(handler, signature, batching is not None, observer, native)
        self._max_batch = batching.max_size if batching else 1
        self._policy = BatchPolicy(batching) if batching else None
        self._threads = threads
        self._max_queue = max_queue
        self._observer = observer
        self._queue = CallQueue()
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

    def running(self) -> int:
        """Return the number of calls whose run is under way."""
        return self._running

    def check_room(self) -> None:
        """Raise what `submit` would raise.

        Raises:
            Unavailable: as many calls wait as may, or the engine is closed.
        """
        with self._changed:
            self._refuse_overflow(time.monotonic())

    def submit(self, call: QueuedCall) -> None:
        """Queue a call for its run.

        Raises:
            Unavailable: as many calls wait as may, or the engine is closed.
        """
        now = time.monotonic()
        call.arrived = now
        with self._changed:
            self._refuse_overflow(now)
            self._queue.append(call)
            if self._policy is not None:
                self._policy.arrived(now, len(self._queue))
            if self._sleeps_until > now and self._due(now) < self._sleeps_until:
                self._sleeps_until = now
                self._changed.notify()

    def _refuse_overflow(self, now: float) -> None:
        if self._closed:
            raise Unavailable
        if self._max_queue is not None and len(self._queue) >= self._max_queue:
            self._queue.set_stale_aside(now)
            if len(self._queue) >= self._max_queue:
                raise Unavailable(f"{len(self._queue)} requests wait already, and no more may")

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
                batch = self._queue.take(self._max_batch, now, self._threads, self._run_time.expected())
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
        if self._policy is None or self._closed:
            return now
        return self._policy.due(now, len(self._queue), self._queue.first.arrived)

    def _run(self, batch: list[QueuedCall], stale: list[QueuedCall]) -> None:
        start = time.monotonic()
        outcomes = self._invoker.drop(stale)
        try:
            outcomes += self._invoker.run(batch)
        except BaseException as error:
            outcomes += [CallOutcome(call, None, _failed(error)) for call in batch]
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
                self._run_time.ran(now - start)
                if self._policy is not None:
                    self._policy.ran(size, now - start, now)

    def _finish(self, outcomes: Sequence[CallOutcome]) -> None:
        for call, result, error in outcomes:
            try:
                if error is None and call.is_late(time.monotonic()):
                    call.finish(None, DeadlineExceeded())
                else:
                    call.finish(result, error)
            except Exception:
                logger.exception("the outcome of request %s could not be delivered", call.request_id)
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


def _failed(error: BaseException) -> HandlerFailed:
    failed = HandlerFailed()
    failed.__cause__ = error
    return failed
