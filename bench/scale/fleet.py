"""Pods behind a balancer, their queues, and what they cost.

A queue is first in, first out, and a call's time is known when it comes: so is its end, which is no event.
"""

import random
from array import array
from collections import deque
from heapq import heappop, heappush, heapreplace


class Pod:
    """One pod: slots that run a call each, and a queue before them.

    Args:
        created: when it was asked for, from where on it costs.
        ready: when it takes calls.
        slots: calls that it runs at a time.
    """

    __slots__ = ("_ends", "_free", "created", "ready", "slots")

    def __init__(self, created: float, ready: float, slots: int) -> None:
        self.created = created
        self.ready = ready
        self.slots = slots
        self._free = [ready] * slots
        self._ends: list[float] = []

    def calls(self, now: float) -> int:
        """Return the calls that run or wait."""
        ends = self._ends
        while ends and ends[0] <= now:
            heappop(ends)
        return len(ends)

    def take(self, now: float, seconds: float) -> float:
        """Take a call, and return the seconds that it waits until it runs."""
        start = max(now, self._free[0])
        end = start + seconds
        heapreplace(self._free, end)
        heappush(self._ends, end)
        return start - now

    def last_end(self, now: float) -> float:
        """Return when the last of its calls ends."""
        return max(self._ends, default=now)


class Fleet:
    """The pods of a service, and a balancer that asks two of them at random which has fewer calls.

    Args:
        pods: that are ready at the beginning.
        slots: calls that each runs at a time.
        queue: calls that may wait in each; a further one is refused.
        cold_start: seconds from the moment when a pod is asked for until it is ready.
        source: of the balancer's chances.
    """

    def __init__(
        self, pods: int, *, slots: int, queue: int, cold_start: float, source: random.Random
    ) -> None:
        self._slots = slots
        self._most = slots + queue
        self._cold_start = cold_start
        self._source = source
        self._ready = [Pod(0.0, 0.0, slots) for _ in range(pods)]
        self._starting: deque[Pod] = deque()
        self._gone_s = 0.0
        self.waits = array("d")
        self._starts_after = array("d")
        self.refused = 0

    @property
    def size(self) -> int:
        """Pods that are ready or start."""
        return len(self._ready) + len(self._starting)

    def ready(self, now: float) -> int:
        """Return how many pods take calls."""
        self._admit(now)
        return len(self._ready)

    def _admit(self, now: float) -> None:
        while self._starting and self._starting[0].ready <= now:
            self._ready.append(self._starting.popleft())

    def offer(self, now: float, seconds: float) -> None:
        """Have a pod take a call, or refuse it where the queue of the better one of two is full."""
        if self._starting:
            self._admit(now)
        pods = self._ready
        number = len(pods)
        pod = pods[int(self._source.random() * number)]
        calls = pod.calls(now)
        if calls and number > 1:
            other = pods[int(self._source.random() * number)]
            others = other.calls(now)
            if others < calls:
                pod, calls = other, others
        if calls >= self._most:
            self.refused += 1
        else:
            wait = pod.take(now, seconds)
            self.waits.append(wait)
            if wait:
                self._starts_after.append(now + wait)

    def running_and_waiting(self, now: float) -> tuple[int, int]:
        """Return the calls that run in all pods, and those that wait."""
        running = waiting = 0
        for pod in self._ready:
            calls = pod.calls(now)
            own = min(calls, self._slots)
            running += own
            waiting += calls - own
        return running, waiting

    def resize(self, now: float, size: int) -> None:
        """Start pods, or end some: those that start first, then the youngest, which finish their calls."""
        self._admit(now)
        while self.size < size:
            self._starting.append(Pod(now, now + self._cold_start, self._slots))
        while self.size > max(1, size) and (self._starting or len(self._ready) > 1):
            pod = self._starting.pop() if self._starting else self._ready.pop()
            self._gone_s += max(now, pod.last_end(now)) - pod.created

    def pod_seconds(self, now: float) -> float:
        """Return what all pods have cost until now, in seconds of one pod."""
        return self._gone_s + sum(now - pod.created for pod in (*self._ready, *self._starting))

    def still_waiting(self, now: float) -> int:
        """Return the calls that were taken and do not run yet."""
        return sum(start > now for start in self._starts_after)
