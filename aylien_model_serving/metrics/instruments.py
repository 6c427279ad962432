"""Every Prometheus instrument of a service, declared in one place.

No Flask. The series of requests are those of prometheus-flask-exporter, grouped by endpoint; ours
start with model_serving_. Labels come from routes, never from raw paths or methods.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from aylien_model_serving.metrics import mapped_values
from aylien_model_serving.metrics.scrape import SERVICE, Scrape

#: The label value that all paths without a route share.
UNMATCHED = "unmatched"

#: The label value that all methods and statuses share that HTTP does not define.
OTHER = "other"

#: A gauge of which each process counts a part, and another one is read at a scrape; see `gauges`.
WAITING, WAITING_HELP = (
    "model_serving_runner_waiting",
    "Calls that wait for a replica, or in a replica's queue",
)

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"})
_numbers = itertools.count()


class FastHistogram(Histogram):
    """A histogram for the hot path: every request observes two, whose labels were chosen beforehand.

    The parent compares with one bucket after the other, and checks its labels at each observation.
    """

    def observe(self, amount: float, exemplar: dict[str, str] | None = None) -> None:
        bucket = self._buckets[bisect_left(self._upper_bounds, amount)]
        with mapped_values.lock:
            self._sum.cell[0] += amount
            bucket.cell[0] += 1

    def observe_all(self, amounts: Sequence[float]) -> None:
        """Observe several amounts at once."""
        found = [bisect_left(self._upper_bounds, amount) for amount in amounts]
        with mapped_values.lock:
            self._sum.cell[0] += sum(amounts)
            for place in set(found):
                self._buckets[place].cell[0] += found.count(place)


class Instruments:
    """The instruments of one service.

    Args:
        number: distinguishes the service from others of its process; a replica gets that of its web worker.
    """

    def __init__(self, number: str | None = None) -> None:
        self.number = str(next(_numbers)) if number is None else number
        self._registry = CollectorRegistry()
        self._durations = self._histogram(
            "flask_http_request_duration_seconds",
            "Flask HTTP request duration in seconds",
            "method",
            "endpoint",
            "status",
        )
        self._totals = self._counter(
            "flask_http_request_total", "Total number of HTTP requests", "method", "status"
        )
        self._exceptions = self._counter(
            "flask_http_request_exceptions_total",
            "Total number of HTTP requests which resulted in an exception",
            "method",
            "status",
        )
        self._cache = self._counter(
            "model_serving_cache_total", "Look-ups in the cache of answers", "endpoint", "result"
        )
        self._limited = self._counter(
            "model_serving_limited_total", "Calls that a route's limit refused", "endpoint", "limit"
        )
        self._handlers = self._histogram(
            "model_serving_handler_seconds",
            "Time that a handler took for one call, in seconds",
            "endpoint",
        )
        self._quick = self._gauge(
            "model_serving_handler_quick",
            "1 where a handler is quick enough to run on an event loop or hub, 0 where it gets a thread",
            "endpoint",
            mode="livemin",
        )
        self._waiting = self._gauge(WAITING, WAITING_HELP, "runner", mode="livesum")
        self._scraped = CollectorRegistry()
        self._requests: dict[tuple[str, int, str], tuple[Histogram, Counter]] = {}
        self._hits: dict[tuple[str, str], mapped_values.Value] = {}

    def _counter(self, name: str, documentation: str, *labels: str) -> Counter:
        return Counter(name, documentation, (*labels, SERVICE), registry=self._registry)

    def _histogram(self, name: str, documentation: str, *labels: str) -> FastHistogram:
        return FastHistogram(name, documentation, (*labels, SERVICE), registry=self._registry)

    def _gauge(
        self, name: str, documentation: str, *labels: str, mode: Literal["livemin", "livesum"]
    ) -> Gauge:
        return Gauge(name, documentation, (*labels, SERVICE), registry=self._registry, multiprocess_mode=mode)

    def expect(
        self, endpoint: str, methods: Iterable[str], *, status: int = 200, is_cached: bool = False
    ) -> None:
        """Create the series of a route at zero, so that rates and alerts have them before its first request.

        Other statuses are known only once a route answers with them: their series come with that request. So
        do the durations of status 500, though it is known: a histogram is more than a dozen series, and
        those of many routes would be most of a scrape.

        Args:
            endpoint: the route's name.
            methods: the HTTP methods that it answers.
            status: of an answer without an error.
            is_cached: whether its answers are cached.
        """
        for method in methods:
            self._open((method, status, endpoint))
            self._totals.labels(_method_label(method), 500, self.number)
            self._exceptions.labels(_method_label(method), 500, self.number)
        if is_cached:
            for result in ("hit", "miss"):
                self._open_cache((endpoint, result))

    def count_request(self, method: str, status: int, endpoint: str, seconds: float) -> None:
        """Count one answered request.

        Args:
            endpoint: the route's name, or `UNMATCHED`.
            seconds: from the arrival of the request to its answer.
        """
        key = (method, status, endpoint)
        duration, total = self._requests.get(key) or self._open(key)
        bucket = duration._buckets[bisect_left(duration._upper_bounds, seconds)]
        with mapped_values.lock:
            duration._sum.cell[0] += seconds
            bucket.cell[0] += 1
            total._value.cell[0] += 1

    def _open(self, key: tuple[str, int, str]) -> tuple[Histogram, Counter]:
        """Create the series of a request, and keep them: looking labels up costs more than counting."""
        method, status = _method_label(key[0]), _status_label(key[1])
        children = (
            self._durations.labels(method, key[2], status, self.number),
            self._totals.labels(method, status, self.number),
        )
        if (method, status) == key[:2]:
            self._requests[key] = children
        return children

    def count_exception(self, method: str, status: int) -> None:
        """Count a request that the service failed."""
        self._exceptions.labels(_method_label(method), _status_label(status), self.number).inc()

    def count_cache(self, endpoint: str, result: str) -> None:
        """Count a look-up in the cache; the result is "hit" or "miss"."""
        key = (endpoint, result)
        (self._hits.get(key) or self._open_cache(key)).inc(1)

    def _open_cache(self, key: tuple[str, str]) -> mapped_values.Value:
        value: mapped_values.Value = self._cache.labels(*key, self.number)._value
        self._hits[key] = value
        return value

    def count_limited(self, endpoint: str, limit: str) -> None:
        """Count a call that a route's limit refused; the limit is "rate" or "concurrent"."""
        self._limited.labels(endpoint, limit, self.number).inc()

    def expect_limited(self, endpoint: str, limits: Iterable[str]) -> None:
        """Create the series of a route's limits at zero, as `expect` does those of the route."""
        for limit in limits:
            self._limited.labels(endpoint, limit, self.number)

    def of_handler(self, endpoint: str) -> HandlerInstruments:
        """Return the instruments of one handler."""
        return HandlerInstruments(
            self._handlers.labels(endpoint, self.number), lambda: self._quick.labels(endpoint, self.number)
        )

    def waiting_for_replica(self, runner: str) -> Callable[[float], None]:
        """Return what sets the number of this process's calls that wait for a replica of a runner."""
        return self._waiting.labels(runner, self.number).set

    def add(self, scraped: Collector) -> None:
        """Add a collector that the process which answers a scrape reads for the whole service."""
        self._scraped.register(scraped)

    def samples(self, names: frozenset[str]) -> Iterator[Sample]:
        """Yield the samples of some series, of all processes of the service, as in a scrape."""
        for metric in Scrape(self._registry, self.number, names).collect():
            yield from metric.samples

    def scrape(self, accept: str, names: list[str] | None = None) -> tuple[bytes, str]:
        """Return the metrics of all processes and their media type, in the format that Accept prefers.

        Args:
            accept: the value of the Accept header.
            names: return these series only.
        """
        registry = CollectorRegistry()
        registry.register(Scrape(self._registry, self.number, frozenset(names or ()), self._scraped))
        encode, media_type = choose_encoder(accept)
        return encode(registry), media_type


class HandlerInstruments:
    """The instruments of one handler, with their labels chosen.

    Args:
        seconds: the durations of its runs.
        quick: creates the gauge that says whether it is quick, at the first change.
    """

    def __init__(self, seconds: Histogram, quick: Callable[[], Gauge]) -> None:
        self.ran = seconds.observe
        self._quick = quick

    def speed_changed(self, quick: bool) -> None:
        """Show that the handler counts as quick, or no more."""
        self._quick().set(quick)


def _method_label(method: str) -> str:
    return method if method in _METHODS else OTHER


def _status_label(status: int) -> int | str:
    """Return a status of RFC 9110, section 15; a handler may answer with any number that a client names."""
    return status if 100 <= status <= 599 else OTHER
