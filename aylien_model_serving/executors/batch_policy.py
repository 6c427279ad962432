"""When an idle model takes the calls that wait, and when it waits for company to fill the batch.

Pure; times are passed in, in `time.monotonic()` seconds. A model whose batch of n takes a + b·n
serves clients who ask again once answered, the first after l seconds and the others g seconds apart. If S of
them wait or are on their way, then S as one batch make S / (a + b·S + l + g·S) answers a second, and two
halves in turn S / (2·a + b·S): waiting pays as long as l + g·S < a. Calls that come by chance come no faster
after an answer than at any other time: g·S is above a for them, and nobody waits.
"""

from __future__ import annotations

from collections import deque
from statistics import median

import msgspec

#: Share of the expected arrivals after which their pace is known: the last few may have left for good.
_MOST = 7 / 8

#: How much longer than their usual time the expected arrivals are given.
_PATIENCE = 1.5

#: Share of the usual time of all arrivals that may pass without any, once they have begun.
_LULL = 0.25

#: The least that such a lull lasts, in gaps: between two arrivals there may well be one of twice the usual.
_GAPS = 4

#: Number of samples of which the middle one is believed: one stray sample changes nothing, three change all.
_SAMPLES = 5


class BatchOptions(msgspec.Struct, frozen=True):
    """The limits of a batch.

    Args:
        max_size: items in a batch.
        max_wait: seconds that an item may wait for company while the model is idle.
    """

    max_size: int = 32
    max_wait: float = 0.005


class BatchPolicy:
    """Decides when a batch starts, from how calls have arrived and how long batches have taken.

    Args:
        limits: what no decision may exceed.
    """

    __slots__ = (
        "_arrived",
        "_began",
        "_costs",
        "_ended",
        "_expected",
        "_gaps",
        "_lags",
        "_last",
        "_limits",
        "_paced",
    )

    def __init__(self, limits: BatchOptions) -> None:
        self._limits = limits
        self._costs = BatchCosts()
        self._gaps: deque[float] = deque(maxlen=_SAMPLES)
        self._lags: deque[float] = deque(maxlen=_SAMPLES)
        self._ended = 0.0
        self._expected = 0
        self._arrived = 0
        self._began = 0.0
        self._last = 0.0
        self._paced = True

    def arrived(self, now: float, waiting: int) -> None:
        """Take note that an item has joined the queue.

        Args:
            now: the time.
            waiting: items in the queue, this one included.
        """
        self._arrived += 1
        self._last = now
        if self._arrived == 1:
            self._began = now
        if not self._paced and self._arrived >= self._expected * _MOST:
            self._learn_pace(now)

    def ran(self, size: int, seconds: float, now: float) -> None:
        """Take note that a batch has ended; its callers may ask again.

        Args:
            size: items in the batch.
            seconds: how long it took.
            now: the time of its end.
        """
        if not self._paced:
            self._learn_pace(now)
        self._costs.note(size, seconds)
        self._ended = self._last = now
        self._expected = size
        self._arrived = 0
        self._paced = False

    def due(self, now: float, waiting: int, first: float) -> float:
        """Return when an idle model should take a batch: at once if that is not later than `now`.

        Args:
            now: the time.
            waiting: items in the queue, at least one.
            first: when the oldest of them arrived.
        """
        company = self._expected - self._arrived
        if company <= 0 or waiting >= self._limits.max_size or not self._gaps:
            return now
        lag, gap = median(self._lags), median(self._gaps)
        if lag + gap * (waiting + company) >= self._costs.fixed():
            return now
        usual = lag + gap * self._expected
        latest = min(max(first, self._ended) + self._limits.max_wait, self._ended + _PATIENCE * usual)
        if self._arrived:
            latest = min(latest, self._last + max(_LULL * usual, _GAPS * gap))
        return latest

    def _learn_pace(self, now: float) -> None:
        """Learn the gap between arrivals, and the lag of the first; a lone one tells of the lag alone."""
        since = now - self._ended
        if self._arrived > 1:
            gap = (now - self._began) / (self._arrived - 1)
            self._gaps.append(gap)
            self._lags.append(max(0.0, self._began - self._ended - gap))
        else:
            self._lags.append(since)
            if not self._gaps:
                self._gaps.append(since)
        self._paced = True


class BatchCosts:
    """What a batch takes: a fixed part, and a part for each item.

    Times are kept by the size's power of two, so that a size which has not occurred for long still counts.
    """

    __slots__ = ("_fixed", "_kept")

    def __init__(self) -> None:
        self._kept: dict[int, deque[tuple[float, int]]] = {}
        self._fixed = 0.0

    def note(self, size: int, seconds: float) -> None:
        """Take one batch's size, in items, and time, in seconds, into account."""
        samples = self._kept.setdefault((size - 1).bit_length(), deque(maxlen=_SAMPLES))
        samples.append((seconds, size))
        self._fixed = self._intercept()

    def fixed(self) -> float:
        """Return the seconds that a batch takes however few items it has."""
        return self._fixed

    def _intercept(self) -> float:
        """Fit a line through the middle time of each kind of size; with a single kind, all is fixed."""
        points = [sorted(samples)[len(samples) // 2] for samples in self._kept.values()]
        mean_size = sum(size for _, size in points) / len(points)
        mean_time = sum(seconds for seconds, _ in points) / len(points)
        spread = sum((size - mean_size) ** 2 for _, size in points)
        together = sum((size - mean_size) * (seconds - mean_time) for seconds, size in points)
        slope = max(0.0, together / spread) if spread else 0.0
        return max(0.0, mean_time - slope * mean_size)
