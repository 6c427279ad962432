"""The threads on which calls of models wait whose callers do not: shared by all models of a process."""

from __future__ import annotations

import contextvars
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

#: Calls of `submit` that wait at a time; further ones wait for their thread.
_THREADS = 64

_pool: tuple[int, ThreadPoolExecutor] | None = None


def submit(function: Callable[..., Any], *args: Any) -> Future[Any]:
    """Call a function on a thread, within the caller's context."""
    return _own_pool().submit(contextvars.copy_context().run, function, *args)


def _own_pool() -> ThreadPoolExecutor:
    """Return this process's threads; a fork has none of its parent's."""
    global _pool
    pool = _pool
    if pool is None or pool[0] != os.getpid():
        pool = _pool = os.getpid(), ThreadPoolExecutor(_THREADS, "model-serving-model")
    return pool[1]
