"""The slots of a handler: how many of its calls may run at once, and which of those that wait goes next.

Serves threads, greenlets and event loops alike; a call that finds a free slot costs two steps of a list.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable

from aylien_model_serving.errors import DeadlineExceeded, Unavailable
from aylien_model_serving.executors.latency import RunTime
from aylien_model_serving.executors.overload import takes_newest_first
from aylien_model_serving.executors.waiters import Waiters
from aylien_model_serving.process.native_threads import native_lock


class _Waiter:
    """One call that waits for a slot.

    Args:
        last_start: `time.monotonic()` seconds after which its run could not end in time; None for never.
        wake: called once it has a slot, or may look for one again, by whoever gives one back.
        may_retry: whether it looks again when it is woken without a slot.
    """

    __slots__ = ("has_slot", "last_start", "may_retry", "wake")

    def __init__(self, last_start: float | None, wake: Callable[[], object], may_retry: bool) -> None:
        self.last_start = last_start
        self.wake = wake
        self.may_retry = may_retry
        self.has_slot = False


class Slots:
    """The slots of one handler in this process.

    Args:
        count: calls that may run at once.
        max_queue: calls that may wait.
        run_time: how long a run is expected to take.
        waiters: have places for those that wait on a server's threads.
    """

    def __init__(self, count: int, max_queue: int, run_time: RunTime, waiters: Waiters) -> None:
        self._count = count
        self._max_queue = max_queue
        self._run_time = run_time
        self._callers = waiters
        self._free = [None] * count
        self._waiters: deque[_Waiter] = deque()
        self._lock = native_lock()

    def has_free(self) -> bool:
        """Return whether a call would get a slot at once."""
        return bool(self._free)

    def take(self, deadline: float | None) -> None:
        """Take a slot, or block until there is one.

        Args:
            deadline: `time.monotonic()` seconds after which nobody waits for the call's result.

        Raises:
            Unavailable: as many calls wait as may, of this handler or on this server's threads.
            DeadlineExceeded: the call could no longer be in time.
        """
        try:
            self._free.pop()
        except IndexError:
            with self._callers.enter_queue():
                self._wait(deadline)

    def _wait(self, deadline: float | None) -> None:
        turn = threading.Lock()
        turn.acquire()
        waiter = self._enqueue(deadline, turn.release)
        try:
            timeout = -1.0 if waiter.last_start is None else _left(waiter.last_start)
            has_slot = turn.acquire(timeout=min(timeout, threading.TIMEOUT_MAX))
        except BaseException:  # a greenlet that is killed
            self._leave(waiter)
            raise
        if not has_slot and not self._give_up(waiter):
            raise DeadlineExceeded

    async def take_async(self, deadline: float | None) -> None:
        """Do the same as `take` for a caller on an event loop, who may be cancelled meanwhile."""
        while True:
            try:
                self._free.pop()
                return
            except IndexError:
                if await self._wait_async(deadline):
                    return

    async def _wait_async(self, deadline: float | None) -> bool:
        """Wait, and return whether the call has a slot; if not, it looks for one again."""
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[None] = loop.create_future()
        waiter = self._enqueue(deadline, lambda: loop.call_soon_threadsafe(_resolve, turn), True)
        timeout = None if waiter.last_start is None else _left(waiter.last_start)
        try:
            await asyncio.wait({turn}, timeout=timeout)
        except BaseException:
            self._leave(waiter)
            raise
        if not turn.done() and not self._give_up(waiter):
            raise DeadlineExceeded
        return waiter.has_slot

    def give_back_to_all(self) -> None:
        """Give a slot back on an event loop to all calls that wait there, for a handler that is over at once.

        Handed on from one to the next, it would never be free for a call that comes: the queue would stay.
        """
        self._free.append(None)
        if not self._waiters:
            return
        with self._lock:
            woken = [waiter for waiter in self._waiters if waiter.may_retry]
            self._waiters = deque(waiter for waiter in self._waiters if not waiter.may_retry)
        for waiter in woken:
            waiter.wake()
        self._grant()

    def give_back(self) -> None:
        """Give a slot back, to the call that goes next."""
        self._free.append(None)
        if self._waiters:
            self._grant()

    def _enqueue(
        self, deadline: float | None, wake: Callable[[], object], may_retry: bool = False
    ) -> _Waiter:
        last_start = None if deadline is None else deadline - self._run_time.expected()
        waiter = _Waiter(last_start, wake, may_retry)
        with self._lock:
            if len(self._waiters) >= self._max_queue:
                raise Unavailable(f"{len(self._waiters)} requests wait already, and no more may")
            self._waiters.append(waiter)
        self._grant()  # a slot may have become free meanwhile
        return waiter

    def _grant(self) -> None:
        """Give free slots to calls that wait."""
        granted = []
        with self._lock:
            while self._waiters and self._free:
                try:
                    self._free.pop()
                except IndexError:  # another call was quicker
                    break
                waiter = self._next()
                waiter.has_slot = True
                granted.append(waiter)
        for waiter in granted:
            waiter.wake()

    def _next(self) -> _Waiter:
        last_start = self._waiters[-1].last_start
        patience = None if last_start is None else last_start - time.monotonic()
        if takes_newest_first(len(self._waiters), self._count, self._run_time.expected(), patience):
            return self._waiters.pop()
        return self._waiters.popleft()

    def _give_up(self, waiter: _Waiter) -> bool:
        """Stop waiting, and return whether the call has got a slot after all."""
        with self._lock:
            if not waiter.has_slot and waiter in self._waiters:
                self._waiters.remove(waiter)
                self._run_time.doubt()
        return waiter.has_slot

    def _leave(self, waiter: _Waiter) -> None:
        """Stop waiting for a call that is cancelled; a slot that it has got is another's."""
        with self._lock:
            if not waiter.has_slot:
                if waiter in self._waiters:
                    self._waiters.remove(waiter)
                return
        self.give_back()


def _left(until: float) -> float:
    return max(0.0, until - time.monotonic())


def _resolve(turn: asyncio.Future[None]) -> None:
    if not turn.done():
        turn.set_result(None)
