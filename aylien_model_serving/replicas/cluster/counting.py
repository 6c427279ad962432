"""What a replica on another machine has done, collected until it is told with the next replies."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from aylien_model_serving.rpc.cluster_messages import ReplicaCounts

#: Waits and runs that are told at once, at most: of more, the last ones.
_MOST = 1000


class CountingInstruments:
    """Stands in for the metrics of a runner in a process that nobody scrapes.

    Args:
        replica: identifies it.
    """

    def __init__(self, replica: str) -> None:
        self._replica = replica
        self._lock = threading.Lock()
        self._counts = ReplicaCounts(replica)

    def starts(self, waits: Sequence[float]) -> None:
        """Record that a run begins, whose calls have waited for so many seconds each."""
        with self._lock:
            self._counts.waits.extend(waits)
            del self._counts.waits[:-_MOST]

    def ended(self, size: int, seconds: float) -> None:
        """Record that a run of `size` calls has ended, after so many seconds."""
        with self._lock:
            self._counts.runs.append((size, seconds))
            del self._counts.runs[:-_MOST]

    def dropped(self, reason: str) -> None:
        """Count a call that was "expired" or "abandoned"."""
        with self._lock:
            setattr(self._counts, reason, getattr(self._counts, reason) + 1)

    def set_healthy(self, healthy: bool) -> None:
        """Ray asks by itself."""

    def take(self) -> ReplicaCounts:
        """Return what has been counted since the last time."""
        with self._lock:
            counts, self._counts = self._counts, ReplicaCounts(self._replica)
        return counts
