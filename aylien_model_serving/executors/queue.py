"""Calls that wait for a handler, and the order in which they reach it.

Pure: times are passed in, and whoever shares a queue between threads brings the lock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from aylien_model_serving.core.callers import NOBODY, Caller
from aylien_model_serving.executors.overload import takes_newest_first

FinishCallback = Callable[[Any, "Exception | None"], None]


class QueuedCall:
    """One call for a handler.

    Args:
        arguments: checked keyword arguments.
        deadline: `time.monotonic()` seconds after which nobody waits for the result.
        request_id: of the request that the call comes from.
        on_finish: see `finish`. A class overrides that instead: a method of its own in here would keep the
            call in memory, with its body, until the collector comes.
        suspect: whether a process died while it ran this call; it runs alone.
        caller: who makes the request.
        read: gets the names of what the handler reads beside its fields; None where nobody wants to know.
    """

    __slots__ = (
        "abandoned",
        "arguments",
        "arrived",
        "caller",
        "deadline",
        "job_id",
        "on_finish",
        "read",
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
        on_finish: FinishCallback | None = None,
        suspect: bool = False,
        caller: Caller = NOBODY,
        read: set[str] | None = None,
    ) -> None:
        self.arguments = arguments
        self.deadline = deadline
        self.request_id = request_id
        self.on_finish = on_finish
        self.suspect = suspect
        self.caller = caller
        self.read = read
        self.job_id = ""
        self.abandoned = False
        self.arrived = 0.0
        self.waited = 0.0

    def finish(self, result: Any, error: Exception | None) -> None:
        """Take the result or the error; called once, on a thread of the engine, which still has the slot.

        Never called for a call that was abandoned before it reached the handler.
        """
        if self.on_finish is not None:
            self.on_finish(result, error)

    def is_late(self, now: float) -> bool:
        return self.deadline is not None and now > self.deadline

    def is_stale(self, now: float) -> bool:
        """Return whether nobody waits for the result."""
        return self.abandoned or self.is_late(now)


class CallQueue:
    """Calls that wait, oldest first; stale ones are set aside until their callers have been answered."""

    __slots__ = ("_calls", "_stale")

    def __init__(self) -> None:
        self._calls: deque[QueuedCall] = deque()
        self._stale: list[QueuedCall] = []

    def __len__(self) -> int:
        return len(self._calls)

    @property
    def first(self) -> QueuedCall:
        return self._calls[0]

    def append(self, call: QueuedCall) -> None:
        self._calls.append(call)

    def has_stale(self) -> bool:
        return bool(self._stale)

    def set_stale_aside(self, now: float) -> None:
        """Make room for calls that somebody waits for."""
        self._stale += [call for call in self._calls if call.is_stale(now)]
        self._calls = deque(call for call in self._calls if not call.is_stale(now))

    def take_stale(self) -> list[QueuedCall]:
        """Return the calls that were set aside, and forget them."""
        stale, self._stale = self._stale, []
        return stale

    def take(self, most: int, now: float, at_once: int = 1, run_seconds: float = 0.0) -> list[QueuedCall]:
        """Return the first call and those that can share its run: of the same fields, and no suspects.

        The first is the oldest one, or the newest while more wait than can be served in time. Where others
        wait, a call that could not end in time is set aside.

        Args:
            most: calls to return at most.
            now: the time.
            at_once: runs that may be under way at a time.
            run_seconds: that a run is expected to take.
        """
        if len(self._calls) <= most or not run_seconds:
            return self._take(most, now)
        if not self._is_too_long(most, now, at_once, run_seconds):
            return self._take(most, now + run_seconds)
        self._calls.reverse()
        batch = self._take(most, now + run_seconds)
        self._calls.reverse()
        return batch

    def _is_too_long(self, most: int, now: float, at_once: int, run_seconds: float) -> bool:
        deadline = self._calls[-1].deadline
        patience = None if deadline is None else deadline - run_seconds - now
        return takes_newest_first(len(self._calls) / most, at_once, run_seconds, patience)

    def _take(self, most: int, end: float) -> list[QueuedCall]:
        batch: list[QueuedCall] = []
        passed: list[QueuedCall] = []
        while self._calls and len(batch) < most:
            call = self._calls.popleft()
            if call.is_stale(end):
                self._stale.append(call)
            elif not batch or _can_share(batch[0], call):
                batch.append(call)
            else:
                passed.append(call)
        self._calls.extendleft(reversed(passed))
        return batch


def _can_share(first: QueuedCall, call: QueuedCall) -> bool:
    return not (first.suspect or call.suspect) and call.arguments.keys() == first.arguments.keys()
