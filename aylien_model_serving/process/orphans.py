"""The end of workers whose server was killed, where the server itself does not see to it.

granian and uvicorn start workers by multiprocessing, and end them themselves: killed, they leave workers that
serve on for ever. Gunicorn's have `servers.gunicorn.worker_watch`.
"""

from __future__ import annotations

import multiprocessing
import os
import select
import signal
import sys
from functools import partial

from aylien_model_serving.process import native_threads, owner

#: Servers whose workers are looked after; a program that starts processes of its own is asked for nothing.
_SERVERS = {"granian", "uvicorn"}

#: Seconds that answers in flight get.
_GRACE_SECONDS = 1.2

#: Seconds between two looks at the parent where the system has no pidfd.
_POLL_SECONDS = 0.2

_watched: set[int] = set()


def end_with_parent() -> None:
    """Have this process end with the server that started it as a worker; in any other, do nothing."""
    parent = multiprocessing.parent_process()
    pid = None if parent is None else parent.pid
    if pid is None or not _SERVERS & sys.modules.keys() or os.getpid() in _watched:
        return
    _watched.add(os.getpid())
    native_threads.start(partial(_wait_and_end, pid, owner.name_of(pid)))


def _wait_and_end(pid: int, name: str) -> None:
    _wait_for_end(pid, name)
    os.kill(os.getpid(), signal.SIGTERM)
    native_threads.native_sleep(_GRACE_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)


def _wait_for_end(pid: int, name: str) -> None:
    """Return once the process of this id and name has ended."""
    try:
        descriptor = owner.open_pidfd(pid)
    except ProcessLookupError:
        return
    if descriptor is not None:
        poll = native_threads.original("select", "poll")()
        poll.register(descriptor, select.POLLIN)
        poll.poll()
    while owner.is_alive(name):
        native_threads.native_sleep(_POLL_SECONDS)
