"""Gauges that are read when they are scraped, by the process that answers: how long queues are.

No Flask. Each number is that of the whole service, so that the processes' scrapes are not to be added up.
"""

from __future__ import annotations

import logging
import threading
import time
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from prometheus_client import Gauge, Metric
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.registry import Collector

from aylien_model_serving.metrics.instruments import SERVICE, Instruments

logger = logging.getLogger(__name__)

#: Seconds for which a reading serves further scrapes.
_MAX_AGE = 1.0

JOBS = "model_serving_jobs"
WAITING = "model_serving_runner_waiting"

_WAITING_HELP = "Calls that wait for a replica, or in a replica's queue"


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
        self._read_at: float | None = None
        self._numbers: Mapping[tuple[str, ...], float] = {}

    @abstractmethod
    def read(self) -> Mapping[tuple[str, ...], float]:
        """Return the numbers, by the values of the labels."""

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterable[Metric]:
        metric = GaugeMetricFamily(self.name, self._documentation, labels=self._labels)
        for values, number in self._current().items():
            metric.add_metric(values, number)
        yield metric

    def _current(self) -> Mapping[tuple[str, ...], float]:
        """Return the last reading, or another one; where that fails, none: the other metrics are scraped."""
        with self._lock:
            now = time.monotonic()
            if self._read_at is None or now > self._read_at + _MAX_AGE:
                try:
                    self._numbers = self.read()
                except Exception as error:
                    self._numbers = {}
                    logger.warning("%s can't be read: %s", self.name, error)
                self._read_at = now
            return self._numbers


class JobsGauge(ScrapedGauge):
    """The jobs that are kept, by route and status.

    Args:
        routes: names of the routes whose calls are kept as jobs.
        statuses: of jobs; each is shown, at zero too.
        count: returns the jobs of each route and status that has any, from the store that all processes share.
    """

    def __init__(
        self, routes: Iterable[str], statuses: Iterable[str], count: Callable[[], Mapping[str, Mapping[Any, int]]]
    ) -> None:
        super().__init__(JOBS, "Jobs that are kept, by route and status", ("route", "status"))
        statuses = tuple(statuses)
        self._zeros = {(route, status): 0.0 for route in routes for status in statuses}
        self._count = count

    def read(self) -> Mapping[tuple[str, ...], float]:
        counts = self._count()
        kept = {(route, status): float(n) for route, of in counts.items() for status, n in of.items()}
        return {**self._zeros, **kept}


class RunnerQueueGauge(ScrapedGauge):
    """The calls that wait in the queues of a runner's replicas.

    Args:
        runner: its name.
        number: of the service.
        describe: returns the state of each replica, with its number and, where it answers, its `waiting`.
    """

    def __init__(self, runner: str, number: str, describe: Callable[[], Iterable[Mapping[str, Any]]]) -> None:
        super().__init__(WAITING, _WAITING_HELP, ("runner", SERVICE))
        self._values = (runner, number)
        self._describe = describe
        self._known: dict[Any, float] = {}

    def read(self) -> Mapping[tuple[str, ...], float]:
        """Return the sum; a replica that does not answer counts with what it had at its last answer."""
        replicas = {replica.get("pid"): replica for replica in self._describe()}
        self._known = {
            pid: float(replica.get("waiting", self._known.get(pid, 0))) for pid, replica in replicas.items()
        }
        return {self._values: sum(self._known.values())}


def waiting_for_replica(runner: str, instruments: Instruments) -> Callable[[float], None]:
    """Return what sets the number of this process's calls that wait for a replica of a runner.

    A scrape adds up these numbers of all processes, and those of `RunnerQueueGauge`.
    """
    gauge = Gauge(WAITING, _WAITING_HELP, ("runner", SERVICE), registry=None, multiprocess_mode="livesum")
    instruments.register(gauge)
    return gauge.labels(runner, instruments.number).set
