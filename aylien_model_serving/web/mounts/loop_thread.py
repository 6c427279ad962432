"""The event loop of ASGI applications in a process whose server has none.

It starts at its first use: a thread does not survive a fork. Where gevent has patched the process
its thread is a real one, with a hub of its own, and the thread of the requests' greenlets has no loop.
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
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol

from aylien_model_serving.process import native_threads

logger = logging.getLogger(__name__)

#: Seconds after which a greenlet looks again; the hub takes one that waits without end for a deadlock.
_WAKE_SECONDS = 60.0

#: Calls that applications may have beside their loop at a time, as many as asyncio's own pool at most.
_MAX_CALLS = 32


class ThreadQueue(Protocol):
    """What a loop's thread hands to a thread or greenlet that waits."""

    def put(self, item: Any, /) -> None:
        """Hand over; from any thread."""

    def get(self, *, timeout: float | None = None) -> Any:
        """Wait for the next item, `timeout` seconds at most.

        Raises:
            queue.Empty: none came.
        """


class _GreenletQueue:
    """A mailbox of a greenlet: who puts may be on a thread that the greenlet's hub knows nothing of."""

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
            rang = self._event.wait(_WAKE_SECONDS if timeout is None else timeout)
            self._event.clear()
            if timeout is not None and not rang and not self._items:
                raise queue.Empty
        return self._items.popleft()


def thread_queue() -> ThreadQueue:
    """Return a mailbox for the thread or greenlet that asks for it."""
    return _GreenletQueue() if native_threads.is_patched() else queue.SimpleQueue()


_lock = native_threads.ProcessLock()
_loops: dict[int, asyncio.AbstractEventLoop] = {}


def of_process() -> asyncio.AbstractEventLoop:
    """Return the loop of this process, which runs on a thread of its own."""
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


class _GreenletExecutor(ThreadPoolExecutor):
    """Runs an application's calls beside its loop; the end of the process does not wait for them.

    The threads of its base would be joined then, as greenlets of a hub that has no reason to go on.
    """

    def __init__(self) -> None:
        super().__init__()
        self._room = threading.Semaphore(_MAX_CALLS)

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        answer: Future[Any] = Future()

        def work() -> None:
            with self._room:
                if not answer.set_running_or_notify_cancel():
                    return
                try:
                    answer.set_result(function(*arguments, **named))
                except BaseException as error:
                    answer.set_exception(error)

        threading.Thread(target=work, name="model-serving-mounts-call", daemon=True).start()
        return answer


def _run_until_stopped(loop: asyncio.AbstractEventLoop) -> None:
    """Run a loop that several applications share: a task of one that asks for the exit ends alone."""
    while True:
        try:
            loop.run_forever()
        except (SystemExit, KeyboardInterrupt) as error:
            logger.error("A task of a mounted application ended with %r", error, exc_info=error)
        else:
            return


def _start_thread(run: Callable[[], None]) -> None:
    if native_threads.is_patched():
        from gevent import monkey

        monkey.get_original("_thread", "start_new_thread")(run, ())
    else:
        threading.Thread(target=run, name="model-serving-mounts", daemon=True).start()


def _separate_anyio_locals() -> None:
    """Give each of anyio's workers, greenlets here, values of its own.

    Where a master with --preload imported anyio, that was before gevent patched its workers, and what anyio
    keeps for each thread is one and the same for all greenlets of a thread.
    """
    from gevent.local import local

    separate = local()
    for name in ("_core._eventloop", "_backends._asyncio", "from_thread"):
        module = sys.modules.get(f"anyio.{name}")
        if module is not None and type(getattr(module, "threadlocals", None)).__module__ == "_thread":
            module.threadlocals = separate  # type: ignore[attr-defined]  # looked for right above


def wait_for(coroutine: Coroutine[Any, Any, Any], loop: asyncio.AbstractEventLoop, seconds: float) -> None:
    """Run a coroutine on a loop of another thread, and wait for its end.

    Raises:
        queue.Empty: it had not ended in so many seconds.
    """
    ended = thread_queue()
    asyncio.run_coroutine_threadsafe(coroutine, loop).add_done_callback(ended.put)
    ended.get(timeout=seconds).result()
