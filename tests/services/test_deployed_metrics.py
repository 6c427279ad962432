"""The metrics that dashboard, autoscalers and alerts ask for are those that a running service shows."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from aylien_model_serving import FlaskAppWrapper
from aylien_model_serving.manifests.dashboard import dashboard
from tests.docs.pages import blocks
from tests.manifests.promql import metrics, of_autoscalers, of_dashboard
from tests.manifests.services import PLANS
from tests.selection import full
from tests.services.serving import launch

pytestmark = [pytest.mark.processes, full]

GUIDE = "docs/guide/beyond-one-machine.md"

#: What Prometheus tells of what it reads.
OF_PROMETHEUS = {"up"}


@pytest.fixture(scope="module")
def shown() -> Iterator[set[str]]:
    """The names of all series of a service that has every kind of route."""
    command = [sys.executable, "-m", "aylien_model_serving", "run", "tests.services.deployed_apps:everything"]
    with launch([*command, "--quiet", "--port", "{port}"], ready="/readyz") as service:
        assert service.post("/count", json={"text": "x"}).status_code == 200
        assert service.post("/length", json={"text": "x"}).status_code == 200
        alone = FlaskAppWrapper.create_app([]).test_client().get("/metrics").text
        yield {name for text in (service.get("/metrics").text, alone) for name in series(text)}


def series(text: str) -> set[str]:
    return {re.split(r"[{ ]", line)[0] for line in text.splitlines() if not line.startswith("#")}


@pytest.mark.parametrize("query", list(of_dashboard(dashboard())))
def test_a_panel_asks_for_metrics_that_there_are(query: str, shown: set[str]) -> None:
    assert metrics(query) <= shown


def test_autoscalers_ask_for_metrics_that_there_are(shown: set[str]) -> None:
    queries = list(of_autoscalers(PLANS["full"]))

    assert set().union(*map(metrics, queries)) == {
        "model_serving_jobs",
        "model_serving_runner_waiting",
        "model_serving_runner_in_flight",
    }
    assert all(metrics(query) <= shown for query in queries)


def test_the_alerts_of_the_guide_ask_for_metrics_that_there_are(shown: set[str]) -> None:
    documents = [yaml.safe_load(block.text) for block in blocks(GUIDE, "yaml")]
    rules: list[dict[str, Any]] = [
        rule for document in documents for group in document.get("groups", ()) for rule in group["rules"]
    ]

    assert len(rules) > 6
    for rule in rules:
        assert metrics(rule["expr"]), rule["alert"]
        assert metrics(rule["expr"]) <= shown | OF_PROMETHEUS, rule["alert"]


def test_the_adapter_of_the_guide_has_the_metrics_of_the_autoscaler(shown: set[str]) -> None:
    [rule] = next(
        document["rules"]
        for document in (yaml.safe_load(block.text) for block in blocks(GUIDE, "yaml"))
        if "rules" in document
    )
    pattern = re.search(r'__name__=~"([^"]+)"', rule["seriesQuery"])

    assert pattern is not None
    wanted = {name for query in of_autoscalers(PLANS["full"]) for name in metrics(query) if "runner" in name}
    assert {name for name in shown if re.fullmatch(pattern[1], name)} == wanted
