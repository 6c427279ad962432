"""How long a handler takes for one call: drawn from the quantiles of measured times."""

import json
import random
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

#: The measured times that stand beside this file, of which `measure` says how they were made.
MEASURED = Path(__file__).with_name("service_times.json")


class ServiceTimes:
    """Times with given quantiles, equally probable between each two of them.

    Args:
        quantiles: seconds, from the shortest to the longest, at equal distances of probability.
    """

    def __init__(self, quantiles: Sequence[float]) -> None:
        if len(quantiles) < 2 or any(after < before for before, after in pairwise(quantiles)):
            raise ValueError("at least two quantiles are expected, from the shortest time to the longest")
        self._quantiles = tuple(quantiles)
        self._last = len(quantiles) - 1

    @property
    def mean(self) -> float:
        """The mean in seconds."""
        inner = sum(self._quantiles) - (self._quantiles[0] + self._quantiles[-1]) / 2
        return inner / self._last

    def draw(self, source: random.Random) -> float:
        """Return the time of one call."""
        place = source.random() * self._last
        below = int(place)
        low = self._quantiles[below]
        return low + (self._quantiles[below + 1] - low) * (place - below)


def load(file: Path = MEASURED) -> ServiceTimes:
    """Return the times that were measured."""
    return ServiceTimes(json.loads(file.read_text())["quantiles_s"])
