"""Calls that wait for a handler, and the order in which they reach it.

Pure: times are passed in, and whoever shares a queue between threads brings the lock. However many calls of
however many groups wait, a batch is taken without a look at those that are no part of it.
"""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from typing import Any, Protocol

from aylien_model_serving.core.callers import NOBODY, Caller
from aylien_model_serving.core.cancellation import Cancellable
from aylien_model_serving.errors import Unavailable
from aylien_model_serving.executors.overload import takes_newest_first

FinishCallback = Callable[[Any, "Exception | None"], None]


class QueuedCall(Cancellable):
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
        "arguments",
        "arrived",
        "caller",
        "deadline",
        "group",
        "job_id",
        "method",
        "models",
        "on_finish",
        "read",
        "request_id",
        "size",
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
        super().__init__()
        self.arguments = arguments
        self.deadline = deadline
        self.request_id = request_id
        self.on_finish = on_finish
        self.suspect = suspect
        self.caller = caller
        self.read = read
        self.job_id = ""
        self.method = ""
        self.models: tuple[str, ...] = ()
        self.arrived = 0.0
        self.waited = 0.0
        self.group: Hashable = None
        self.size = 0.0

    @property
    def whole(self) -> QueuedCall:
        """The call that this is an item of; where calls are not split, the call itself."""
        return self

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


class _Group:
    """Calls that can share a run, oldest first, and the sum of their sizes."""

    __slots__ = ("calls", "key", "total")

    def __init__(self, key: Hashable) -> None:
        self.key = key
        self.calls: deque[QueuedCall] = deque()
        self.total = 0.0


class CallEngine(Protocol):
    """Runs a handler for calls that are submitted; see `engine.Engine`."""

    def waiting(self) -> int: ...

    def running(self) -> int: ...

    def check_room(self) -> None: ...

    def submit(self, call: QueuedCall) -> None: ...

    def work(self) -> None: ...

    def close(self, timeout: float | None) -> bool: ...


class CallQueue:
    """Calls that wait, oldest first; stale ones are set aside until their callers have been answered.

    Args:
        max_total: the most that the sizes of the calls in a batch may add up to.
    """

    __slots__ = ("_calls", "_groups", "_max_total", "_stale", "_total")

    def __init__(self, max_total: float = math.inf) -> None:
        self._calls: OrderedDict[QueuedCall, _Group] = OrderedDict()
        self._groups: dict[Hashable, _Group] = {}
        self._stale: list[QueuedCall] = []
        self._max_total = max_total
        self._total = 0.0

    def __len__(self) -> int:
        return len(self._calls)

    @property
    def first(self) -> QueuedCall:
        return next(iter(self._calls))

    def append(self, call: QueuedCall) -> None:
        key = _key(call)
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = _Group(key)
        group.calls.append(call)
        group.total += call.size
        self._total += call.size
        self._calls[call] = group

    def reaches_total(self) -> bool:
        """Return whether no further call would fit into the batch of the first one."""
        return self._calls[self.first].total >= self._max_total

    def has_stale(self) -> bool:
        return bool(self._stale)

    def refuse_overflow(self, most: int, now: float, further: int = 1) -> None:
        """Raise an error if there is no room for further calls.

        Args:
            most: calls that may wait.
            now: the time.
            further: calls to be added.

        Raises:
            Unavailable: as many calls wait as may, and somebody waits for each of them.
        """
        if len(self) + further <= most:
            return
        self.set_stale_aside(now)
        if len(self) + further > most:
            raise Unavailable(f"{len(self)} requests wait already, and no more may")

    def set_stale_aside(self, now: float) -> None:
        """Make room for calls that somebody waits for."""
        stale = [call for call in self._calls if call.is_stale(now)]
        if not stale:
            return
        self._stale += stale
        alive = [call for call in self._calls if not call.is_stale(now)]
        self._calls.clear()
        self._groups.clear()
        self._total = 0.0
        for call in alive:
            self.append(call)

    def take_stale(self) -> list[QueuedCall]:
        """Return the calls that were set aside, and forget them."""
        stale, self._stale = self._stale, []
        return stale

    def take(self, most: int, now: float, at_once: int = 1, run_seconds: float = 0.0) -> list[QueuedCall]:
        """Return the first call and those that can share its run: of the same fields and the same group.

        The first is the oldest one, or the newest while more wait than can be served in time. Where others
        wait, a call that could not end in time is set aside. A suspect is alone, and so is a call that is
        larger than a batch may be.

        Args:
            most: calls to return at most.
            now: the time.
            at_once: runs that may be under way at a time.
            run_seconds: that a run is expected to take.
        """
        if not run_seconds or self._runs(most) <= 1:
            return self._take(most, now, newest=False)
        return self._take(most, now + run_seconds, newest=self._is_too_long(most, now, at_once, run_seconds))

    def _runs(self, most: int) -> float:
        """Return how many runs the calls that wait will take, at least."""
        return max(len(self._calls) / most, self._total / self._max_total, len(self._groups))

    def _is_too_long(self, most: int, now: float, at_once: int, run_seconds: float) -> bool:
        deadline = next(reversed(self._calls)).deadline
        patience = None if deadline is None else deadline - run_seconds - now
        return takes_newest_first(self._runs(most), at_once, run_seconds, patience)

    def _take(self, most: int, end: float, *, newest: bool) -> list[QueuedCall]:
        """Return a batch; calls of which nobody waits for the result at its end are set aside."""
        batch: list[QueuedCall] = []
        while self._calls and not batch:
            first = next(reversed(self._calls)) if newest else self.first
            batch = self._take_from(self._calls[first], most, end, -1 if newest else 0)
        return batch

    def _take_from(self, group: _Group, most: int, end: float, next_one: int) -> list[QueuedCall]:
        batch: list[QueuedCall] = []
        total = 0.0
        while group.calls and len(batch) < most:
            call = group.calls[next_one]
            if call.is_stale(end):
                self._stale.append(call)
            elif batch and total + call.size > self._max_total:
                break
            else:
                batch.append(call)
                total += call.size
            self._remove(call, group, next_one)
        return batch

    def _remove(self, call: QueuedCall, group: _Group, position: int) -> None:
        del group.calls[position]
        del self._calls[call]
        group.total -= call.size
        self._total -= call.size
        if not group.calls:
            del self._groups[group.key]


def _key(call: QueuedCall) -> Hashable:
    """Return what calls have in common that can share a run; a suspect has its own."""
    return id(call) if call.suspect else (call.group, frozenset(call.arguments))
