"""Decides which replicas of a runner are replaced, when all are unloaded, and when one is added or removed.

Pure: loads and times are passed in. What is done about a decision is in `deployment`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from aylien_model_serving.rpc.control_messages import Load

#: Seconds for which calls have to wait too long before a replica is added, and not before one is removed.
GROW_SECONDS = 10.0
SHRINK_SECONDS = 60.0

#: The part of their time for which the replicas that would be left may be busy.
_MOST_BUSY = 0.7

#: Seconds that calls may always wait: adding a replica for less is not worth its memory.
_LEAST_TARGET = 0.05


class Activity(NamedTuple):
    """What the replicas of a runner have done within some seconds.

    Args:
        calls: that have reached handlers.
        runs: of handlers.
        busy: seconds of runs, of all threads together.
        waited: seconds that calls have waited before their runs, together.
        waiting: calls in queues at the end.
        running: calls in handlers at the end.
    """

    calls: int = 0
    runs: int = 0
    busy: float = 0.0
    waited: float = 0.0
    waiting: int = 0
    running: int = 0

    @property
    def is_active(self) -> bool:
        """Whether there was any call."""
        return bool(self.calls or self.waiting or self.running)


def activity(before: Load | None, after: Load) -> Activity:
    """Return what a replica has done between two of its loads, or since its start."""
    first = before or Load()
    return Activity(
        after.calls - first.calls,
        after.runs - first.runs,
        max(0.0, after.busy - first.busy),
        after.waited - first.waited,
        after.waiting,
        after.running,
    )


def total(parts: list[Activity]) -> Activity:
    """Return what several replicas have done together."""
    return Activity(*map(sum, zip(*parts, strict=True))) if parts else Activity()


class IdleTimer:
    """Says when a runner has been without calls for long enough to be unloaded.

    Args:
        seconds: how long; None for never.
    """

    def __init__(self, seconds: float | None) -> None:
        self._seconds = float("inf") if seconds is None else seconds
        self._active_at: float | None = None

    def restart(self) -> None:
        """Begin anew: the runner is loaded."""
        self._active_at = None

    def is_over(self, load: Activity, now: float) -> bool:
        """Return whether the last activity is so long ago, with what has been done since the last time."""
        if self._active_at is None or load.is_active:
            self._active_at = now
        return now - self._active_at >= self._seconds


class Autoscaler:
    """Says when a runner needs one replica more or less: by how long its calls wait, and how busy it is.

    Calls wait too long where they do so for longer than a run takes, beyond what a batch waits for others.

    Args:
        least: replicas.
        most: replicas.
        threads: of one replica.
        batch_wait: seconds that a batch waits for further calls.
    """

    def __init__(self, least: int, most: int, threads: int = 1, batch_wait: float = 0.0) -> None:
        self._least = least
        self._most = most
        self._threads = threads
        self._batch_wait = batch_wait
        self._looked_at: float | None = None
        self._over_since: float | None = None
        self._under_since: float | None = None

    def restart(self) -> None:
        """Begin anew: the replicas are other ones than before."""
        self._looked_at = self._over_since = self._under_since = None

    def decide(self, load: Activity, replicas: int, now: float) -> int:
        """Return by how many replicas there should be more: 1, 0 or -1.

        Args:
            load: what they have done since the last time.
            replicas: how many there are.
            now: `time.monotonic()` seconds.
        """
        seconds = 0.0 if self._looked_at is None else now - self._looked_at
        self._looked_at = now
        is_over = self._waits_too_long(load)
        is_under = not is_over and self._has_room(load, replicas - 1, seconds)
        self._over_since = _since(self._over_since, is_over, now)
        self._under_since = _since(self._under_since, is_under, now)
        if self._over_since is not None and now - self._over_since >= GROW_SECONDS and replicas < self._most:
            return 1
        if (
            self._under_since is not None
            and now - self._under_since >= SHRINK_SECONDS
            and replicas > self._least
        ):
            return -1
        return 0

    def _waits_too_long(self, load: Activity) -> bool:
        if not load.calls or not load.runs:
            return load.waiting > 0
        target = max(_LEAST_TARGET, load.busy / load.runs) + self._batch_wait
        return load.waited / load.calls > target

    def _has_room(self, load: Activity, replicas: int, seconds: float) -> bool:
        """Return whether fewer replicas would not be busy all the time."""
        return load.busy <= _MOST_BUSY * self._threads * replicas * seconds


def _since(before: float | None, holds: bool, now: float) -> float | None:
    """Return since when something holds; None where it does not."""
    if not holds:
        return None
    return now if before is None else before


def reason_to_recycle(limits: Mapping[str, float], calls: int, mib: float, loaded_mib: float) -> str:
    """Return why a replica is due to be replaced; an empty text where it is not.

    Another one would have as much memory as this one had when it was loaded, so it is not replaced for that.

    Args:
        limits: the most "calls" and "mb".
        calls: that it has answered.
        mib: its resident memory.
        loaded_mib: the same when it was loaded.
    """
    if calls >= limits.get("calls", float("inf")):
        return f"it has answered {calls} calls"
    if mib > limits.get("mb", float("inf")) >= loaded_mib:
        return f"it has {mib:.0f} MiB of memory"
    return ""
