"""Threads of the operating system, and this process's event loop on a thread of its own.

In a process that gevent patched, a thread or a lock in this file is a greenlet's, and the hub goes on while a
caller waits; `call` alone leaves the hub's thread. Knows gevent if it is loaded, and nothing of requests.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
import resource
import sys
import threading
import time
from _thread import LockType
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

_T = TypeVar("_T")


def is_patched() -> bool:
    """Return whether gevent has replaced this process's threads by greenlets."""
    monkey = sys.modules.get("gevent.monkey")
    return monkey is not None and bool(monkey.is_module_patched("threading"))


def original(module: str, name: str) -> Any:
    """Return a function of the standard library as it was before gevent replaced it.

    Args:
        module: one that is imported.
        name: of the function.
    """
    monkey = sys.modules.get("gevent.monkey")
    return getattr(sys.modules[module], name) if monkey is None else monkey.get_original(module, name)


def native_lock() -> LockType:
    """Return a lock of the operating system's threads; gevent's takes three times as long.

    No code that holds it may switch to another greenlet.
    """
    made: LockType = original("_thread", "allocate_lock")()
    return made


def native_sleep(seconds: float) -> None:
    """Sleep without yielding to other greenlets."""
    original("time", "sleep")(seconds)


def start(function: Callable[[], object]) -> None:
    """Call a function on a thread of the operating system, which ends with the process.

    Args:
        function: it touches nothing that gevent may have replaced: locks, queues, sockets, logging.
    """
    original("_thread", "start_new_thread")(function, ())


def yield_to_others() -> None:
    """Yield to the other greenlets of a patched process; the system schedules threads itself."""
    if is_patched():
        from gevent import sleep

        sleep(0)


def waits() -> int:
    """Return how often the current thread has waited so far, for the network, a disk, a lock or a sleep.

    These are its voluntary context switches (getrusage(2)); a thread that loses its turn has not waited.
    """
    return resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw


def seconds_without_switch() -> float:
    """Return for how many seconds the current greenlet of a patched process has kept the hub from all others.

    The main greenlet keeps it from nobody: it makes the app.
    """
    from gevent import get_hub, getcurrent

    return 0.0 if getcurrent().parent is None else time.time() - get_hub().loop.now()


def call(function: Callable[..., _T], *arguments: Any) -> _T:
    """Call a function on a thread of gevent's pool, in the caller's context; for a patched process."""
    from gevent import get_hub

    future: Future[_T] = Future()
    get_hub().threadpool.apply(_run, (future, contextvars.copy_context(), function, *arguments))
    return future.result()


def _run(
    future: Future[_T], context: contextvars.Context, function: Callable[..., _T], *arguments: Any
) -> None:
    """Pass an exception to the caller: the pool would write it to standard error, too."""
    try:
        future.set_result(context.run(function, *arguments))
    except BaseException as error:
        future.set_exception(error)


def run_coroutine(
    coroutine: Coroutine[Any, Any, _T],
    cancelling: Callable[[Callable[[], object]], AbstractContextManager[None]] | None = None,
) -> _T:
    """Run a coroutine on this process's event loop, and wait for its result.

    Args:
        coroutine: what to run.
        cancelling: has a function called that cancels it, when that is due while a block runs.
    """
    future = asyncio.run_coroutine_threadsafe(_in_context(coroutine, contextvars.copy_context()), own_loop())
    with nullcontext() if cancelling is None else cancelling(future.cancel):
        return future.result()


async def _in_context(coroutine: Coroutine[Any, Any, _T], context: contextvars.Context) -> _T:
    """Run a coroutine with the context variables of the calling thread, such as the request's id."""
    for variable, value in context.items():
        variable.set(value)
    return await coroutine


class ProcessLock:
    """A lock of this process, made at its first use; to be used by `with`.

    One that is made before gevent patches a worker would hold up all of its greenlets.
    """

    def __init__(self) -> None:
        self._locks: dict[int, threading.Lock] = {}

    def __enter__(self) -> None:
        (self._locks.get(os.getpid()) or self._locks.setdefault(os.getpid(), threading.Lock())).acquire()

    def __exit__(self, *_: object) -> None:
        self._locks[os.getpid()].release()


def is_own_loop(loop: asyncio.AbstractEventLoop) -> bool:
    """Return whether a loop is this process's own, on which `run_coroutine` lets its caller wait."""
    return _loops.get(os.getpid()) is loop


_lock = ProcessLock()
_loops: dict[int, asyncio.AbstractEventLoop] = {}


def own_loop() -> asyncio.AbstractEventLoop:
    """Return this process's loop, started at its first use: a thread does not survive a fork."""
    process = os.getpid()
    if (known := _loops.get(process)) is not None:
        return known  # perhaps not yet begun; what is handed to it waits
    with _lock:
        loop = _loops.get(process)
        if loop is None:
            loop = _loops[process] = asyncio.new_event_loop()
            threading.Thread(target=loop.run_forever, name="model-serving-loop", daemon=True).start()
    return loop
