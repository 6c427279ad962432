"""Every instrument of a service, declared once.

Floor 1: no Flask. The series of requests are those of prometheus-flask-exporter, grouped by endpoint; ours
start with model_serving_. Labels come from routes, never from raw paths or methods.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections.abc import Callable, Iterable
from copy import copy
from importlib.metadata import version

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from aylien_model_serving import metric_files

#: The label value that all paths without a route share.
UNMATCHED = "unmatched"

#: Tells the services of one process apart where all of them write to the same files; never shown.
_SERVICE = "_model_serving_service"

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"})
_numbers = itertools.count()


class QuickHistogram(Histogram):
    """A histogram of which labels have been chosen before it observes; two of it are in the way of a request.

    The parent looks for the bucket one by one, and at each observation for labels that are missing.
    """

    def observe(self, amount: float, exemplar: dict[str, str] | None = None) -> None:
        self._sum.inc(amount)
        self._buckets[bisect_left(self._upper_bounds, amount)].inc(1)


class Instruments:
    """The instruments of one service."""

    def __init__(self) -> None:
        self._number = str(next(_numbers))
        self._registry = CollectorRegistry()
        self._durations = QuickHistogram(
            "flask_http_request_duration_seconds",
            "Flask HTTP request duration in seconds",
            ("method", "endpoint", "status", _SERVICE),
            registry=self._registry,
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
        self._handlers = QuickHistogram(
            "model_serving_handler_seconds",
            "Time that a handler took for one call, in seconds",
            ("endpoint", _SERVICE),
            registry=self._registry,
        )
        self._quick = Gauge(
            "model_serving_handler_quick",
            "1 where a handler is quick enough to run on an event loop or hub, 0 where it gets a thread",
            ("endpoint", _SERVICE),
            registry=self._registry,
            multiprocess_mode="livemin",
        )
        self._requests: dict[tuple[str, int, str], tuple[Histogram, Counter]] = {}
        self._hits: dict[tuple[str, str], Counter] = {}

    def _counter(self, name: str, documentation: str, *labels: str) -> Counter:
        return Counter(name, documentation, (*labels, _SERVICE), registry=self._registry)

    def count_request(self, method: str, status: int, endpoint: str, seconds: float) -> None:
        """Count one answered request.

        Args:
            endpoint: the route's name, or `UNMATCHED`.
            seconds: from the first look at the request to its answer.
        """
        key = (method, status, endpoint)
        found = self._requests.get(key) or self._open(key)
        found[0].observe(seconds)
        found[1].inc()

    def _open(self, key: tuple[str, int, str]) -> tuple[Histogram, Counter]:
        """Look the labels up once: it costs more than the counting."""
        method = _method_label(key[0])
        children = (
            self._durations.labels(method, key[2], key[1], self._number),
            self._totals.labels(method, key[1], self._number),
        )
        if method == key[0]:
            self._requests[key] = children
        return children

    def count_exception(self, method: str, status: int) -> None:
        """Count a request that the service failed."""
        self._exceptions.labels(_method_label(method), status, self._number).inc()

    def count_cache(self, endpoint: str, result: str) -> None:
        """Count a look-up in the cache; the result is "hit" or "miss"."""
        key = (endpoint, result)
        child = self._hits.get(key)
        if child is None:
            child = self._hits[key] = self._cache.labels(*key, self._number)
        child.inc()

    def of_handler(self, endpoint: str) -> HandlerInstruments:
        """Return the instruments of one handler."""
        return HandlerInstruments(
            self._handlers.labels(endpoint, self._number), lambda: self._quick.labels(endpoint, self._number)
        )

    def scrape(self, accept: str, names: list[str] | None = None) -> tuple[bytes, str]:
        """Return the whole service's metrics and their media type, in the format that Accept prefers.

        Args:
            accept: the value of the Accept header.
            names: return these series only.
        """
        registry = CollectorRegistry()
        registry.register(_Scrape(self._registry, self._number, frozenset(names or ())))
        encode, media_type = choose_encoder(accept)
        return encode(registry), media_type


class HandlerInstruments:
    """The instruments of one handler, their labels looked up once.

    Args:
        seconds: the times of its runs.
        quick: opens the gauge of its pace, at the first change.
    """

    def __init__(self, seconds: Histogram, quick: Callable[[], Gauge]) -> None:
        self.ran = seconds.observe
        self._quick = quick

    def changed_pace(self, quick: bool) -> None:
        """Show that the handler counts as quick, or no more."""
        self._quick().set(quick)


class _Scrape(Collector):
    """What one service shows: its own series, and those that its handlers keep in the default registry."""

    def __init__(self, registry: CollectorRegistry, number: str, names: frozenset[str]) -> None:
        self._registry = registry
        self._number = number
        self._names = names

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterable[Metric]:
        if metric_files.FOLDER is not None:
            found = metric_files.collect(metric_files.FOLDER)
        else:
            found = [*self._registry.collect(), *REGISTRY.collect()]
        for metric in (*found, _exporter_info()):
            shown = copy(metric)  # a collector may hand out the same one each time
            shown.samples = list(self._shown(metric.samples))
            if shown.samples:
                yield shown

    def _shown(self, samples: Iterable[Sample]) -> Iterable[Sample]:
        """Leave out other services, series not asked for, and the label that tells services apart."""
        for sample in samples:
            number = sample.labels.get(_SERVICE, self._number)
            if number == self._number and (not self._names or sample.name in self._names):
                labels = {name: value for name, value in sample.labels.items() if name != _SERVICE}
                yield sample._replace(labels=labels)


def _method_label(method: str) -> str:
    return method if method in _METHODS else "other"


def _exporter_info() -> Metric:
    info = Metric("flask_exporter_info", "Information about the Prometheus Flask exporter", "gauge")
    info.add_sample("flask_exporter_info", {"version": version("prometheus-flask-exporter")}, 1)
    return info
