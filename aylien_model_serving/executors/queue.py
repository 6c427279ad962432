"""Calls on their way to a handler, and the order in which they get there.

Pure: times are passed in, and whoever shares a queue between threads brings the lock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

FinishCallback = Callable[[Any, "Exception | None"], None]


class QueuedCall:
    """One call for a handler.

    Args:
        arguments: checked keyword arguments.
        deadline: `time.monotonic()` seconds after which nobody waits for the result.
        request_id: of the request that the call comes from.
        finish: is given the result or the error, once, on a thread of the engine, while the call's slot is
            still taken; never for a call that was abandoned before it reached the handler.
        suspect: whether a process died while it ran this call; it runs alone.
    """

    __slots__ = (
        "abandoned",
        "arguments",
        "arrived",
        "deadline",
        "finish",
        "request_id",
        "suspect",
        "waited",
    )

    def __init__(
        self,
        arguments: dict[str, Any],
        deadline: float | None,
        request_id: str,
        *,
        finish: FinishCallback,
        suspect: bool = False,
    ) -> None:
        self.arguments = arguments
        self.deadline = deadline
        self.request_id = request_id
        self.finish = finish
        self.suspect = suspect
        self.abandoned = False
        self.arrived = 0.0
        self.waited = 0.0

    def is_late(self, now: float) -> bool:
        return self.deadline is not None and now > self.deadline

    def is_stale(self, now: float) -> bool:
        """Tell whether nobody waits for the result."""
        return self.abandoned or self.is_late(now)


class Queue:
    """Calls that wait, oldest first; those that nobody waits for stand aside until their end is told."""

    __slots__ = ("_stale", "_jobs")

    def __init__(self) -> None:
        self._jobs: deque[QueuedCall] = deque()
        self._stale: list[QueuedCall] = []

    def __len__(self) -> int:
        return len(self._jobs)

    @property
    def first(self) -> QueuedCall:
        return self._jobs[0]

    def append(self, job: QueuedCall) -> None:
        self._jobs.append(job)

    def has_stale(self) -> bool:
        return bool(self._stale)

    def set_stale_aside(self, now: float) -> None:
        """Make room for calls that somebody waits for."""
        self._stale += [job for job in self._jobs if job.is_stale(now)]
        self._jobs = deque(job for job in self._jobs if not job.is_stale(now))

    def take_stale(self) -> list[QueuedCall]:
        """Return and forget what was found to be dead."""
        stale, self._stale = self._stale, []
        return stale

    def take(self, most: int, now: float) -> list[QueuedCall]:
        """Return the oldest call and those that can share its run: of the same fields, and no suspects.

        Args:
            most: jobs to return at most.
            now: the time; what is dead by then is set aside.
        """
        batch: list[QueuedCall] = []
        passed: list[QueuedCall] = []
        while self._jobs and len(batch) < most:
            job = self._jobs.popleft()
            if job.is_stale(now):
                self._stale.append(job)
            elif not batch or _can_share(batch[0], job):
                batch.append(job)
            else:
                passed.append(job)
        self._jobs.extendleft(reversed(passed))
        return batch


def _can_share(first: QueuedCall, job: QueuedCall) -> bool:
    return not (first.suspect or job.suspect) and job.arguments.keys() == first.arguments.keys()
