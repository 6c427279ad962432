"""The Grafana dashboard: its panels have a place, and each query can be read."""

from __future__ import annotations

import itertools
import re

import pytest

from aylien_model_serving.manifests.dashboard import PANELS, dashboard
from tests.manifests.promql import metrics, of_dashboard


def test_no_panel_lies_on_another_one() -> None:
    places = [panel["gridPos"] for panel in dashboard()["panels"]]
    cells = [
        (x, y)
        for at in places
        for x, y in itertools.product(range(at["x"], at["x"] + at["w"]), range(at["y"], at["y"] + at["h"]))
    ]

    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24


def test_panels_and_their_queries_have_names_of_their_own() -> None:
    made = dashboard()["panels"]

    assert len({panel["id"] for panel in made}) == len({panel["title"] for panel in made}) == len(PANELS)
    for panel in made:
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


def test_queries_are_promql_of_the_chosen_service() -> None:
    for query in of_dashboard(dashboard()):
        assert metrics(query) or "container_memory" in query
        assert len(re.findall(r"\{[^}]*\$job", query)) == len(re.findall(r"\{", query))


def test_what_is_no_promql_would_be_found() -> None:
    with pytest.raises(ValueError, match="unclosed left parenthesis"):
        metrics('sum(rate(flask_http_request_total{job="reviews"}[5m])')


def test_legends_name_labels_that_the_query_keeps() -> None:
    for panel in PANELS:
        for legend, query in panel.queries.items():
            kept = {
                name.strip() for names in re.findall(r"by \(([^)]*)\)", query) for name in names.split(",")
            }
            assert set(re.findall(r"\{\{(\w+)\}\}", legend)) <= kept
