"""When an idle model runs the calls that wait, and when it waits for further ones to fill the batch.

Pure; times are passed in, in `time.monotonic()` seconds. A model whose batch of n takes a + b·n
serves clients that send their next call once answered, the first after l seconds and the others g seconds
apart. If S of them wait or are about to call, then S as one batch make S / (a + b·S + l + g·S) answers a
second, and two halves in turn S / (2·a + b·S): waiting pays as long as l + g·S < a. Calls that arrive at
random come no faster after an answer than at any other time: g·S is above a for them, and nobody waits.
"""

from __future__ import annotations

from collections import deque
from statistics import median
from typing import Any

import msgspec

#: Share of the expected arrivals after which their timing is measured: the last few may never come back.
_ENOUGH_ARRIVALS = 7 / 8

#: Factor on the usual time of the expected arrivals, after which they are waited for no longer.
_MAX_DELAY = 1.5

#: Share of the usual time of all arrivals that may pass without one, once they have begun.
_MAX_PAUSE = 0.25

#: The least that such a pause lasts, in gaps: one gap may well be twice as long as usual.
_MIN_PAUSE_GAPS = 4

#: Samples of which the median counts: one outlier changes nothing, three change all.
_SAMPLES = 5


class BatchOptions(msgspec.Struct, frozen=True):
    """The limits of a batch.

    Args:
        max_size: items in a batch.
        max_wait: seconds that an item may wait for further ones while the model is idle.
        max_total: the most that the sizes of a batch's items add up to; None for any sum.
        group_by: returns the group of an item from its fields, and only items of one group share a batch;
            where the options cross to another process, the import name of the function.
        size_of: returns the size of an item from its fields; likewise.
        split: the field of a call whose items join batches one by one; None where each call is one item.
    """

    max_size: int = 32
    max_wait: float = 0.005
    max_total: float | None = None
    group_by: Any = None
    size_of: Any = None
    split: str | None = None


class BatchPolicy:
    """Decides when a batch starts, from how calls have arrived and how long batches have taken.

    Args:
        limits: no decision exceeds them.
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
        "_measured",
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
        self._measured = True

    def arrived(self, now: float, waiting: int) -> None:
        """Record that an item has joined the queue.

        Args:
            now: the time.
            waiting: items in the queue, this one included.
        """
        self._arrived += 1
        self._last = now
        if self._arrived == 1:
            self._began = now
        if not self._measured and self._arrived >= self._expected * _ENOUGH_ARRIVALS:
            self._measure_arrivals(now)

    def ran(self, size: int, seconds: float, now: float) -> None:
        """Record that a batch has ended; its callers may send their next calls.

        Args:
            size: items in the batch.
            seconds: how long it took.
            now: the time of its end.
        """
        if not self._measured:
            self._measure_arrivals(now)
        self._costs.record(size, seconds)
        self._ended = self._last = now
        self._expected = size
        self._arrived = 0
        self._measured = False

    def due(self, now: float, waiting: int, first: float) -> float:
        """Return when an idle model should take a batch: at once if that is not later than `now`.

        Args:
            now: the time.
            waiting: items in the queue, at least one.
            first: when the oldest of them arrived.
        """
        missing = self._expected - self._arrived
        if missing <= 0 or waiting >= self._limits.max_size or not self._gaps:
            return now
        lag, gap = median(self._lags), median(self._gaps)
        if lag + gap * (waiting + missing) >= self._costs.fixed():
            return now
        usual = lag + gap * self._expected
        latest = min(max(first, self._ended) + self._limits.max_wait, self._ended + _MAX_DELAY * usual)
        if self._arrived:
            latest = min(latest, self._last + max(_MAX_PAUSE * usual, _MIN_PAUSE_GAPS * gap))
        return latest

    def _measure_arrivals(self, now: float) -> None:
        """Measure the gap between arrivals and the lag of the first one; a lone arrival has a lag alone."""
        since = now - self._ended
        if self._arrived > 1:
            gap = (now - self._began) / (self._arrived - 1)
            self._gaps.append(gap)
            self._lags.append(max(0.0, self._began - self._ended - gap))
        else:
            self._lags.append(since)
            if not self._gaps:
                self._gaps.append(since)
        self._measured = True


class BatchCosts:
    """The seconds that a batch takes: a fixed part, and a part for each item.

    Samples are grouped by the size's power of two, so that a size which has not occurred for long still
    counts.
    """

    __slots__ = ("_fixed", "_samples")

    def __init__(self) -> None:
        self._samples: dict[int, deque[tuple[float, int]]] = {}
        self._fixed = 0.0

    def record(self, size: int, seconds: float) -> None:
        """Add one batch's size, in items, and time, in seconds."""
        samples = self._samples.setdefault((size - 1).bit_length(), deque(maxlen=_SAMPLES))
        samples.append((seconds, size))
        self._fixed = self._intercept()

    def fixed(self) -> float:
        """Return the seconds that a batch takes however few items it has."""
        return self._fixed

    def _intercept(self) -> float:
        """Fit a line through the median time of each group of sizes; with a single group, all is fixed."""
        points = [sorted(samples)[len(samples) // 2] for samples in self._samples.values()]
        mean_size = sum(size for _, size in points) / len(points)
        mean_time = sum(seconds for seconds, _ in points) / len(points)
        spread = sum((size - mean_size) ** 2 for _, size in points)
        together = sum((size - mean_size) * (seconds - mean_time) for seconds, size in points)
        slope = max(0.0, together / spread) if spread else 0.0
        return max(0.0, mean_time - slope * mean_size)
