"""Tracks a handler's latency, to classify it as quick or slow.

Pure: times are passed in. A quick handler may run on an event loop; a slow one would block all others.
"""

from __future__ import annotations

#: Mean seconds of a call above which a handler counts as slow: switching to a thread and back costs a fifth
#: of that.
SLOW_SECONDS = 0.0005

#: Mean seconds below which it counts as quick again; the gap keeps it from changing class at every call.
QUICK_SECONDS = 0.00025

#: Weight of the latest call in the mean.
_WEIGHT = 0.2


class LatencyTracker:
    """An exponential moving average of a handler's times; slow until measured as quick."""

    __slots__ = ("_mean", "quick")

    def __init__(self) -> None:
        self.quick = False
        self._mean = 0.0

    def record(self, seconds: float) -> bool:
        """Add the time of one call, and return whether the class changed."""
        self._mean = self._mean + _WEIGHT * (seconds - self._mean) if self._mean else seconds
        quick = self._mean < (SLOW_SECONDS if self.quick else QUICK_SECONDS)
        changed = quick is not self.quick
        self.quick = quick
        return changed
