"""The Compose file: valid by the specification's schema, and the same service as in Kubernetes."""

from __future__ import annotations

import json
import re
from importlib import resources
from typing import Any

import jsonschema
import pytest
import yaml

from aylien_model_serving.manifests import files
from aylien_model_serving.manifests.plan import Plan
from tests.manifests.services import PLANS, compose, container

#: The schema that the specification publishes, as the package check-jsonschema carries it.
SCHEMA = resources.files("check_jsonschema") / "builtin_schemas" / "vendor" / "compose-spec.json"


@pytest.fixture(params=PLANS)
def plan(request: pytest.FixtureRequest) -> Plan:
    return PLANS[request.param]


def schema() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(SCHEMA.read_text())
    return found


def test_the_file_is_valid_by_the_specification(plan: Plan) -> None:
    jsonschema.validate(compose(plan), schema())


def test_a_wrong_field_would_be_found() -> None:
    document = compose(PLANS["plain"])
    document["services"]["web"]["memory"] = "512m"

    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, schema())


def test_there_are_the_stores_that_the_routes_need() -> None:
    monitoring = {"prometheus", "grafana"}

    assert set(compose(PLANS["plain"])["services"]) == {"web"} | monitoring
    assert set(compose(PLANS["jobs"])["services"]) == {"web", "worker", "postgres"} | monitoring
    assert set(compose(PLANS["full"])["services"]) == {"web", "worker", "postgres", "redis"} | monitoring


def test_the_processes_are_those_of_the_pods(plan: Plan) -> None:
    for tier in plan.tiers:
        made, pods = compose(plan)["services"][tier.name], container(plan, tier.name)
        given = {one["name"]: one.get("value") for one in pods["env"]}

        assert made["command"] == [*pods["command"], *pods["args"]]
        assert set(made["environment"]) == set(given)
        assert given.items() >= {
            (name, text) for name, text in made["environment"].items() if given[name] is not None
        }
        assert made["mem_limit"] == pods["resources"]["limits"]["memory"].replace("Mi", "m")
        assert made["read_only"]
        assert made["cap_drop"] == ["ALL"]
        assert {path.partition(":")[0] for path in made["tmpfs"]} == {
            mount["mountPath"] for mount in pods["volumeMounts"]
        }


def test_only_this_host_reaches_what_is_published(plan: Plan) -> None:
    published = [port for made in compose(plan)["services"].values() for port in made.get("ports", ())]

    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_every_secret_is_asked_for_and_has_no_value(plan: Plan) -> None:
    texts = files.render_compose(plan)

    asked = set(re.findall(r"\$\{(\w+):\?", texts["compose/compose.yaml"]))
    asked |= {
        one["environment"]
        for one in yaml.safe_load(texts["compose/compose.yaml"]).get("secrets", {}).values()
    }
    example = [line for line in texts["compose/.env.example"].splitlines() if not line.startswith("#")]
    assert {line.removesuffix("=") for line in example} == asked
    assert all(line.endswith("=") for line in example)


def test_every_file_that_is_mounted_is_written(plan: Plan) -> None:
    texts = files.render_compose(plan)

    mounted = [
        source
        for made in compose(plan)["services"].values()
        for source in (volume.partition(":")[0] for volume in made.get("volumes", ()))
        if source.startswith(".")
    ]
    names = {
        f"compose/{source.removeprefix('./')}" if source.startswith("./") else source.removeprefix("../")
        for source in mounted
    }
    assert names <= set(texts)
    assert len(names) == 4


def test_prometheus_reads_the_service_by_the_name_that_the_dashboard_knows(plan: Plan) -> None:
    settings = yaml.safe_load(files.render_compose(plan)["compose/prometheus.yaml"])

    [scraped] = settings["scrape_configs"]
    assert scraped["job_name"] == plan.name
    assert ("authorization" in scraped) is not plan.has_open_metrics
    secrets = compose(plan)["services"]["prometheus"].get("secrets", [])
    assert secrets == ([] if plan.has_open_metrics else ["metrics-key"])
