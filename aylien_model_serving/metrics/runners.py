"""Prometheus instruments of a runner, recorded by its replicas in the service's metric files.

No Flask. One scrape shows them together with the instruments of the web workers.
"""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import Counter, Gauge

from aylien_model_serving.metrics.instruments import FastHistogram, Instruments
from aylien_model_serving.metrics.scrape import SERVICE

#: The gauge of calls that run.
IN_FLIGHT = "model_serving_runner_in_flight"

#: Seconds; a call that waits for a batch waits for a few milliseconds.
_WAITS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

#: Items.
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


class RunnerInstruments:
    """The instruments of one replica.

    Args:
        name: the runner's name.
        instruments: of the replica's service.
    """

    def __init__(self, name: str, instruments: Instruments) -> None:
        labels, values = ("runner", SERVICE), (name, instruments.number)
        self._waits = FastHistogram(
            "model_serving_runner_queue_seconds",
            "Time that a call waited in a replica before its handler ran, in seconds",
            labels,
            buckets=_WAITS,
            registry=None,
        ).labels(*values)
        self._sizes = FastHistogram(
            "model_serving_runner_batch_size",
            "Calls that one run of a handler answered",
            labels,
            buckets=_SIZES,
            registry=None,
        ).labels(*values)
        self._in_flight = Gauge(
            IN_FLIGHT,
            "Calls that handlers are running",
            labels,
            registry=None,
            multiprocess_mode="livesum",
        ).labels(*values)
        self._restarts = Counter(
            "model_serving_runner_restarts_total",
            "Times that a replica was started again",
            labels,
            registry=None,
        ).labels(*values)
        self._healthy = Gauge(
            "model_serving_runner_healthy",
            "Replicas whose handlers have said that they are well, where they have a health()",
            labels,
            registry=None,
            multiprocess_mode="livesum",
        )
        self._dropped = Counter(
            "model_serving_runner_dropped_total",
            "Calls that nobody waited for any more when their turn came",
            ("reason", *labels),
            registry=None,
        )
        for reason in ("expired", "abandoned"):
            self._dropped.labels(reason, *values)
        self._values = values
        self._handler = instruments.of_handler(name)

    def starts(self, waits: Sequence[float]) -> None:
        """Record that a run begins, whose calls have waited for so many seconds each."""
        self._in_flight.inc(len(waits))
        self._waits.observe_all(waits)

    def ended(self, size: int, seconds: float) -> None:
        """Record that a run of `size` calls has ended, after so many seconds."""
        self._in_flight.dec(size)
        self._sizes.observe(size)
        self._handler.ran(seconds)

    def told(self, waits: Sequence[float], runs: Sequence[tuple[int, float]]) -> None:
        """Record what a replica on another machine tells of its calls' waits and of its runs that ended."""
        self._waits.observe_all(waits)
        for size, seconds in runs:
            self._sizes.observe(size)
            self._handler.ran(seconds)

    def dropped(self, reason: str) -> None:
        """Count a call that was "expired" or "abandoned"."""
        self._dropped.labels(reason, *self._values).inc()

    def set_healthy(self, healthy: bool) -> None:
        """Record whether the handler has said that it is well."""
        self._healthy.labels(*self._values).set(healthy)

    def restarted(self) -> None:
        """Count a restart."""
        self._restarts.inc()
