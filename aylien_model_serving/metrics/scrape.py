"""What a scrape shows: the metrics of one service, of all its processes, each series once.

No Flask.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from copy import copy
from importlib.metadata import version

from prometheus_client import REGISTRY, CollectorRegistry, Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from aylien_model_serving.metrics import multiprocess

#: The label that distinguishes services of one process, which write to the same files; never exposed.
SERVICE = "_model_serving_service"


class Scrape(Collector):
    """The metrics of one service: its own, and those that its handlers keep in the default registry."""

    def __init__(
        self,
        registry: CollectorRegistry,
        number: str,
        names: frozenset[str],
        scraped: CollectorRegistry | None = None,
    ) -> None:
        self._registry = registry.restricted_registry(names) if names else registry
        self.number = number
        self._names = names
        self._scraped = scraped.restricted_registry(names) if names and scraped else scraped

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterable[Metric]:
        if multiprocess.FOLDER is not None:
            found = multiprocess.collect(multiprocess.FOLDER, self._names)
        else:
            of_replicas = multiprocess.collect_of_replicas(self._names)
            found = _summed((*self._registry.collect(), *REGISTRY.collect(), *of_replicas))
        if self._scraped is not None:
            found = _summed((*found, *self._scraped.collect()))
        for metric in (*found, _exporter_info()):
            shown = copy(metric)  # a collector may return the same object each time
            shown.samples = list(self._shown(metric.samples))
            if shown.samples:
                yield shown

    def _shown(self, samples: Iterable[Sample]) -> Iterable[Sample]:
        """Drop other services, series that are not selected, and the label that distinguishes services."""
        for sample in samples:
            number = sample.labels.get(SERVICE, self.number)
            if number == self.number and (not self._names or sample.name in self._names):
                labels = {name: value for name, value in sample.labels.items() if name != SERVICE}
                yield sample._replace(labels=labels)


def _summed(metrics: Iterable[Metric]) -> Iterable[Metric]:
    """Return each metric once, its series added up over the registries and files that hold them."""
    found: dict[str, list[Metric]] = {}
    for metric in metrics:
        found.setdefault(metric.name, []).append(metric)
    for parts in found.values():
        yield parts[0] if len(parts) == 1 else _sum(parts)


def _sum(parts: Sequence[Metric]) -> Metric:
    series: dict[tuple[str, tuple[tuple[str, str], ...]], Sample] = {}
    for sample in itertools.chain(*(part.samples for part in parts)):
        key = (sample.name, tuple(sorted(sample.labels.items())))
        known = series.get(key)
        series[key] = sample if known is None else sample._replace(value=known.value + sample.value)
    whole = copy(parts[0])  # a collector may return the same object each time
    whole.samples = list(series.values())
    return whole


def _exporter_info() -> Metric:
    info = Metric("flask_exporter_info", "Information about the Prometheus Flask exporter", "gauge")
    info.add_sample("flask_exporter_info", {"version": version("prometheus-flask-exporter")}, 1)
    return info
