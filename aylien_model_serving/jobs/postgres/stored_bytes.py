"""How many bytes of calls, results and items a database keeps, without counting them at each transaction."""

from __future__ import annotations

import time
from collections.abc import Callable

#: Seconds for which a count stands, with what this process has added and removed since.
_INTERVAL = 10.0


class StoredBytes:
    """The bytes that all processes keep, as far as this one knows.

    What the others have added since the last count is missing: a limit is kept to what they add in this time.
    """

    def __init__(self) -> None:
        self._bytes = 0
        self._due = 0.0

    def add(self, size: int) -> None:
        """Note what a transaction adds, or removes; one that is not kept is set right by the next count."""
        self._bytes += size

    def bytes(self, count: Callable[[], int]) -> int:
        """Return how many there are.

        Args:
            count: asks the database.
        """
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + _INTERVAL
            self._bytes = count()
        return self._bytes
