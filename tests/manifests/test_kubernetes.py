"""The manifests for Kubernetes: valid by its published schemas, and fitting what the service does."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import jsonschema
import kubernetes_validate
import pytest

from aylien_model_serving import gunicorn_hooks
from aylien_model_serving.core.settings import PREFIX, Settings
from aylien_model_serving.jobs.states import ENDED, STATUSES
from aylien_model_serving.manifests.plan import REDIS_URL, Plan
from aylien_model_serving.manifests.workload import RunnerNeeds, Workload
from tests.manifests.custom_resources import SCHEMAS
from tests.manifests.services import PLANS, container, kubernetes, of_kind, one, pod

#: The version of Kubernetes whose schemas are asked.
VERSION = "1.34"


@pytest.fixture(params=PLANS)
def plan(request: pytest.FixtureRequest) -> Plan:
    return PLANS[request.param]


def test_every_manifest_is_valid_by_the_schema_of_its_kind(plan: Plan) -> None:
    for document in kubernetes(plan):
        if document["kind"] in SCHEMAS:
            jsonschema.validate(document, SCHEMAS[document["kind"]])
        else:
            kubernetes_validate.validate(document, VERSION, strict=True)


def test_a_wrong_field_of_a_manifest_would_be_found(plan: Plan) -> None:
    deployment, monitor = of_kind(plan, "Deployment")[f"{plan.name}-web"], one(plan, "ServiceMonitor")
    deployment["spec"]["template"]["spec"]["restartPolicies"] = "Always"
    monitor["spec"]["endpoints"][0]["ports"] = "http"

    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(deployment, VERSION, strict=True)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(monitor, SCHEMAS["ServiceMonitor"])


def test_a_service_without_jobs_has_no_workers() -> None:
    kinds = [document["kind"] for document in kubernetes(PLANS["plain"])]

    assert sorted(kinds) == [
        "Deployment",
        "HorizontalPodAutoscaler",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "Secret",
        "Service",
        "ServiceMonitor",
    ]


def test_jobs_bring_workers_that_are_scaled_to_zero() -> None:
    full = PLANS["full"]

    assert set(of_kind(full, "Deployment")) == {"reviews-web", "reviews-worker"}
    assert container(full, "worker")["args"][:2] == ["worker", "reviews:app"]
    assert "--health-host 0.0.0.0 --health-port 8001" in " ".join(container(full, "worker")["args"])
    assert variables(full, "web")["MODEL_SERVING_ROLE"] == "web"
    scaled = one(full, "ScaledObject")["spec"]
    assert (scaled["scaleTargetRef"]["name"], scaled["minReplicaCount"]) == ("reviews-worker", 0)


def variables(plan: Plan, tier: str) -> dict[str, Any]:
    return {one["name"]: one.get("value") for one in container(plan, tier)["env"]}


def test_workers_are_kept_for_every_status_that_has_not_ended() -> None:
    query = one(PLANS["full"], "ScaledObject")["spec"]["triggers"][0]["metadata"]["query"]

    named = query.partition('status=~"')[2].partition('"')[0].split("|")
    assert set(named) == set(STATUSES) - ENDED


def test_selectors_find_the_pods_of_their_tier_alone(plan: Plan) -> None:
    pods = {
        name.removeprefix(f"{plan.name}-"): made["spec"]["template"]["metadata"]["labels"]
        for name, made in of_kind(plan, "Deployment").items()
    }

    def found(labels: dict[str, str]) -> list[str]:
        return [tier for tier, own in pods.items() if labels.items() <= own.items()]

    assert found(one(plan, "Service")["spec"]["selector"]) == ["web"]
    assert found(one(plan, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"]) == ["web"]
    for name, made in of_kind(plan, "NetworkPolicy").items():
        assert found(made["spec"]["podSelector"]["matchLabels"]) == [name.removeprefix(f"{plan.name}-")]
    selected = one(plan, "ServiceMonitor")["spec"]["selector"]["matchLabels"]
    assert selected.items() <= one(plan, "Service")["metadata"]["labels"].items()
    for made in of_kind(plan, "PodMonitor").values():
        assert found(made["spec"]["selector"]["matchLabels"]) == ["worker"]


def test_the_metrics_of_each_tier_are_read_at_its_own_port(plan: Plan) -> None:
    tiers = {name.removeprefix(f"{plan.name}-") for name in of_kind(plan, "Deployment")}
    monitors = {"web": one(plan, "ServiceMonitor")["spec"]["endpoints"]}
    for made in of_kind(plan, "PodMonitor").values():
        monitors["worker"] = made["spec"]["podMetricsEndpoints"]

    assert monitors.keys() == tiers
    for tier, [endpoint] in monitors.items():
        assert endpoint["port"] == container(plan, tier)["ports"][0]["name"]


def test_only_the_port_of_its_tier_is_reached(plan: Plan) -> None:
    for name, made in of_kind(plan, "NetworkPolicy").items():
        [rule] = made["spec"]["ingress"]
        port = container(plan, name.removeprefix(f"{plan.name}-"))["ports"][0]["containerPort"]
        assert rule["ports"] == [{"port": port, "protocol": "TCP"}]
        assert made["spec"]["policyTypes"] == ["Ingress"]


def test_a_port_of_grpc_is_in_service_policy_and_containers_of_the_web_tier() -> None:
    plan = replace(PLANS["jobs"], grpc_port=50051)

    ports = {
        name: made["spec"]["ingress"][0]["ports"] for name, made in of_kind(plan, "NetworkPolicy").items()
    }
    assert [port["port"] for port in ports[f"{plan.name}-web"]] == [8000, 50051]
    assert [port["port"] for port in ports[f"{plan.name}-worker"]] == [8001]
    assert [port["name"] for port in one(plan, "Service")["spec"]["ports"]] == ["http", "grpc"]
    assert [port["containerPort"] for port in container(plan, "web")["ports"]] == [8000, 50051]
    for document in kubernetes(plan):
        if document["kind"] not in SCHEMAS:
            kubernetes_validate.validate(document, VERSION, strict=True)


@pytest.mark.parametrize("tier", ["web", "worker"])
def test_pods_are_confined(tier: str) -> None:
    made, only = pod(PLANS["full"], tier), container(PLANS["full"], tier)

    assert made["automountServiceAccountToken"] is False
    assert made["securityContext"]["runAsNonRoot"] is True
    assert made["securityContext"]["runAsUser"] > 0
    assert made["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert only["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    writable = {mount["mountPath"] for mount in only["volumeMounts"]}
    own = variables(PLANS["full"], tier)
    assert writable == {own["TMPDIR"], own["HOME"]}
    assert own["XDG_STATE_HOME"].startswith(own["HOME"])
    assert all("sizeLimit" in volume["emptyDir"] for volume in made["volumes"])


def test_a_start_has_the_time_that_all_replicas_may_take() -> None:
    slow = RunnerNeeds("slow", least=2, most=2, start_timeout=500.0)
    plan = Plan("words", "words:app", "words", Workload((slow, RunnerNeeds("quick", start_timeout=30.0))))

    def seconds(plan: Plan) -> int:
        probe = container(plan, "web")["startupProbe"]
        return int(probe["failureThreshold"] * probe["periodSeconds"])

    assert 1030 < seconds(plan) <= 1030 + 100
    assert 500 < seconds(replace(plan, loads_in_parallel=True)) <= 500 + 100


def test_a_stop_has_the_time_of_requests_in_flight_and_of_jobs() -> None:
    web, worker = pod(PLANS["full"], "web"), pod(PLANS["full"], "worker")

    unroute = web["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert web["terminationGracePeriodSeconds"] >= unroute + gunicorn_hooks.graceful_timeout + 2
    assert worker["terminationGracePeriodSeconds"] >= PLANS["full"].workload.job_grace + 2


def test_gpus_are_those_of_the_routes_or_of_the_option() -> None:
    full, jobs = PLANS["full"], PLANS["jobs"]

    assert container(full, "web")["resources"]["limits"]["nvidia.com/gpu"] == "2"
    assert "nvidia.com/gpu" not in container(full, "worker")["resources"]["limits"]
    assert container(jobs, "worker")["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert "nvidia.com/gpu" not in container(jobs, "web")["resources"]["limits"]


def test_memory_is_that_of_all_replicas_that_there_may_be() -> None:
    assert container(PLANS["plain"], "web")["resources"]["limits"]["memory"] == "512Mi"
    assert container(PLANS["full"], "web")["resources"]["limits"]["memory"] == f"{512 + 3 * 1024}Mi"


def test_secrets_are_named_and_have_no_values() -> None:
    secret = one(PLANS["full"], "Secret")["stringData"]

    assert secret == dict.fromkeys(["api-keys", "jobs-url", "webhook-secret", "redis-url", "metrics-key"], "")
    for tier in ("web", "worker"):
        for one_of in container(PLANS["full"], tier)["env"]:
            named = one_of.get("valueFrom", {}).get("secretKeyRef")
            assert "value" in one_of or (named["name"] == "reviews" and named["key"] in secret)
    assert "MODEL_SERVING_API_KEYS" not in variables(PLANS["full"], "worker")


def test_every_variable_is_a_setting_or_one_of_the_system_s(plan: Plan) -> None:
    known = {f"{PREFIX}{each.name.upper()}" for each in fields(Settings)}

    for tier in plan.tiers:
        given = set(variables(plan, tier.name))
        assert given - known <= {
            REDIS_URL,
            "HOME",
            "TMPDIR",
            "XDG_STATE_HOME",
            "PYTHONDONTWRITEBYTECODE",
        }


def test_open_metrics_are_read_without_a_key() -> None:
    assert "authorization" in one(PLANS["full"], "ServiceMonitor")["spec"]["endpoints"][0]
    assert "authorization" not in one(PLANS["jobs"], "ServiceMonitor")["spec"]["endpoints"][0]


def test_a_tier_without_replicas_is_scaled_by_its_cpu() -> None:
    assert one(PLANS["plain"], "HorizontalPodAutoscaler")["spec"]["metrics"][0]["type"] == "Resource"


def test_a_tier_with_replicas_is_scaled_by_their_calls() -> None:
    metrics = [metric["pods"] for metric in one(PLANS["full"], "HorizontalPodAutoscaler")["spec"]["metrics"]]

    assert {made["metric"]["name"]: made["target"]["averageValue"] for made in metrics} == {
        "model_serving_runner_waiting": "32",  # the next batch of each replica
        "model_serving_runner_in_flight": "22400m",  # seven in ten of what they can run
    }
