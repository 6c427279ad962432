"""The connections of a blocking client, each used by one thread at a time.

By hand, because httpcore's pool may close a connection that it has assigned to the request of another thread,
which then waits for its response until it times out: https://github.com/encode/httpcore/issues/1110. Here a
connection is a client of httpx that holds one alone. A thread acquires it, and no other one closes it.
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
    """The connections of one process.

    There is no lock: a stream that is collected as garbage releases its connection from within whatever its
    thread does, this class's own methods included. What is shared is changed by calls that nothing splits.

    Args:
        connect: makes a connection.
        max_connections: how many there are at once.
        max_idle: how many are kept for the next call.
        idle_seconds: for which they are kept.
        now: returns seconds that only ever grow.
    """

    def __init__(
        self,
        connect: Callable[[], httpx.Client],
        max_connections: int,
        max_idle: int,
        idle_seconds: float,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connect = connect
        self._now = now
        self._slots: SimpleQueue[None] = SimpleQueue()
        for _ in range(max_connections):
            self._slots.put(None)
        self._max_idle = max_idle
        self._idle_seconds = idle_seconds
        self._idle: deque[tuple[httpx.Client, float]] = deque()
        self._is_closed = False

    def acquire(self, seconds: float) -> httpx.Client:
        """Return the connection that was used last, or a new one.

        Args:
            seconds: to wait until there may be one more.

        Raises:
            TimedOut: all of them are in use.
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
            return self._new()

    def _new(self) -> httpx.Client:
        """Return a new connection, whose slot has been taken."""
        try:
            return self._connect()
        except BaseException:
            self._slots.put(None)
            raise

    def release(self, connection: httpx.Client) -> None:
        """Take a connection back, and close those that have been idle for too long."""
        now = self._now()
        self._idle.append((connection, now))
        surplus = self._pop_surplus(0 if self._is_closed else self._max_idle, now - self._idle_seconds)
        self._slots.put(None)
        for idle in surplus:
            idle.close()

    def close(self) -> None:
        """Close all connections, those in use once they are released."""
        self._is_closed = True
        for idle in self._pop_surplus(0, 0.0):
            idle.close()

    def _pop_surplus(self, max_idle: int, since: float) -> list[httpx.Client]:
        """Take out and return the connections over a number, and those that are idle since before a time."""
        surplus = []
        try:
            while len(self._idle) > max_idle or self._idle[0][1] < since:
                surplus.append(self._idle.popleft()[0])
        except IndexError:
            pass  # none is left
        return surplus


class ProcessPools:
    """The connection pool of each process that uses a client: connections do not outlive a fork.

    Args:
        make: makes the pool of a process.
    """

    def __init__(self, make: Callable[[], ConnectionPool]) -> None:
        self._make = make
        self._pools: dict[int, ConnectionPool] = {}

    def current(self) -> ConnectionPool:
        """Return this process's; that of the process that it was forked from is left to that one."""
        pid = os.getpid()
        pool = self._pools.get(pid)
        if pool is None:
            pool = self._pools.setdefault(pid, self._make())
            for other in set(self._pools) - {pid}:
                self._pools.pop(other, None)
        return pool

    def close(self) -> None:
        """Close this process's connections; the next request opens new ones."""
        pool = self._pools.pop(os.getpid(), None)
        if pool is not None:
            pool.close()
