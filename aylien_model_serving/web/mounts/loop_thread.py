"""The event loop of mounted ASGI applications in a process whose server has none.

It starts at its first use: a thread does not survive a fork. Where gevent has patched the process
it runs on a native thread with a hub of its own, and the thread of the requests' greenlets has no loop.
"""

from __future__ import annotations

import asyncio
import logging
import os
import queue
import sys
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any, Protocol

from aylien_model_serving.process import native_threads

logger = logging.getLogger(__name__)

#: Seconds after which a waiting greenlet wakes; gevent's hub takes an endless wait for a deadlock.
_WAKE_SECONDS = 60.0

#: Blocking calls that applications may run at a time, as many as asyncio's own pool has threads at most.
_MAX_CALLS = 32


class ThreadQueue(Protocol):
    """A queue from the loop's thread to a waiting thread or greenlet."""

    def put(self, item: Any, /) -> None:
        """Add an item; from any thread."""

    def get(self, *, timeout: float | None = None) -> Any:
        """Wait for the next item, `timeout` seconds at most.

        Raises:
            queue.Empty: none came.
        """


class _GreenletQueue:
    """A queue for a greenlet, whose items may come from a thread outside of the greenlet's hub."""

    def __init__(self) -> None:
        from gevent import get_hub
        from gevent.event import Event

        self._items: deque[Any] = deque()
        self._event = Event()
        self._hub = get_hub().loop

    def put(self, item: Any, /) -> None:
        self._items.append(item)
        self._hub.run_callback_threadsafe(self._event.set)

    def get(self, *, timeout: float | None = None) -> Any:
        while not self._items:
            was_set = self._event.wait(_WAKE_SECONDS if timeout is None else timeout)
            self._event.clear()
            if timeout is not None and not was_set and not self._items:
                raise queue.Empty
        return self._items.popleft()


def thread_queue() -> ThreadQueue:
    """Return a queue for the current thread or greenlet."""
    return _GreenletQueue() if native_threads.is_patched() else queue.SimpleQueue()


_lock = native_threads.ProcessLock()
_loops: dict[int, asyncio.AbstractEventLoop] = {}


def of_process() -> asyncio.AbstractEventLoop:
    """Return this process's loop, which runs on a thread of its own."""
    loop = _loops.get(os.getpid())
    if loop is None:
        with _lock:
            loop = _loops.get(os.getpid())
            if loop is None:
                loop = _loops[os.getpid()] = _started()
    return loop


def _started() -> asyncio.AbstractEventLoop:
    ready = thread_queue()
    if native_threads.is_patched():
        _separate_anyio_locals()

    def run() -> None:
        loop = asyncio.new_event_loop()
        if native_threads.is_patched():
            loop.set_default_executor(_GreenletExecutor())
        loop.call_soon(ready.put, loop)
        _run_until_stopped(loop)

    _start_thread(run)
    loop: asyncio.AbstractEventLoop = ready.get()
    return loop


def executor() -> Executor | None:
    """Return what runs blocking calls beside the loop where gevent has patched the process; else None."""
    return _GreenletExecutor() if native_threads.is_patched() else None


class _GreenletExecutor(ThreadPoolExecutor):
    """Runs an application's blocking calls in greenlets; the process does not wait for them at its exit.

    `ThreadPoolExecutor` would join its threads then, which are greenlets of a hub that has stopped.
    """

    def __init__(self) -> None:
        super().__init__()
        self._slots = threading.Semaphore(_MAX_CALLS)

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        answer: Future[Any] = Future()

        def work() -> None:
            with self._slots:
                if not answer.set_running_or_notify_cancel():
                    return
                try:
                    answer.set_result(function(*arguments, **named))
                except BaseException as error:
                    answer.set_exception(error)

        threading.Thread(target=work, name="model-serving-mounts-call", daemon=True).start()
        return answer


def _run_until_stopped(loop: asyncio.AbstractEventLoop) -> None:
    """Run a loop that several applications share; `SystemExit` in a task of one ends that task alone."""
    while True:
        try:
            loop.run_forever()
        except (SystemExit, KeyboardInterrupt) as error:
            logger.error("A task of a mounted application ended with %r", error, exc_info=error)
        else:
            return


def _start_thread(run: Callable[[], None]) -> None:
    if native_threads.is_patched():
        native_threads.original("_thread", "start_new_thread")(run, ())
    else:
        threading.Thread(target=run, name="model-serving-mounts", daemon=True).start()


def _separate_anyio_locals() -> None:
    """Give each of anyio's workers, which are greenlets here, thread locals of its own.

    A master with --preload imports anyio before gevent patches its workers, so that anyio's thread locals are
    shared by all greenlets of a thread.
    """
    from gevent.local import local

    separate = local()
    for name in ("_core._eventloop", "_backends._asyncio", "from_thread"):
        module = sys.modules.get(f"anyio.{name}")
        if module is not None and type(getattr(module, "threadlocals", None)).__module__ == "_thread":
            module.threadlocals = separate  # type: ignore[attr-defined]  # checked right above


def wait_for(coroutine: Coroutine[Any, Any, Any], loop: asyncio.AbstractEventLoop, seconds: float) -> None:
    """Run a coroutine on a loop of another thread, and wait for its result.

    Raises:
        queue.Empty: it has not ended in so many seconds.
    """
    ended = thread_queue()
    asyncio.run_coroutine_threadsafe(coroutine, loop).add_done_callback(ended.put)
    ended.get(timeout=seconds).result()
