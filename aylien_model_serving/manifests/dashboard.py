"""A Grafana dashboard of a service: traffic, errors, latency, runners, jobs, memory.

Pure. Its queries name the metrics that `/metrics` shows, and what the kubelet tells of a container's memory.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from aylien_model_serving.metrics.gauges import JOBS
from aylien_model_serving.metrics.instruments import WAITING
from aylien_model_serving.metrics.runners import IN_FLIGHT

#: The identity that Grafana knows the dashboard by, and the version of its JSON model.
_UID, _SCHEMA_VERSION = "model-serving", 39

#: Panels of a row, their width and height in the 24 columns of Grafana's grid.
_IN_A_ROW, _WIDTH, _HEIGHT = 3, 8, 8

#: The service that is looked at, and the seconds over which rates are taken.
_OF, _OVER = '{job="$job"}', "[$__rate_interval]"

_SOURCE = {"type": "prometheus", "uid": "${datasource}"}


class Panel(NamedTuple):
    """One chart.

    Args:
        title: of the chart.
        unit: as Grafana calls it.
        queries: PromQL, by the legend of its series.
    """

    title: str
    unit: str
    queries: dict[str, str]


def _rate(metric: str, by: str) -> str:
    return f"sum by ({by}) (rate({metric}{_OF}{_OVER}))"


def _total(metric: str) -> str:
    return f"sum(rate({metric}{_OF}{_OVER}))"


def _quantile(share: float, metric: str, by: str = "le") -> str:
    return f"histogram_quantile({share:g}, {_rate(f'{metric}_bucket', by)})"


_REQUESTS, _SECONDS = "flask_http_request_total", "flask_http_request_duration_seconds"
_BATCHES = "model_serving_runner_batch_size"
_HITS = 'model_serving_cache_total{job="$job", result="hit"}'

#: Of the kubelet; where there is none, a service of one process tells its own.
_CONTAINER_MEMORY = 'container_memory_working_set_bytes{container=~"web|worker", pod=~"$job-.*"}'

PANELS = (
    Panel("Requests", "reqps", {"{{status}}": _rate(_REQUESTS, "status")}),
    Panel("Requests by route", "reqps", {"{{endpoint}}": _rate(f"{_SECONDS}_count", "endpoint")}),
    Panel(
        "Failed requests",
        "percentunit",
        {"failed": f"{_total('flask_http_request_exceptions_total')} / {_total(_REQUESTS)}"},
    ),
    Panel(
        "Latency",
        "s",
        {f"p{share * 100:g}": _quantile(share, _SECONDS) for share in (0.5, 0.95, 0.99)},
    ),
    Panel("Latency by route, p99", "s", {"{{endpoint}}": _quantile(0.99, _SECONDS, "le, endpoint")}),
    Panel(
        "Handlers, p95 of one run",
        "s",
        {"{{endpoint}}": _quantile(0.95, "model_serving_handler_seconds", "le, endpoint")},
    ),
    Panel("Waiting calls", "short", {"{{runner}}": f"sum by (runner) ({WAITING}{_OF})"}),
    Panel(
        "Wait before a run, p95",
        "s",
        {"{{runner}}": _quantile(0.95, "model_serving_runner_queue_seconds", "le, runner")},
    ),
    Panel("Calls that run", "short", {"{{runner}}": f"sum by (runner) ({IN_FLIGHT}{_OF})"}),
    Panel(
        "Replicas",
        "short",
        {"{{runner}} {{state}}": f"sum by (runner, state) (model_serving_runner_replicas{_OF})"},
    ),
    Panel(
        "Restarts of replicas",
        "short",
        {"{{runner}}": f"sum by (runner) (increase(model_serving_runner_restarts_total{_OF}[1h]))"},
    ),
    Panel(
        "Calls of a batch",
        "short",
        {"{{runner}}": f"{_rate(f'{_BATCHES}_sum', 'runner')} / {_rate(f'{_BATCHES}_count', 'runner')}"},
    ),
    Panel("Jobs", "short", {"{{route}} {{status}}": f"max by (route, status) ({JOBS}{_OF})"}),
    Panel(
        "Refused and dropped calls",
        "reqps",
        {
            "{{endpoint}} {{limit}}": _rate("model_serving_limited_total", "endpoint, limit"),
            "{{runner}} {{reason}}": _rate("model_serving_runner_dropped_total", "runner, reason"),
        },
    ),
    Panel(
        "Answers from the cache",
        "percentunit",
        {"hits": f"sum(rate({_HITS}{_OVER})) / {_total('model_serving_cache_total')}"},
    ),
    Panel(
        "Memory",
        "bytes",
        {
            "{{pod}}": f"sum by (pod) ({_CONTAINER_MEMORY})",
            "{{instance}}": f"sum by (instance) (process_resident_memory_bytes{_OF})",
        },
    ),
)


def dashboard() -> dict[str, Any]:
    """Return the dashboard's JSON model; it asks for the data source and the service."""
    return {
        "uid": _UID,
        "title": "model-serving",
        "schemaVersion": _SCHEMA_VERSION,
        "editable": True,
        "refresh": "15s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": [_data_sources(), _services()]},
        "panels": [_panel(number, panel) for number, panel in enumerate(PANELS)],
    }


def _data_sources() -> dict[str, Any]:
    return {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}


def _services() -> dict[str, Any]:
    return {
        "name": "job",
        "label": "Service",
        "type": "query",
        "datasource": _SOURCE,
        "query": f"label_values({_REQUESTS}, job)",
        "refresh": 2,
    }


def _panel(number: int, panel: Panel) -> dict[str, Any]:
    row, column = divmod(number, _IN_A_ROW)
    place = {"x": column * _WIDTH, "y": row * _HEIGHT, "w": _WIDTH, "h": _HEIGHT}
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": panel.title,
        "datasource": _SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + index), "datasource": _SOURCE, "expr": query, "legendFormat": legend}
            for index, (legend, query) in enumerate(panel.queries.items())
        ],
    }
