"""What claims know of the jobs that are to come: while one follows the other, each need not look anew."""

from __future__ import annotations

import math
from collections.abc import Sequence

#: Seconds for which an outlook stands: shorter than any pause and any lease that begins meanwhile.
_INTERVAL = 0.25


class Outlooks:
    """Remembers for which routes jobs are being claimed, and until when no pause or lease runs out."""

    def __init__(self) -> None:
        self._spans: dict[tuple[str, ...], tuple[float, float]] = {}

    def is_busy(self, service: str, routes: Sequence[str], now: float) -> bool:
        """Return whether the last claim found a job, and nothing has run out since."""
        begin, end = self._spans.get((service, *routes), (math.inf, math.inf))
        return begin <= now < end

    def note(self, service: str, routes: Sequence[str], now: float, due: float | None) -> None:
        """Note what was seen.

        Args:
            due: when the first pause or lease runs out.
        """
        key = (service, *routes)
        self._spans[key] = now, min(now + _INTERVAL, math.inf if due is None else due)

    def forget(self, service: str, routes: Sequence[str]) -> None:
        """Note that no job was found."""
        self._spans.pop((service, *routes), None)
