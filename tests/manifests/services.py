"""Plans of services, and the manifests that are rendered of them, as documents."""

from __future__ import annotations

from typing import Any

import yaml

from aylien_model_serving.manifests import files
from aylien_model_serving.manifests.plan import Plan
from aylien_model_serving.manifests.workload import RunnerNeeds, Workload

RATE = RunnerNeeds("rate", least=2, most=3, calls=16, start_timeout=400.0, gpus=2)
BAKE = RunnerNeeds("bake", memory_mb=2000.0)

#: The smallest service, one with everything, and one whose jobs alone need replicas.
PLANS = {
    "plain": Plan("words", "words:app", "words"),
    "full": Plan(
        "reviews",
        "reviews:app",
        "example.com/reviews:3",
        Workload((RATE,), (BAKE,), has_jobs=True, job_grace=40.0, shares_counts=True),
        replicas=3,
        namespace="models",
        variables={"MODEL_SERVING_WEBHOOK_ALLOW": "example.com"},
    ),
    "jobs": Plan(
        "oven",
        "oven:make()",
        "oven",
        Workload(jobs=(BAKE,), has_jobs=True, job_grace=10.0),
        gpus=1,
        has_open_metrics=True,
    ),
}

Document = dict[str, Any]


def kubernetes(plan: Plan) -> list[Document]:
    """Return all manifests of a plan, as `kubectl` would read them."""
    texts = files.render_kubernetes(plan)
    yamls = (text for name, text in texts.items() if name.startswith("kubernetes/"))
    return [document for text in yamls for document in yaml.load_all(text, yaml.CSafeLoader)]


def of_kind(plan: Plan, kind: str) -> dict[str, Document]:
    """Return the manifests of one kind, by their names."""
    found = (document for document in kubernetes(plan) if document["kind"] == kind)
    return {document["metadata"]["name"]: document for document in found}


def one(plan: Plan, kind: str) -> Document:
    """Return the only manifest of a kind."""
    [document] = of_kind(plan, kind).values()
    return document


def pod(plan: Plan, tier: str) -> Document:
    """Return what a tier's pods are."""
    deployment = of_kind(plan, "Deployment")[f"{plan.name}-{tier}"]
    found: Document = deployment["spec"]["template"]["spec"]
    return found


def container(plan: Plan, tier: str) -> Document:
    """Return the only container of a tier's pods."""
    [found] = pod(plan, tier)["containers"]
    assert isinstance(found, dict)
    return found


def compose(plan: Plan) -> Document:
    """Return the Compose file of a plan."""
    document: Document = yaml.load(files.render_compose(plan)["compose/compose.yaml"], yaml.CSafeLoader)
    return document
