"""The clock of a database that machines share: what leases, pauses and expiries go by on each of them."""

from __future__ import annotations

import time
from collections.abc import Callable

#: Seconds between two readings of the database's clock.
_INTERVAL = 10.0

#: Seconds of a round trip above which a reading is not worth more than the last one.
_LONGEST_TRIP = 1.0


class DatabaseClock:
    """Tells the database's time without asking it each time: it goes on with this machine's monotonic clock.

    Right to half a round trip at a reading, and to what the two clocks diverge until the next.
    """

    def __init__(self) -> None:
        self._began: float | None = None
        self._due = 0.0

    @property
    def is_known(self) -> bool:
        """Whether it was read before."""
        return self._began is not None

    def now(self) -> float:
        """Return the database's time, in seconds since the epoch; it has to be known."""
        assert self._began is not None
        return self._began + time.monotonic()

    def follow(self, read: Callable[[], float]) -> None:
        """Read the database's clock if that is due.

        Args:
            read: asks for its time, in seconds since the epoch.
        """
        before = time.monotonic()
        if before < self._due:
            return
        found = read()
        after = time.monotonic()
        if self._began is None or after - before < _LONGEST_TRIP:
            self._began = found - (before + after) / 2
        self._due = after + _INTERVAL
