"""Rests of the garbage collector, while a large value is made and for a moment after.

A million new lists have it traverse them again and again, five times as long as it takes to make them, and no
other thread runs meanwhile. Most such values are gone when a quick handler has returned.
"""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from aylien_model_serving.process.native_threads import native_lock

#: Seconds that the collector rests once a value is made: longer than a quick handler uses it.
LINGER = 0.5

#: Seconds that it rests at most, however many values are made one after the other.
LONGEST = 5.0


class _Rest:
    """The rest of this process's collector, if it has one; all who make large values share it."""

    def __init__(self) -> None:
        self._lock = native_lock()
        self._makers = 0
        self._began: float | None = None
        self._made = 0.0

    def begin(self) -> None:
        """Count one who makes a value, and let the collector rest unless somebody has switched it off."""
        with self._lock:
            self._makers += 1
            begins = self._began is None and gc.isenabled()
            if begins:
                self._began = time.monotonic()
                gc.disable()
        if begins:
            self._end_later()

    def made(self) -> None:
        """Count one less."""
        with self._lock:
            self._makers -= 1
            self._made = time.monotonic()

    def _end_later(self) -> None:
        """Start the timer, by nobody who holds the lock: under gevent the start lets other greenlets run."""
        timer = threading.Timer(LINGER, self._end)
        timer.daemon = True
        timer.start()

    def _end(self) -> None:
        """End the rest, or look again later where values are still made, or one has just been."""
        with self._lock:
            if self._began is None:
                return
            now = time.monotonic()
            is_needed = bool(self._makers) or now < self._made + LINGER
            goes_on = is_needed and now < self._began + LONGEST
            if not goes_on:
                self._began = None
                gc.enable()
        if goes_on:
            self._end_later()


_rest = _Rest()


def _begin_in_child() -> None:
    """Begin anew behind a fork, which the timer does not survive."""
    global _rest
    if _rest._began is not None:
        gc.enable()
    _rest = _Rest()


os.register_at_fork(after_in_child=_begin_in_child)


@contextmanager
def resting() -> Iterator[None]:
    """Let the collector rest for the block, and for up to `LINGER` seconds after it."""
    rest = _rest
    rest.begin()
    try:
        yield
    finally:
        rest.made()
