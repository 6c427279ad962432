"""One run: calls arrive, pods take or refuse them, and an autoscaler looks at both."""

import random
from typing import NamedTuple

from bench.scale.arrivals import LOADS
from bench.scale.fleet import Fleet
from bench.scale.scalers import BUSY, EVERY_S, SAMPLE_S, Autoscaler, Metric, Sample, concurrency, cpu, gauges
from bench.scale.scalers import waiting as waiting_alone
from bench.scale.service_times import ServiceTimes

#: What decides how many pods there are, by its name; None for as many as the peak needs, all the time.
SCALERS: dict[str, Metric | None] = {
    "fixed": None,
    "cpu": cpu,
    "concurrency": concurrency,
    "waiting": waiting_alone,
    "gauges": gauges,
}

#: How many times the pods of the mean load an autoscaler may ask for.
_MOST = 10


class Plan(NamedTuple):
    """What is simulated.

    Args:
        load: its kind, one of `LOADS`.
        scaler: what decides how many pods there are, one of `SCALERS`.
        pods: that the mean load keeps busy, each for `BUSY` of the time.
        cold_start: seconds until a pod is ready.
        seconds: of the load.
        slots: calls that a pod runs at a time.
        queue: calls that may wait in a pod.
        seed: of all chances.
    """

    load: str
    scaler: str
    pods: int
    cold_start: float
    seconds: int = 3600
    slots: int = 1
    queue: int = 20
    seed: int = 1


class Outcome(NamedTuple):
    """What came of it.

    Args:
        arrived: calls.
        begun: those that have run, or run when the load ends.
        refused: those that no queue had room for.
        waiting: those that wait when the load ends.
        p50: seconds that half of the calls have waited less than.
        p99: that 99 of a hundred have.
        pod_hours: what the pods cost.
        work_hours: the calls' own time, without which no pod could do.
        sizes: pods that are ready, of each 5 s.
    """

    arrived: int
    begun: int
    refused: int
    waiting: int
    p50: float
    p99: float
    pod_hours: float
    work_hours: float
    sizes: list[int]


def simulate(plan: Plan, times: ServiceTimes) -> Outcome:
    """Return the outcome of a plan; the same plan has the same outcome."""
    source = random.Random(plan.seed)
    load = LOADS[plan.load](plan.seconds, plan.pods * plan.slots * BUSY / times.mean, source)
    metric = SCALERS[plan.scaler]

    def pods_for(rate: float) -> int:
        return max(1, round(rate * times.mean / (plan.slots * BUSY)))

    start = pods_for(load.peak if metric is None else load.rates[0])
    fleet = Fleet(start, slots=plan.slots, queue=plan.queue, cold_start=plan.cold_start, source=source)
    watch = _Watch(plan, metric, fleet)
    arrived, work = 0, 0.0
    for now in load.arrivals(source):
        while now >= watch.next_at:
            watch.look()
        seconds = times.draw(source)
        arrived += 1
        work += seconds
        fleet.offer(now, seconds)
    while watch.next_at <= plan.seconds:
        watch.look()
    return _outcome(fleet, watch, arrived, work, float(plan.seconds))


class _Watch:
    """Samples the fleet, and changes its size when the autoscaler says so."""

    def __init__(self, plan: Plan, metric: Metric | None, fleet: Fleet) -> None:
        least = max(1, round(plan.pods / _MOST))
        most = max(4, plan.pods * _MOST)
        self._scaler = metric and Autoscaler(metric, slots=plan.slots, least=least, most=most)
        self._fleet = fleet
        self._samples: list[Sample] = []
        self.sizes: list[int] = []
        self.next_at = SAMPLE_S

    def look(self) -> None:
        now = float(self.next_at)
        ready = self._fleet.ready(now)
        self._samples.append(Sample(ready, *self._fleet.running_and_waiting(now)))
        self.sizes.append(ready)
        if self._scaler is not None and self.next_at % EVERY_S == 0:
            self._fleet.resize(now, self._scaler.decide(self._samples, self._fleet.size))
        self.next_at += SAMPLE_S


def _outcome(fleet: Fleet, watch: _Watch, arrived: int, work: float, end: float) -> Outcome:
    waiting = fleet.still_waiting(end)
    waits = sorted(fleet.waits)
    return Outcome(
        arrived=arrived,
        begun=len(waits) - waiting,
        refused=fleet.refused,
        waiting=waiting,
        p50=_quantile(waits, 0.5),
        p99=_quantile(waits, 0.99),
        pod_hours=fleet.pod_seconds(end) / 3600,
        work_hours=work / 3600,
        sizes=watch.sizes,
    )


def _quantile(ordered: list[float], share: float) -> float:
    return ordered[int(share * (len(ordered) - 1))] if ordered else 0.0
