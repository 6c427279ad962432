"""Queries of Prometheus: which metrics they name, each with its labels, as in `name{label="x"}`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import promql_parser

from aylien_model_serving.manifests.plan import Plan
from tests.manifests.services import one

_METRIC = re.compile(r"\b([a-z_][a-z0-9_]*)\{")

#: What the kubelet tells of containers, which no service does.
OF_THE_KUBELET = {"container_memory_working_set_bytes"}


#: What Grafana replaces in a query by what people choose.
VARIABLES = {"$__rate_interval": "5m", "$job": "reviews"}


def metrics(query: str) -> set[str]:
    """Return the names of the metrics in a query, but those of other programs.

    Raises:
        ValueError: it is no PromQL.
    """
    for name, text in VARIABLES.items():
        query = query.replace(name, text)
    promql_parser.parse(query)
    return set(_METRIC.findall(query)) - OF_THE_KUBELET


def of_dashboard(dashboard: dict[str, Any]) -> Iterator[str]:
    """Yield the queries of all panels."""
    for panel in dashboard["panels"]:
        yield from (target["expr"] for target in panel["targets"])


def of_autoscalers(plan: Plan) -> Iterator[str]:
    """Yield the query by which workers are scaled, and the metrics of web pods, as queries."""
    yield one(plan, "ScaledObject")["spec"]["triggers"][0]["metadata"]["query"]
    for metric in one(plan, "HorizontalPodAutoscaler")["spec"]["metrics"]:
        yield f"{metric['pods']['metric']['name']}{{}}"
