"""Runs a handler in the process that got the request.

No more than `threads` calls run at once, so that a handler needs no locks of its own. On an event loop, a
handler that has been measured as slow runs on a thread. Under gevent it runs in its request's greenlet, as
everything does there, unless its route asks for native threads.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property, partial
from typing import Any

from aylien_model_serving.background import pool
from aylien_model_serving.core import abandoned_runs, call_scope
from aylien_model_serving.core.call_scope import CallScope
from aylien_model_serving.core.cancellation import Cancellable
from aylien_model_serving.core.messages import Call
from aylien_model_serving.errors import DeadlineExceeded
from aylien_model_serving.executors import Observer
from aylien_model_serving.executors.generators import DATA, GeneratorItems, is_stream
from aylien_model_serving.executors.hub_watch import HOLD_SECONDS, HubWatch
from aylien_model_serving.executors.latency import LatencyTracker
from aylien_model_serving.executors.slots import Slots
from aylien_model_serving.executors.waiters import Waiters
from aylien_model_serving.handlers import exits
from aylien_model_serving.handlers.signatures import Signature
from aylien_model_serving.process import native_threads

#: Calls that may wait in one process where a route does not say how many.
MAX_QUEUE = 64

#: Calls of a quick handler of which one is looked at, to see whether it still waits for nothing.
LOOK_EVERY = 64

#: Threads on which the calls of a handler without a limit run when their caller is an event loop.
_DEFAULT_THREADS = 8


class InlineExecutor:
    """Calls a handler on its caller's thread, or on another one where the caller must not block.

    Args:
        handler: the callable; a coroutine function is awaited.
        signature: what it takes.
        threads: how many calls may run at once in this process; None for no limit.
        observer: records how the handler performs.
        max_queue: calls that may wait until others have run.
        waiters: have places for those that wait on a server's threads.
        native: whether it runs on native threads where gevent has patched the process.
    """

    def __init__(
        self,
        handler: Callable[..., Any],
        signature: Signature,
        threads: int | None,
        observer: Observer,
        *,
        max_queue: int = MAX_QUEUE,
        waiters: Waiters | None = None,
        native: bool = False,
    ) -> None:
        self._handler = handler
        self._signature = signature
        self._threads = threads
        self._latency = LatencyTracker()
        self._slots = None
        if threads is not None:
            self._slots = Slots(threads, max_queue, self._latency, waiters or Waiters())
        self._observer = observer
        self._native = native
        self._hub_watch = HubWatch(handler)
        self._turn = 0
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
        return self._latency.quick and (self._slots is None or self._slots.has_free())

    def run(self, arguments: dict[str, Any], call: Call) -> Any:
        deadline = call.deadline
        if self._is_async:
            return native_threads.run_coroutine(self._await(arguments, deadline))
        if self._slots is None:
            result = self._call(arguments, deadline, self._handler)
            if type(result) in DATA or not is_stream(result):
                return result
            return GeneratorItems(result, _nothing, self._leaves_hub)
        self._slots.take(deadline)
        handler = self._next_handler() if self._latency.quick else self._handler
        return self._run_in_slot(self._slots.give_back, arguments, deadline, handler)

    def _next_handler(self) -> Callable[..., Any]:
        """Return a quick handler for its next call, one in `LOOK_EVERY` of which is looked at."""
        self._turn = (self._turn + 1) % LOOK_EVERY
        return self._handler if self._turn else self._watched

    def _run_in_slot(
        self,
        give_back: Callable[[], None],
        arguments: dict[str, Any],
        deadline: float | None,
        handler: Callable[..., Any],
    ) -> Any:
        """Call the handler, and give its slot back when it is done: for a generator, after its last item."""
        try:
            if self._leaves_hub:
                result = native_threads.call(self._call, arguments, deadline, handler)
            else:
                result = self._call(arguments, deadline, handler)
        except BaseException:
            give_back()
            raise
        if type(result) in DATA or not is_stream(result):
            give_back()
            return result
        return GeneratorItems(result, give_back, self._leaves_hub)

    async def run_async(self, arguments: dict[str, Any], call: Call, *, beside_loop: bool = False) -> Any:
        waited_for = Cancellable()
        scope = call_scope.current.get()
        token = call_scope.current.set(CallScope(scope.deadline, scope.models, (waited_for,)))
        try:
            return await self._run_async(arguments, call, beside_loop)
        except (asyncio.CancelledError, DeadlineExceeded):
            waited_for.abandon()
            raise
        finally:
            call_scope.current.reset(token)

    async def _run_async(self, arguments: dict[str, Any], call: Call, beside_loop: bool) -> Any:
        if self._is_async:
            return await self._await(arguments, call.deadline)
        give_back = _nothing
        if self._slots is not None:
            had_to_wait = not self._slots.has_free()
            await self._slots.take_async(call.deadline)
            give_back = self._slots.give_back
            if had_to_wait and self._latency.quick and not beside_loop:
                give_back = self._slots.give_back_to_all
                return self._run_in_slot(give_back, arguments, call.deadline, self._next_handler())
        future = self._submit(give_back, arguments, call.deadline)
        try:
            return await _within(asyncio.wrap_future(future), call.deadline)
        except asyncio.CancelledError:
            future.add_done_callback(partial(_run_tasks_of_abandoned, call.request_id))
            future.add_done_callback(self._close_abandoned)
            raise
        except DeadlineExceeded:
            future.add_done_callback(self._close_abandoned)
            raise
        finally:
            if not future.done():
                abandoned_runs.note(future)

    def _close_abandoned(self, future: Future[Any]) -> None:
        """Close a stream that nobody will read: it has a slot of the handler's."""
        if not future.cancelled() and future.exception() is None:
            result = future.result()
            if isinstance(result, GeneratorItems):
                self._pool.submit(result.close)

    def _submit(
        self, give_back: Callable[[], None], arguments: dict[str, Any], deadline: float | None
    ) -> Future[Any]:
        """Have a thread run the handler in its slot; a call that is cancelled gives it back."""
        run = contextvars.copy_context().run
        future = self._pool.submit(run, self._run_in_slot, give_back, arguments, deadline, self._watched)
        future.add_done_callback(lambda done: give_back() if done.cancelled() else None)
        return future

    def _watched(self, /, *positional: Any, **named: Any) -> Any:
        """Call the handler, and see whether its thread waits for anything meanwhile."""
        before = native_threads.waits()
        try:
            return self._handler(*positional, **named)
        finally:
            if self._latency.saw(native_threads.waits() > before):
                self._observer.speed_changed(self._latency.quick)

    async def _await(self, arguments: dict[str, Any], deadline: float | None) -> Any:
        if deadline is not None and time.monotonic() > deadline:
            raise DeadlineExceeded  # a coroutine that is made now would never be awaited
        start = time.perf_counter()
        try:
            result = await _within(exits.awaited(self._signature.call(self._handler, arguments)), deadline)
        finally:
            self._observer.ran(time.perf_counter() - start)
        if type(result) in DATA or not is_stream(result):
            return result
        return GeneratorItems(result, _nothing, in_native_thread=False)

    def _call(self, arguments: dict[str, Any], deadline: float | None, handler: Callable[..., Any]) -> Any:
        if deadline is not None and time.monotonic() > deadline:
            raise DeadlineExceeded
        start = time.perf_counter()
        try:
            result = self._signature.call(handler, arguments)
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
                self._observer.speed_changed(False)
        if deadline is not None and time.monotonic() > deadline:
            raise DeadlineExceeded
        return result


async def _within(awaitable: Awaitable[Any], deadline: float | None) -> Any:
    """Await a result until the deadline; what has not ended by then is cancelled.

    Unlike `asyncio.wait_for`, it never takes the handler's own TimeoutError for the deadline's, or the other
    way round, and it does not wait for a coroutine that resists its cancellation.
    """
    if deadline is None:
        return await awaitable
    work = asyncio.ensure_future(awaitable)
    try:
        await asyncio.wait({work}, timeout=_seconds_left(deadline))
    finally:
        is_late = not work.done()
        if is_late:
            work.cancel()
            work.add_done_callback(_retrieve)
    if is_late:
        raise DeadlineExceeded
    return work.result()


def _retrieve(abandoned: asyncio.Future[Any]) -> None:
    """Take the exception of a call that nobody waits for: asyncio would log it as never retrieved."""
    if not abandoned.cancelled():
        abandoned.exception()


def _run_tasks_of_abandoned(request_id: str, future: Future[Any]) -> None:
    """Run the background tasks of a call whose client disconnected while its handler ran."""
    if not future.cancelled() and future.exception() is None:
        pool.run_abandoned_tasks(future.result(), request_id)


def _nothing() -> None:
    """A handler without a limit has no slot to give back."""


def _seconds_left(deadline: float) -> float:
    return max(0.0, deadline - time.monotonic())
