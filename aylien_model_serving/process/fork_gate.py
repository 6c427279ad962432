"""A gate that a fork closes: no other thread is behind it at that moment.

A library in C has locks of its own. A child that is forked while another thread holds one waits for it for
ever, since that thread is not in the child.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from aylien_model_serving.process.native_threads import native_lock, native_sleep

#: Seconds between two looks at who is still inside.
_PAUSE = 0.0005


class ForkGate:
    """Counts who is inside, and lets nobody in while a thread forks.

    Nobody who is inside may switch to another greenlet.
    """

    def __init__(self) -> None:
        self._lock = native_lock()
        self._inside: dict[object, int] = {}

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Be inside; wait at the gate while a thread forks."""
        visit, inside = object(), self._inside
        with self._lock:
            inside[visit] = threading.get_ident()
        try:
            yield
        finally:
            del inside[visit]

    def close(self, timeout: float) -> None:
        """Let nobody in, and wait until no other thread is inside, for so many seconds at most."""
        self._lock.acquire()
        until, own = time.monotonic() + timeout, threading.get_ident()
        while any(thread != own for thread in list(self._inside.values())) and time.monotonic() < until:
            native_sleep(_PAUSE)

    def open(self) -> None:
        """Let those in who wait; for the parent, after the fork."""
        self._lock.release()

    def begin_in_child(self) -> None:
        """Begin anew after a fork: whoever else was inside is not in the child."""
        self._lock, self._inside = native_lock(), {}
