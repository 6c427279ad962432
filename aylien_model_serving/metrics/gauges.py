"""Gauges that are read when they are scraped, by the process that answers: how long queues are.

No Flask. Each number is that of the whole service, so that the processes' scrapes are not to be added up.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from prometheus_client import Metric
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.registry import Collector

from aylien_model_serving.metrics.instruments import SERVICE, WAITING, WAITING_HELP

logger = logging.getLogger(__name__)

#: Values of the labels → number.
Numbers = Mapping[tuple[str, ...], float]

#: Seconds for which a reading serves further scrapes.
_MAX_AGE = 1.0

#: Seconds for which a reading serves per second that it took, so that it costs a 20th of a core at most.
_MAX_AGE_PER_SECOND = 20


class ScrapedGauge(Collector):
    """A gauge whose samples are read at a scrape, at most once a second.

    Args:
        name: of the metric.
        documentation: its help text.
        labels: names of its labels.
    """

    def __init__(self, name: str, documentation: str, labels: Sequence[str]) -> None:
        self.name = name
        self._documentation = documentation
        self._labels = labels
        self._lock = threading.Lock()
        self._fresh_until = -math.inf
        self._numbers: Numbers = {}

    @abstractmethod
    def read(self) -> Numbers:
        """Return the numbers, by the values of the labels."""

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterable[Metric]:
        metric = GaugeMetricFamily(self.name, self._documentation, labels=self._labels)
        for values, number in self._current().items():
            metric.add_metric(values, number)
        yield metric

    def _current(self) -> Numbers:
        """Return the last reading, or another one; where that fails, none: the other metrics are scraped."""
        with self._lock:
            since = time.monotonic()
            if since > self._fresh_until:
                try:
                    self._numbers = self.read()
                except Exception as error:
                    self._numbers = {}
                    logger.warning("%s can't be read: %s", self.name, error)
                now = time.monotonic()
                self._fresh_until = now + max(_MAX_AGE, (now - since) * _MAX_AGE_PER_SECOND)
            return self._numbers


class JobsGauge(ScrapedGauge):
    """The jobs that are kept, by route and status.

    Args:
        routes: names of the routes whose calls are kept as jobs.
        statuses: of jobs; each is shown, at zero too.
        count: returns the jobs by route and status, from the store that all processes share.
    """

    def __init__(
        self,
        routes: Iterable[str],
        statuses: Iterable[str],
        count: Callable[[], Mapping[str, Mapping[Any, int]]],
    ) -> None:
        super().__init__("model_serving_jobs", "Jobs that are kept, by route and status", ("route", "status"))
        statuses = tuple(statuses)
        self._zeros: Numbers = {(route, status): 0.0 for route in routes for status in statuses}
        self._count = count

    def read(self) -> Numbers:
        kept: Numbers = {
            (route, status): number
            for route, numbers in self._count().items()
            for status, number in numbers.items()
        }
        return {**self._zeros, **kept}


class RunnerQueuesGauge(ScrapedGauge):
    """The calls that wait in the queues of runners' replicas.

    A scrape adds the calls that wait for a replica, which every process counts in an instrument of this name.

    Args:
        number: of the service.
        describe: by the runner's name, what returns the state of each of its replicas, with its process id
            and, where it answers, the calls that are `waiting`.
    """

    def __init__(
        self, number: str, describe: Mapping[str, Callable[[], Iterable[Mapping[str, Any]]]]
    ) -> None:
        super().__init__(WAITING, WAITING_HELP, ("runner", SERVICE))
        self._number = number
        self._describe = describe
        self._known: dict[str, dict[Any, float]] = {}

    def read(self) -> Numbers:
        """Return the sums; a replica that does not answer counts with what it had at its last answer."""
        for runner, describe in self._describe.items():
            before = self._known.get(runner, {})
            self._known[runner] = {
                replica["pid"]: float(replica.get("waiting", before.get(replica["pid"], 0)))
                for replica in describe()
            }
        return {(runner, self._number): sum(known.values()) for runner, known in self._known.items()}
