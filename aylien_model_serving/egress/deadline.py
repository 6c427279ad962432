"""The time limit of a whole request, from the look-up of the name to the last byte."""

from __future__ import annotations

import time
from collections.abc import Callable


class Deadline:
    """The time that is left.

    Args:
        seconds: in all.
        clock: returns the time in seconds.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._end = clock() + seconds

    def left(self) -> float:
        """Return the seconds that are left.

        Raises:
            TimeoutError: there are none.
        """
        left = self._end - self._clock()
        if left <= 0:
            raise TimeoutError(f"took longer than {self._seconds:g} s")
        return left
