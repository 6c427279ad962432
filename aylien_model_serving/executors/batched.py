"""Batches calls in the process that got them, whether they come from threads, greenlets or event loops.

The outcomes of a batch reach an event loop by one wake-up.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from aylien_model_serving.background import pool
from aylien_model_serving.core import call_scope, callers, reads
from aylien_model_serving.core.messages import Call
from aylien_model_serving.errors import DeadlineExceeded
from aylien_model_serving.executors import Observer
from aylien_model_serving.executors.batch_policy import BatchOptions
from aylien_model_serving.executors.engine import Engine, QueuedCall
from aylien_model_serving.executors.generators import GeneratorItems
from aylien_model_serving.executors.queue import FinishCallback
from aylien_model_serving.executors.step_items import StepItems
from aylien_model_serving.executors.waiters import Waiters
from aylien_model_serving.handlers.signatures import Signature

Loop = asyncio.AbstractEventLoop
_Delivery = tuple["asyncio.Future[Any]", Any, "Exception | None", str]


class BatchedExecutor:
    """Runs a handler whose fields and results are lists, for as many calls at once as wait.

    Args:
        handler: the callable; a coroutine function is awaited.
        signature: what it takes.
        batching: the limits of a batch.
        threads: how many batches may run at once in this process.
        observer: records how the handler performs.
        max_queue: calls that may wait; None for no limit.
        native: whether the handler runs on native threads where gevent has patched the process.
        waiters: have places for callers that wait on a server's threads.
        streaming: whether the handler yields a list for each step.
    """

    def __init__(
        self,
        handler: Callable[..., Any],
        signature: Signature,
        batching: BatchOptions,
        threads: int,
        observer: Observer,
        max_queue: int | None = None,
        native: bool = False,
        waiters: Waiters | None = None,
        streaming: bool = False,
    ) -> None:
        self._handler = handler
        self._signature = signature
        self._batching = batching
        self._threads = threads
        self._observer = observer
        self._max_queue = max_queue
        self._native = native
        self._waiters = waiters or Waiters()
        self._streaming = streaming
        self._lock = threading.Lock()
        self._started: tuple[int, Engine, LoopNotifier] | None = None

    def ready(self) -> bool:
        return True

    def is_immediate(self) -> bool:
        return False

    def run(self, arguments: dict[str, Any], call: Call) -> Any:
        with self._waiters.enter_queue():
            return self._run(arguments, call)

    def _run(self, arguments: dict[str, Any], call: Call) -> Any:
        done = threading.Lock()
        done.acquire()
        outcome: list[tuple[Any, Exception | None]] = []

        def finish(result: Any, error: Exception | None) -> None:
            outcome.append((result, error))
            done.release()

        queued = _queued(arguments, call, finish)
        engine, _ = self._engine_of_process()
        engine.submit(queued)
        try:
            if not done.acquire(timeout=_left(call.deadline)):
                raise DeadlineExceeded
        except BaseException:
            queued.abandon()
            raise
        return _taken(queued, *outcome[0])

    async def run_async(self, arguments: dict[str, Any], call: Call, *, beside_loop: bool = False) -> Any:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        engine, notifier = self._engine_of_process()

        def finish(result: Any, error: Exception | None) -> None:
            notifier.put(loop, (future, result, error, call.request_id))

        queued = _queued(arguments, call, finish)
        engine.submit(queued)
        timer = loop.call_later(_left(call.deadline), _expire, future) if call.deadline is not None else None
        try:
            result, error = await future
        except BaseException:
            queued.abandon()
            raise
        finally:
            if timer is not None:
                timer.cancel()
        return _taken(queued, result, error)

    def _engine_of_process(self) -> tuple[Engine, LoopNotifier]:
        """Return this process's engine, started at its first use: threads do not survive a fork."""
        started = self._started
        if started is None or started[0] != os.getpid():
            with self._lock:
                started = self._started
                if started is None or started[0] != os.getpid():
                    started = self._started = self._start_engine()
        return started[1], started[2]

    def _start_engine(self) -> tuple[int, Engine, LoopNotifier]:
        notifier = LoopNotifier(self._observer)
        engine = Engine(
            self._handler,
            self._signature,
            batching=self._batching,
            threads=self._threads,
            max_queue=self._max_queue,
            observer=notifier,
            native=self._native,
            streaming=self._streaming,
        )
        engine.start()
        return os.getpid(), engine, notifier


class LoopNotifier:
    """Delivers outcomes to event loops, all of one batch by one wake-up.

    Args:
        observer: records every run.
    """

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._pending: deque[tuple[Loop, _Delivery]] = deque()

    def put(self, loop: Loop, delivery: _Delivery) -> None:
        self._pending.append((loop, delivery))

    def starts(self, calls: Sequence[QueuedCall]) -> None:
        """A run is recorded at its end."""

    def steps(self, calls: Sequence[QueuedCall], joined: Sequence[QueuedCall]) -> None:
        """A step is recorded at its end."""

    def ended(self, calls: Sequence[QueuedCall], seconds: float) -> None:
        self._observer.ran(seconds)

    def dropped(self, reason: str) -> None:
        """Calls that did not run are not recorded."""

    def settled(self) -> None:
        by_loop: dict[Loop, list[_Delivery]] = {}
        while self._pending:
            try:
                loop, delivery = self._pending.popleft()
            except IndexError:  # another thread took the rest meanwhile
                break
            by_loop.setdefault(loop, []).append(delivery)
        for loop, deliveries in by_loop.items():
            try:
                loop.call_soon_threadsafe(_deliver, deliveries)
            except RuntimeError:
                continue  # the loop is closed: nobody waits


def _queued(arguments: dict[str, Any], call: Call, finish: FinishCallback) -> QueuedCall:
    return QueuedCall(
        arguments,
        call.deadline,
        call.request_id,
        on_finish=finish,
        caller=callers.named(call.caller),
        read=reads.current.get(),
    )


def _taken(call: QueuedCall, result: Any, error: Exception | None) -> Any:
    """Return the result of a call, or raise its error; a stream that is closed abandons the call."""
    if error is not None:
        raise error
    if type(result) is not StepItems:
        return result
    with call_scope.within(call_scope.current.get()._replace(calls=(call,))):
        return GeneratorItems(result, result.close, in_native_thread=False)


def _deliver(deliveries: list[_Delivery]) -> None:
    for future, result, error, request_id in deliveries:
        if not future.done():
            future.set_result((result, error))
        elif future.cancelled():  # its client has disconnected
            pool.run_abandoned_tasks(result, request_id)


def _expire(future: asyncio.Future[Any]) -> None:
    if not future.done():
        future.set_exception(DeadlineExceeded())


def _left(deadline: float | None) -> float:
    """Return the seconds until a deadline, as a lock's `acquire` takes them: -1 for no limit."""
    if deadline is None:
        return -1
    return min(max(0.0, deadline - time.monotonic()), threading.TIMEOUT_MAX)
