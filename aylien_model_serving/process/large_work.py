"""Work on large bodies and results, on a few threads of this process.

An event loop, or a thread that reads calls, hands it over, so that others do not wait for it.
"""

from __future__ import annotations

import contextvars
import logging
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from aylien_model_serving.process.native_threads import is_patched

_T = TypeVar("_T")

logger = logging.getLogger(__name__)

#: Bytes of a body, or of a result, above which work on it is handed over: below, that costs more than it.
LARGE = 256 * 1024

#: Threads, or greenlets, of a process that do such work: the interpreter runs one of them at a time, and one
#: may be slow.
THREADS = 2

_pools: dict[int, ThreadPoolExecutor] = {}
_turns: dict[int, threading.Semaphore] = {}
_lock = threading.Lock()


def submit(function: Callable[..., _T], *arguments: Any) -> Future[_T]:
    """Call a function on one of the threads, in the caller's context."""
    return _pool().submit(contextvars.copy_context().run, function, *arguments)


def hand_over(function: Callable[..., object], *arguments: Any) -> None:
    """Call a function on one of the threads; what it raises is logged."""
    submit(function, *arguments).add_done_callback(_log_failure)


def _log_failure(done: Future[object]) -> None:
    if not done.cancelled() and (error := done.exception()) is not None:
        logger.error("Work on a large body failed", exc_info=error)


def _pool() -> ThreadPoolExecutor:
    """Return this process's threads, made at their first use: they do not survive a fork."""
    process = os.getpid()
    with _lock:
        if process not in _pools:
            _pools[process] = ThreadPoolExecutor(THREADS, thread_name_prefix="model-serving-large")
        return _pools[process]


@contextmanager
def turn(seconds: float) -> Iterator[bool]:
    """Do the work in the block while at most one other greenlet does some, and say whether it is one's turn.

    Greenlets take turns within such work, and each holds what it has decoded so far. Threads of a server need
    no turn: they are few.

    Args:
        seconds: how long to wait for it.
    """
    if not is_patched():
        yield True
        return
    turns = _turns.setdefault(os.getpid(), threading.Semaphore(THREADS))
    has_turn = turns.acquire(timeout=seconds)
    try:
        yield has_turn
    finally:
        if has_turn:
            turns.release()


def is_large(value: object, levels: int = 4) -> bool:
    """Return whether writing a value down makes about `LARGE` bytes or more; a guess from its first items."""
    return size_of(value, levels) >= LARGE


def size_of(value: object, levels: int = 4) -> int:
    """Return how many bytes writing a value down makes, about; a guess from its first items."""
    if isinstance(value, (str, bytes, bytearray)):
        return len(value)
    if isinstance(size := getattr(value, "nbytes", None), int):  # of numpy, torch, a memoryview
        return size
    if not isinstance(value, (dict, list, tuple)) or not value or not levels:
        return _SCALAR
    items = list(value.values()) if isinstance(value, dict) else value
    if isinstance(value, dict) and len(items) <= _FIELDS:
        return sum(size_of(item, levels - 1) for item in items)
    return len(items) * max(size_of(items[0], levels - 1), size_of(items[-1], levels - 1))


#: Bytes that anything else is taken for.
_SCALAR = 8

#: Fields of an object that are looked at one by one.
_FIELDS = 64
