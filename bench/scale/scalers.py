"""How many pods there should be: autoscalers of one algorithm, Kubernetes', by different numbers.

The algorithm is that of the HorizontalPodAutoscaler with its defaults: every 15 s the pods that a number asks
for; nothing within a tenth of what there is; at most twice as many, or four more; fewer than there are only
where they would have sufficed for five minutes.
"""

from collections import deque
from collections.abc import Callable, Sequence
from math import ceil
from typing import NamedTuple

#: Seconds between two decisions, and between two samples of what is measured.
EVERY_S, SAMPLE_S = 15, 5

#: How much of the time a pod should be busy; calls that may wait for each.
BUSY, WAITING = 0.7, 4

_TOLERANCE, _STABLE_S, _MORE = 0.1, 300, 4


class Sample(NamedTuple):
    """What is known of the pods at one time.

    Args:
        ready: pods that take calls.
        running: calls that run, in all of them.
        waiting: calls that wait, likewise.
    """

    ready: int
    running: int
    waiting: int


#: The samples so far, and the calls that a pod runs at a time → the pods that there should be.
Metric = Callable[[Sequence[Sample], int], float]


def _mean(samples: Sequence[Sample], number: Callable[[Sample], float]) -> float:
    return sum(map(number, samples)) / len(samples)


def cpu(samples: Sequence[Sample], slots: int) -> float:
    """Return the pods for the use of the CPU: the mean of 30 s, 15 s old, as the metrics server tells it.

    A busy pod uses all of its CPU, however many calls wait: no more than 1 / BUSY times the pods that are
    ready are ever asked for.
    """
    seen = samples[-(45 // SAMPLE_S) : -(15 // SAMPLE_S)] or samples[:1]
    return samples[-1].ready * _mean(seen, lambda one: one.running / (one.ready * slots)) / BUSY


def concurrency(samples: Sequence[Sample], slots: int) -> float:
    """Return the pods for the calls that run or wait: the mean of a minute, as Knative takes it."""
    seen = samples[-(60 // SAMPLE_S) :]
    return _mean(seen, lambda one: one.running + one.waiting) / (BUSY * slots)


def waiting(samples: Sequence[Sample], slots: int) -> float:
    """Return the pods for the gauge of waiting calls alone, as Prometheus has read it up to 15 s ago."""
    return samples[-(15 // SAMPLE_S) :][0].waiting / (WAITING * slots)


def gauges(samples: Sequence[Sample], slots: int) -> float:
    """Return the pods for both gauges: waiting calls tell that there are too few, running ones how many."""
    running = samples[-(15 // SAMPLE_S) :][0].running / (BUSY * slots)
    return max(waiting(samples, slots), running)


class Autoscaler:
    """Decides by a metric, as a HorizontalPodAutoscaler does.

    Args:
        metric: what it asks for.
        slots: calls that a pod runs at a time.
        least: pods at the least.
        most: pods at the most.
    """

    def __init__(self, metric: Metric, *, slots: int, least: int, most: int) -> None:
        self._metric = metric
        self._slots = slots
        self._least, self._most = least, most
        self._asked: deque[int] = deque(maxlen=_STABLE_S // EVERY_S)

    def decide(self, samples: Sequence[Sample], size: int) -> int:
        """Return how many pods there should be.

        Args:
            samples: all that were taken so far, the last one now.
            size: pods that there are, those that start included.
        """
        wanted = self._metric(samples, self._slots)
        wanted = size if abs(wanted / size - 1) <= _TOLERANCE else ceil(wanted)
        self._asked.append(wanted)
        wanted = max(wanted, min(size, max(self._asked)))
        return max(self._least, min(self._most, wanted, max(2 * size, size + _MORE)))
