"""How long a handler's runs take, and what follows from it.

Pure: times are passed in. A quick handler may run on an event loop; a slow one would block all others. A call
that could no longer be in time is not begun.
"""

from __future__ import annotations

#: Mean seconds of a call above which a handler counts as slow: switching to a thread and back costs a fifth
#: of that.
SLOW_SECONDS = 0.0005

#: Mean seconds below which it counts as quick again; the gap keeps it from changing class at every call.
QUICK_SECONDS = 0.00025

#: Weight of the latest run in the mean.
_WEIGHT = 0.2

#: What is left of an estimate that has kept a call from running, so that a wrong one does not last.
_DOUBT = 0.95


class RunTime:
    """The seconds of a handler's runs: the last one's, and their exponential moving average."""

    __slots__ = ("last", "mean")

    def __init__(self) -> None:
        self.last = 0.0
        self.mean = 0.0

    def expected(self) -> float:
        """Return the seconds that the next run takes at least, so that one long run keeps no others back."""
        return min(self.last, self.mean)

    def ran(self, seconds: float) -> None:
        """Add the time of one run."""
        self.last = seconds
        self.mean = self.mean + _WEIGHT * (seconds - self.mean) if self.mean else seconds

    def doubt(self) -> None:
        """Expect less: a call was not begun because of what is expected."""
        self.last *= _DOUBT


class LatencyTracker(RunTime):
    """The times of a handler, which is slow until it is measured as quick."""

    __slots__ = ("quick",)

    def __init__(self) -> None:
        super().__init__()
        self.quick = False

    def record(self, seconds: float) -> bool:
        """Add the time of one call, and return whether the class changed."""
        self.last = seconds
        self.mean = self.mean + _WEIGHT * (seconds - self.mean) if self.mean else seconds
        quick = self.mean < (SLOW_SECONDS if self.quick else QUICK_SECONDS)
        changed = quick is not self.quick
        self.quick = quick
        return changed
