"""Runs a handler in the process that got the request.

No more than `threads` calls run at once, so that a handler needs no locks of its own. On an event loop, a
handler that has been measured as slow runs on a thread. Under gevent it runs in its request's greenlet, as
everything does there, unless its route asks for native threads.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property, partial
from typing import Any

from aylien_model_serving.background import pool
from aylien_model_serving.core.messages import Call
from aylien_model_serving.errors import DeadlineExceeded
from aylien_model_serving.executors import Observer
from aylien_model_serving.executors.generators import STREAMS, GeneratorItems
from aylien_model_serving.executors.hub_watch import HOLD_SECONDS, HubWatch
from aylien_model_serving.executors.latency import LatencyTracker
from aylien_model_serving.handlers import exits
from aylien_model_serving.handlers.signatures import Signature
from aylien_model_serving.process import native_threads

#: Threads on which the calls of a handler without a limit run when their caller is an event loop.
_DEFAULT_THREADS = 8


class InlineExecutor:
    """Calls a handler on its caller's thread, or on another one where the caller must not block.

    Args:
        handler: the callable; a coroutine function is awaited.
        signature: what it takes.
        threads: how many calls may run at once in this process; None for no limit.
        observer: records how the handler performs.
        native: whether it runs on native threads where gevent has patched the process.
    """

    def __init__(
        self,
        handler: Callable[..., Any],
        signature: Signature,
        threads: int | None,
        observer: Observer,
        native: bool = False,
    ) -> None:
        self._handler = handler
        self._signature = signature
        self._threads = threads
        self._slots = _slots(threads)
        self._observer = observer
        self._latency = LatencyTracker()
        self._running: set[Future[Any]] = set()
        self._streams: set[object] = set()
        self._native = native
        self._hub_watch = HubWatch(handler)
        self._is_async = inspect.iscoroutinefunction(handler)

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        """The handler's threads, made at their first use: they do not survive a fork."""
        return ThreadPoolExecutor(
            self._threads or _DEFAULT_THREADS, thread_name_prefix="model-serving-handler"
        )

    @cached_property
    def _leaves_hub(self) -> bool:
        return self._native and native_threads.is_patched()

    def ready(self) -> bool:
        return True

    def is_immediate(self) -> bool:
        return self._latency.quick and not self._running and not self._streams

    def run(self, arguments: dict[str, Any], call: Call) -> Any:
        deadline = call.deadline
        if self._is_async:
            return native_threads.run_coroutine(self._await(arguments, deadline))
        if self._slots is None:
            result = self._call(arguments, deadline)
            return self._stream(result, _nothing) if type(result) in STREAMS else result
        if not (self._slots.acquire(blocking=False) or self._slots.acquire(timeout=_slot_timeout(deadline))):
            raise DeadlineExceeded
        release = self._slots.release
        try:
            if self._leaves_hub:
                result = native_threads.call(self._call, arguments, deadline)
            else:
                result = self._call(arguments, deadline)
        except BaseException:
            release()
            raise
        if type(result) in STREAMS:
            return self._stream(result, release)
        release()
        return result

    def _stream(self, generator: Any, release: Callable[[], None]) -> GeneratorItems:
        """Return the items of a generator, whose slot is taken until they end: no loop may wait for it."""
        stream = object()
        self._streams.add(stream)

        def end() -> None:
            self._streams.discard(stream)
            release()

        return GeneratorItems(generator, end, self._leaves_hub)

    async def run_async(self, arguments: dict[str, Any], call: Call) -> Any:
        if self._is_async:
            return await self._await(arguments, call.deadline)
        future = self._pool.submit(contextvars.copy_context().run, self.run, arguments, call)
        self._running.add(future)
        future.add_done_callback(self._running.discard)
        try:
            return await self._within(asyncio.wrap_future(future), call.deadline)
        except asyncio.CancelledError:
            future.add_done_callback(partial(_run_tasks_of_abandoned, call.request_id))
            raise

    async def _within(self, awaitable: Awaitable[Any], deadline: float | None) -> Any:
        """Await a result until the deadline; what has not begun by then is cancelled."""
        try:
            return await asyncio.wait_for(awaitable, None if deadline is None else _seconds_left(deadline))
        except asyncio.TimeoutError:
            if deadline is None or time.monotonic() < deadline:
                raise  # the handler's own
            raise DeadlineExceeded from None

    async def _await(self, arguments: dict[str, Any], deadline: float | None) -> Any:
        start = time.perf_counter()
        try:
            return await self._within(exits.awaited(self._signature.call(self._handler, arguments)), deadline)
        finally:
            self._observer.ran(time.perf_counter() - start)

    def _call(self, arguments: dict[str, Any], deadline: float | None) -> Any:
        if deadline is not None and time.monotonic() > deadline:
            raise DeadlineExceeded
        start = time.perf_counter()
        try:
            result = self._signature.call(self._handler, arguments)
        except Exception:
            raise
        except BaseException as error:
            exits.reraise(error)
        finally:
            seconds = time.perf_counter() - start
            self._observer.ran(seconds)
            if seconds > HOLD_SECONDS and not self._leaves_hub:
                self._hub_watch.check(seconds)
            if self._latency.record(seconds):
                self._observer.speed_changed(self._latency.quick)
        if deadline is not None and time.monotonic() > deadline:
            raise DeadlineExceeded
        return result


def _run_tasks_of_abandoned(request_id: str, future: Future[Any]) -> None:
    """Run the background tasks of a call whose client disconnected while its handler ran."""
    if not future.cancelled() and future.exception() is None:
        pool.run_abandoned_tasks(future.result(), request_id)


def _nothing() -> None:
    """A handler without a limit has no slot to give back."""


def _slots(threads: int | None) -> threading.Lock | threading.Semaphore | None:
    """Return the lock or semaphore that a call holds while it runs; a lock takes a third of the time."""
    if threads is None:
        return None
    return threading.Lock() if threads == 1 else threading.BoundedSemaphore(threads)


def _seconds_left(deadline: float) -> float:
    return max(0.0, deadline - time.monotonic())


def _slot_timeout(deadline: float | None) -> float:
    """Return how many seconds to wait for a slot; locks have a limit of their own."""
    return threading.TIMEOUT_MAX if deadline is None else _seconds_left(deadline)
