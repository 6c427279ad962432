"""A service on Kubernetes: its files, by their names, each with the manifests in it.

Pure.
"""

from __future__ import annotations

from aylien_model_serving.manifests.plan import METRICS_KEY, Plan, Tier, secret_variables
from aylien_model_serving.manifests.pods import Document, deployment, deployment_name, labels, metadata
from aylien_model_serving.manifests.scaling import horizontal_pod_autoscaler, scaled_object

#: Seconds between two readings of the metrics.
_SCRAPE_SECONDS = 15


def files(plan: Plan) -> dict[str, list[Document]]:
    """Return the manifests of each file.

    Those of other projects' kinds are apart, so that `kubectl apply` of the rest succeeds where they are not
    installed. The Secret is an example, which `kubectl apply` of the folder passes over: its values are
    nobody's but the operator's.
    """
    worker = plan.worker
    found = {
        "web.yaml": [deployment(plan, plan.web), _service(plan), _disruption_budget(plan, plan.web)],
        "network-policy.yaml": [_network_policy(plan, tier) for tier in plan.tiers],
        "autoscaler.yaml": [horizontal_pod_autoscaler(plan)],
        "service-monitor.yaml": [_service_monitor(plan)],
        "secret.yaml.example": [_secret(plan)],
    }
    if worker is not None:
        found["worker.yaml"] = [deployment(plan, worker)]
        found["service-monitor.yaml"].append(_pod_monitor(plan, worker))
        found["keda.yaml"] = [scaled_object(plan, worker)]
    return found


def _service(plan: Plan) -> Document:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(plan, plan.name, "web"),
        "spec": {
            "selector": labels(plan, "web"),
            "ports": [
                {"name": name, "port": port, "targetPort": name, "protocol": "TCP"}
                for name, port in plan.web.ports.items()
            ],
        },
    }


def _disruption_budget(plan: Plan, tier: Tier) -> Document:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(plan, deployment_name(plan, tier), tier.name),
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": labels(plan, tier.name)}},
    }


def _network_policy(plan: Plan, tier: Tier) -> Document:
    """Return what may reach a tier: its own ports, and nothing else."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(plan, deployment_name(plan, tier), tier.name),
        "spec": {
            "podSelector": {"matchLabels": labels(plan, tier.name)},
            "policyTypes": ["Ingress"],
            "ingress": [{"ports": [{"port": port, "protocol": "TCP"} for port in tier.ports.values()]}],
        },
    }


def _service_monitor(plan: Plan) -> Document:
    return _monitor(plan, plan.web, "ServiceMonitor", "endpoints")


def _pod_monitor(plan: Plan, tier: Tier) -> Document:
    """Return what has a tier read that is behind no Service."""
    return _monitor(plan, tier, "PodMonitor", "podMetricsEndpoints")


def _monitor(plan: Plan, tier: Tier, kind: str, endpoints: str) -> Document:
    key = {
        "authorization": {"type": "Bearer", "credentials": {"name": plan.name, "key": METRICS_KEY}},
    }
    endpoint = {
        "port": "http",
        "path": "/metrics",
        "interval": f"{_SCRAPE_SECONDS}s",
        **({} if plan.has_open_metrics else key),
    }
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": kind,
        "metadata": metadata(plan, plan.name),
        "spec": {
            "jobLabel": "app.kubernetes.io/name",
            "selector": {"matchLabels": labels(plan, tier.name)},
            endpoints: [endpoint],
        },
    }


def _secret(plan: Plan) -> Document:
    names = [*secret_variables(plan, plan.web).values(), *([] if plan.has_open_metrics else [METRICS_KEY])]
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata(plan, plan.name),
        "type": "Opaque",
        "stringData": dict.fromkeys(names, ""),
    }
