"""The connections of a blocking client, each in the hands of one thread at a time.

httpcore's pool takes a connection for dead whose answer comes while another thread looks at it, so threads
that share a pool lose answers. Here a lane, a client of httpx with one connection, is taken and given back.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable
from queue import Empty, SimpleQueue

import httpx

from aylien_model_serving.client.errors import TimedOut


class ConnectionPool:
    """The lanes of one process.

    There is no lock: a stream that is collected as garbage gives its lane back from within whatever its
    thread does, this class's own methods included. What is shared is changed by calls that nothing splits.

    Args:
        make: makes a lane.
        most: how many there are at once.
        kept: how many wait for the next call.
        seconds: for which they do.
        now: seconds that only ever grow.
    """

    def __init__(
        self,
        make: Callable[[], httpx.Client],
        most: int,
        kept: int,
        seconds: float,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._make = make
        self._now = now
        self._slots: SimpleQueue[None] = SimpleQueue()
        for _ in range(most):
            self._slots.put(None)
        self._kept = kept
        self._seconds = seconds
        self._idle: deque[tuple[httpx.Client, float]] = deque()
        self._is_closed = False

    def take(self, seconds: float) -> httpx.Client:
        """Return the lane that was used last, or one more.

        Args:
            seconds: to wait until there may be one more.

        Raises:
            TimedOut: all of them are taken.
        """
        try:
            self._slots.get(timeout=min(seconds, threading.TIMEOUT_MAX))
        except Empty:
            raise TimedOut(
                f"No connection became free within {seconds:.3g} s: raise max_connections"
            ) from None
        try:
            return self._idle.pop()[0]
        except IndexError:
            return self._made()

    def _made(self) -> httpx.Client:
        """Return one more, whose slot has been taken."""
        try:
            return self._make()
        except BaseException:
            self._slots.put(None)
            raise

    def give(self, lane: httpx.Client) -> None:
        """Take a lane back, and close those that have waited too long."""
        now = self._now()
        self._idle.append((lane, now))
        surplus = self._surplus(0 if self._is_closed else self._kept, now - self._seconds)
        self._slots.put(None)
        for old in surplus:
            old.close()

    def close(self) -> None:
        """Close all lanes, those that are taken once they are given back."""
        self._is_closed = True
        for old in self._surplus(0, 0.0):
            old.close()

    def _surplus(self, kept: int, since: float) -> list[httpx.Client]:
        """Take out and return the lanes over a number, and those that have waited since before a time."""
        found = []
        try:
            while len(self._idle) > kept or self._idle[0][1] < since:
                found.append(self._idle.popleft()[0])
        except IndexError:
            pass  # none is left
        return found


class ProcessPools:
    """The lanes of each process that uses a client: connections do not outlive a fork.

    Args:
        make: makes the lanes of a process.
    """

    def __init__(self, make: Callable[[], ConnectionPool]) -> None:
        self._make = make
        self._lanes: dict[int, ConnectionPool] = {}

    def lanes(self) -> ConnectionPool:
        """Return this process's; those of the process that it was forked from are left to that one."""
        pid = os.getpid()
        lanes = self._lanes.get(pid)
        if lanes is None:
            lanes = self._lanes.setdefault(pid, self._make())
            for other in set(self._lanes) - {pid}:
                self._lanes.pop(other, None)
        return lanes

    def close(self) -> None:
        """Close this process's connections; the next question opens new ones."""
        lanes = self._lanes.pop(os.getpid(), None)
        if lanes is not None:
            lanes.close()
