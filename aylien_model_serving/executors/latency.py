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

#: Seconds of one call after which its handler is slow, whatever the mean.
LONG_SECONDS = 0.005

#: Calls in a row that have to be seen without a wait before a handler is quick. Each wait doubles their
#: number, up to the second: one in many calls may wait, for what a cache has not.
FIRST_LOOKS = 8
MOST_LOOKS = 4096

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
    """The times of a handler, which is slow until it is measured as quick.

    A handler that may wait is never quick, however short its waits have been: an event loop would stand still
    with it once a file, a database or another service takes long.
    """

    __slots__ = ("_needed", "_without_wait", "quick")

    def __init__(self) -> None:
        super().__init__()
        self.quick = False
        self._without_wait = 0
        self._needed = FIRST_LOOKS

    def record(self, seconds: float) -> bool:
        """Add the time of one call, and return whether it made a quick handler slow."""
        self.last = seconds
        self.mean = self.mean + _WEIGHT * (seconds - self.mean) if self.mean else seconds
        if not self.quick or (self.mean < SLOW_SECONDS and seconds < LONG_SECONDS):
            return False
        self._doubt_quickness()
        return True

    def saw(self, has_waited: bool) -> bool:
        """Take into account whether the last call has waited, and return whether the class changed."""
        was_quick = self.quick
        if has_waited:
            self._doubt_quickness()
        else:
            self._without_wait += 1
            self.quick = self._without_wait >= self._needed and self.mean < (
                SLOW_SECONDS if was_quick else QUICK_SECONDS
            )
        return self.quick is not was_quick

    def _doubt_quickness(self) -> None:
        self.quick = False
        self._without_wait = 0
        self._needed = min(2 * self._needed, MOST_LOOKS)
