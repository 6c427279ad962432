"""How quick a handler has shown itself to be.

Pure: times are passed in. A quick handler may run on an event loop; a slow one would hold up everybody else.
"""

from __future__ import annotations

#: Mean seconds of a call above which a handler counts as slow: the cost of a change of threads and back is
#: a fifth of it.
SLOW_SECONDS = 0.0005

#: Mean seconds below which it counts as quick again; the gap keeps it from changing sides at every call.
QUICK_SECONDS = 0.00025

#: Weight of the latest call in the mean.
_WEIGHT = 0.2


class LatencyTracker:
    """A running mean of a handler's times; slow until it has shown itself quick."""

    __slots__ = ("_mean", "quick")

    def __init__(self) -> None:
        self.quick = False
        self._mean = 0.0

    def note(self, seconds: float) -> bool:
        """Take one call's time into account, and tell whether the verdict changed."""
        self._mean = self._mean + _WEIGHT * (seconds - self._mean) if self._mean else seconds
        quick = self._mean < (SLOW_SECONDS if self.quick else QUICK_SECONDS)
        changed = quick is not self.quick
        self.quick = quick
        return changed
