"""Gauges that are read when they are scraped, by the process that answers: how long queues are.

No Flask. Each number is that of the whole service, so that the processes' scrapes are not to be added up.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from abc import abstractmethod
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from prometheus_client import Metric
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.registry import Collector

from aylien_model_serving.metrics.instruments import WAITING, WAITING_HELP
from aylien_model_serving.metrics.scrape import SERVICE

logger = logging.getLogger(__name__)

#: The gauge of jobs, which is the same in all processes that share a store.
JOBS = "model_serving_jobs"

#: Values of the labels → number.
Numbers = Mapping[tuple[str, ...], float]

#: What asks one replica for its status, which is empty where the replica does not answer.
StatusCall = Callable[[], Mapping[str, Any]]

#: Seconds for which a reading serves further scrapes.
_MAX_AGE = 1.0

#: Seconds between two attempts of a scrape that waits while another one reads.
_POLL_SECONDS = 0.01

#: Seconds that a reading waits for the replicas, all of them together.
_REPLICAS_SECONDS = 1.0

#: Seconds that a scrape waits for the number of jobs, and for which the last ones are shown where it is late.
_JOBS_SECONDS, _LAST_JOBS_SECONDS = 1.0, 120.0

#: Replicas that are asked at the same time.
_MAX_THREADS = 32


class ScrapedGauge(Collector):
    """A gauge whose samples are read at a scrape, at most once a second.

    The lock may have been made before gevent patched threads: a scrape that blocked on it would hold up the
    hub, and with it the scrape that has the lock.

    Args:
        name: of the metric.
        documentation: its help text.
        labels: names of its labels.
    """

    #: Seconds for which a reading serves per second that it took, and at most.
    age_per_second = 0.0
    age_limit = _MAX_AGE

    def __init__(self, name: str, documentation: str, labels: Sequence[str]) -> None:
        self.name = name
        self._documentation = documentation
        self._labels = labels
        self._lock = threading.Lock()
        self._fresh_until = -math.inf
        self._numbers: Numbers = {}
        self._is_failing = False

    @abstractmethod
    def read(self) -> Numbers:
        """Return the numbers, by the values of the labels."""

    def describe(self) -> Iterable[Metric]:
        return [GaugeMetricFamily(self.name, self._documentation, labels=self._labels)]

    def collect(self) -> Iterable[Metric]:
        metric = GaugeMetricFamily(self.name, self._documentation, labels=self._labels)
        for values, number in self._current().items():
            metric.add_metric(values, number)
        yield metric

    def _current(self) -> Numbers:
        """Return the last reading, or another one; where that fails, none: the other metrics are scraped."""
        while not self._lock.acquire(blocking=False):
            time.sleep(_POLL_SECONDS)
        try:
            since = time.monotonic()
            if since > self._fresh_until:
                try:
                    self._numbers = self.read()
                    self._is_failing = False
                except Exception as error:
                    self._numbers = {}
                    if not self._is_failing:
                        logger.warning("%s can't be read: %s", self.name, error)
                    self._is_failing = True
                now = time.monotonic()
                age = max(_MAX_AGE, (now - since) * self.age_per_second)
                self._fresh_until = now + min(age, self.age_limit)
            return self._numbers
        finally:
            self._lock.release()


class JobsGauge(ScrapedGauge):
    """The jobs that are kept, by route and status.

    They are counted on a thread: a store that hangs, on another machine say, delays a scrape by a second, and
    its last numbers are shown for two minutes. Those of a store that fails are not shown.

    Args:
        routes: names of the routes whose calls are kept as jobs.
        statuses: of jobs; each is shown, at zero too.
        count: returns the jobs by route and status, from the store that all processes share.
    """

    #: A reading costs the store's CPU time: a 20th of a core at most, for as long as it takes 1.5 s or less.
    age_per_second = 20.0
    age_limit = 30.0

    def __init__(
        self,
        routes: Iterable[str],
        statuses: Iterable[str],
        count: Callable[[], Mapping[str, Mapping[Any, int]]],
    ) -> None:
        super().__init__(JOBS, "Jobs that are kept, by route and status", ("route", "status"))
        statuses = tuple(statuses)
        self._zeros: Numbers = {(route, status): 0.0 for route in routes for status in statuses}
        self._count = count
        self._thread: threading.Thread | None = None
        self._error: Exception | None = None
        self._counted: Numbers = {}
        self._counted_at = -math.inf

    def read(self) -> Numbers:
        """Return the numbers, or the last ones where counting takes long.

        Raises:
            TimeoutError: it takes too long, and the last ones are too old.
        """
        if self._thread is None or not self._thread.is_alive():
            self._error = None
            self._thread = threading.Thread(target=self._run, name="model-serving-jobs-gauge", daemon=True)
            self._thread.start()
        self._thread.join(_JOBS_SECONDS)
        if self._error is not None:
            raise self._error
        if self._thread.is_alive() and time.monotonic() > self._counted_at + _LAST_JOBS_SECONDS:
            raise TimeoutError(f"the store has not answered within {_JOBS_SECONDS:g} s")
        return {**self._zeros, **self._counted}

    def _run(self) -> None:
        try:
            self._counted = {
                (route, status): number
                for route, numbers in self._count().items()
                for status, number in numbers.items()
            }
            self._counted_at = time.monotonic()
        except Exception as error:
            self._error = error


class RunnerReplicasGauge(ScrapedGauge):
    """The replicas of runners, by state.

    Args:
        number: of the service.
        states: of replicas; each is shown, at zero too.
        replicas: by the runner's name, returns the state of each of its replicas.
    """

    def __init__(
        self, number: str, states: Iterable[str], replicas: Mapping[str, Callable[[], Iterable[str]]]
    ) -> None:
        labels = ("runner", "state", SERVICE)
        super().__init__("model_serving_runner_replicas", "Replicas of a runner, by state", labels)
        self._number = number
        self._states = tuple(states)
        self._replicas = replicas

    def read(self) -> Numbers:
        counts = {runner: Counter(states()) for runner, states in self._replicas.items()}
        return {
            (runner, state, self._number): float(count[state])
            for runner, count in counts.items()
            for state in self._states
        }


class RunnerQueuesGauge(ScrapedGauge):
    """The calls that wait in the queues of runners' replicas.

    A scrape adds the calls that wait for a replica, which every process counts in an instrument of this name.

    All replicas of all runners are asked at once, and have a second together: replicas that are stalled delay
    a scrape by that much, however many they are, and keep no other replica's number from being read.

    Args:
        number: of the service.
        replicas: by the runner's name, returns what asks each of its replicas, by process id, for its status,
            with the calls that are `waiting` where it answers.
    """

    def __init__(self, number: str, replicas: Mapping[str, Callable[[], Mapping[int, StatusCall]]]) -> None:
        super().__init__(WAITING, WAITING_HELP, ("runner", SERVICE))
        self._number = number
        self._replicas = replicas
        self._waiting: dict[tuple[str, int], float] = {}
        self._asked: set[tuple[str, int]] = set()

    def read(self) -> Numbers:
        """Return the sums; a replica that does not answer counts with what it had at its last answer."""
        calls = {
            (runner, pid): call
            for runner, replicas in self._replicas.items()
            for pid, call in replicas().items()
        }
        self._waiting = {key: self._waiting.get(key, 0.0) for key in calls}
        self._ask(calls)
        sums = dict.fromkeys(self._replicas, 0.0)
        for (runner, _), waiting in self._waiting.items():
            sums[runner] += waiting
        return {(runner, self._number): waiting for runner, waiting in sums.items()}

    def _ask(self, calls: Mapping[tuple[str, int], StatusCall]) -> None:
        """Ask the replicas, but for those that an earlier reading still asks, and wait for their answers."""
        left = deque(item for item in calls.items() if item[0] not in self._asked)
        until = time.monotonic() + _REPLICAS_SECONDS
        threads = [
            threading.Thread(
                target=self._ask_next, args=(left, until), name="model-serving-runner-queues", daemon=True
            )
            for _ in range(min(len(left), _MAX_THREADS))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _ask_next(self, left: deque[tuple[tuple[str, int], StatusCall]], until: float) -> None:
        """Ask one replica after the other; an answer that comes late is in the next reading."""
        while left and time.monotonic() < until:
            try:
                key, call = left.popleft()
            except IndexError:  # another thread has taken the last one
                return
            self._asked.add(key)
            try:
                waiting = call().get("waiting")
            except Exception as error:
                logger.warning("%s can't be read from a replica of %s: %s", self.name, key[0], error)
            else:
                if waiting is not None and key in self._waiting:
                    self._waiting[key] = float(waiting)
            finally:
                self._asked.discard(key)
