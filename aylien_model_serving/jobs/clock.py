"""The clock of a store, by which leases, pauses and expiries go.

It begins with the wall clock and goes on with the machine's monotonic one, so that a step of the wall clock
neither ends a lease nor makes a time negative. The wall clock is asked again at each boot alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable

Clock = Callable[[], float]

#: Digits of the seconds that two clocks are compared to: they can't be read at the same instant.
_DIGITS = 3


def wall() -> float:
    """Return the wall clock's time, for a system that does not tell its boots."""
    return time.time()


def begun_at(began: float) -> Clock:
    """Return a clock, in seconds since the epoch.

    Args:
        began: its time when the monotonic clock of this boot was at zero.
    """
    return lambda: began + time.monotonic()


def begin(not_before: float = 0.0) -> float:
    """Return what `begun_at` needs of a clock that begins at the wall clock's time, or at a later one."""
    return max(time.time(), not_before) - time.monotonic()


def wall_ahead(now: float) -> float:
    """Return by how many seconds the wall clock is ahead of another one, whose time is `now`."""
    return round(time.time() - now, _DIGITS)
