"""Exponential backoff between the restarts of something that fails.

Pure: times are passed in; what is restarted, it does not know.
"""

from __future__ import annotations

#: Seconds of the second pause, which doubles from there on; the first restart is made at once.
FIRST_PAUSE = 0.1

#: Seconds of the longest pause.
LONGEST_PAUSE = 30.0

#: Seconds without a failure after which earlier failures are forgotten.
FORGIVEN_AFTER = 10.0


class Backoff:
    """Counts failures in a row.

    Args:
        longest: seconds of the longest pause.
    """

    __slots__ = ("_failures", "_longest")

    def __init__(self, longest: float = LONGEST_PAUSE) -> None:
        self._longest = longest
        self._failures = 0

    def failed(self, worked: float = 0.0) -> float:
        """Count a failure, and return the seconds to wait: 0, 0.1, 0.2, 0.4 …

        Args:
            worked: seconds without a failure before it.
        """
        if worked >= FORGIVEN_AFTER:
            self._failures = 0
        self._failures += 1
        if self._failures == 1:
            return 0.0
        doublings = min(self._failures - 2, 32)  # beyond which every pause is the longest
        return float(min(self._longest, FIRST_PAUSE * 2**doublings))
