"""How many pods there are: autoscalers of the web tier, by its calls, and of the workers, by their jobs.

Pure.
"""

from __future__ import annotations

from aylien_model_serving.manifests.plan import Plan, Tier
from aylien_model_serving.manifests.pods import Document, deployment_name, metadata
from aylien_model_serving.metrics.gauges import JOBS
from aylien_model_serving.metrics.instruments import WAITING
from aylien_model_serving.metrics.runners import IN_FLIGHT

#: How many times the least number of web pods there may be, and how many workers.
_MOST_FACTOR, _MOST_WORKERS = 10, 20

#: Calls that may wait for each replica before there are more pods, where a batch has no more.
_WAITING_PER_REPLICA = 4

#: How many of the calls that replicas can run at a time should run.
_BUSY = 0.7

#: Use of its CPUs, in percent, above which a tier without replicas gets more pods.
_CPU_PERCENT = 70

#: Seconds for which fewer pods must have sufficed before one goes: a model takes its time to load again.
_SCALE_IN_SECONDS = 300

#: States of jobs that need a worker: one that runs a job must not go because nothing waits.
_AT_WORK = "queued|processing|streaming"


def horizontal_pod_autoscaler(plan: Plan) -> Document:
    """Return the autoscaler of the web tier: by the calls that replicas have, else by its CPU.

    The most that a metric asks for counts. Waiting calls say at once that there are too few pods. There are
    none where pods just suffice, and by them alone these would end: running calls keep them.
    """
    tier = plan.web
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": metadata(plan, deployment_name(plan, tier), tier.name),
        "spec": {
            "scaleTargetRef": _target(plan, tier),
            "minReplicas": plan.replicas,
            "maxReplicas": plan.replicas * _MOST_FACTOR,
            "metrics": _of_calls(tier) if tier.runners else [_CPU],
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": _SCALE_IN_SECONDS}},
        },
    }


def _target(plan: Plan, tier: Tier) -> Document:
    return {"apiVersion": "apps/v1", "kind": "Deployment", "name": deployment_name(plan, tier)}


_CPU: Document = {
    "type": "Resource",
    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": _CPU_PERCENT}},
}


def _of_calls(tier: Tier) -> list[Document]:
    waiting = sum(runner.least * max(_WAITING_PER_REPLICA, runner.calls) for runner in tier.runners)
    running = sum(runner.least * runner.calls for runner in tier.runners) * _BUSY
    return [_pods_metric(WAITING, f"{waiting}"), _pods_metric(IN_FLIGHT, f"{round(running * 1000)}m")]


def _pods_metric(name: str, average: str) -> Document:
    """Return a metric of each pod, of which all pods together are to have so much on average."""
    target = {"type": "AverageValue", "averageValue": average}
    return {"type": "Pods", "pods": {"metric": {"name": name}, "target": target}}


def scaled_object(plan: Plan, tier: Tier) -> Document:
    """Return KEDA's ScaledObject of the workers: as many as there are jobs at work, and none without any."""
    spec: Document = {
        "scaleTargetRef": {"name": deployment_name(plan, tier)},
        "minReplicaCount": 0,
        "maxReplicaCount": _MOST_WORKERS,
        "cooldownPeriod": _SCALE_IN_SECONDS,
        "triggers": [
            {
                "type": "prometheus",
                "metadata": {
                    "serverAddress": plan.prometheus,
                    "query": jobs_at_work(plan),
                    "threshold": str(max(1, sum(runner.least for runner in tier.runners))),
                },
            }
        ],
    }
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": metadata(plan, deployment_name(plan, tier), tier.name),
        "spec": spec,
    }


def jobs_at_work(plan: Plan) -> str:
    """Return the PromQL of the jobs that need workers; each pod tells all of the store that pods share."""
    place = "" if plan.namespace is None else f', namespace="{plan.namespace}"'
    return f'sum(max by (route, status) ({JOBS}{{job="{plan.name}"{place}, status=~"{_AT_WORK}"}}))'
