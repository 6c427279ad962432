"""A tier of a service as a Deployment of Kubernetes: its pods, their probes, limits, user and volumes.

Pure.
"""

from __future__ import annotations

from math import ceil
from typing import Any

from aylien_model_serving.manifests.plan import (
    HOME,
    REDIS_URL,
    TEMPORARY,
    UNROUTE_SECONDS,
    USER_ID,
    Plan,
    Tier,
    environment,
    secret_variables,
)

Document = dict[str, Any]

#: Seconds between two questions of a probe, and until one counts as failed.
_PROBE_EVERY, _PROBE_TIMEOUT = 5, 3

#: Failures in a row after which a pod gets no requests, and after which it is started again: in a minute.
_UNREADY_AFTER, _DEAD_AFTER = 2, 12

#: Volumes that the service writes to, and how large they may become: a pod that exceeds it is evicted.
_WRITABLE = {"temporary": (TEMPORARY, "1Gi"), "home": (HOME, "10Gi")}


def metadata(plan: Plan, name: str, tier: str | None = None) -> Document:
    """Return a manifest's metadata: its name, namespace and labels."""
    place = {} if plan.namespace is None else {"namespace": plan.namespace}
    return {"name": name, **place, "labels": labels(plan, tier)}


def labels(plan: Plan, tier: str | None = None) -> dict[str, str]:
    """Return the labels by which a tier's pods, or all of the service, are found."""
    component = {} if tier is None else {"app.kubernetes.io/component": tier}
    return {"app.kubernetes.io/name": plan.name, **component}


def deployment_name(plan: Plan, tier: Tier) -> str:
    """Return the name of a tier's Deployment."""
    return f"{plan.name}-{tier.name}"


def deployment(plan: Plan, tier: Tier) -> Document:
    """Return the Deployment of a tier.

    It does not say how many pods there are: that is the autoscalers', which a number here would undo
    whenever the file is applied.
    """
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(plan, deployment_name(plan, tier), tier.name),
        "spec": {
            "selector": {"matchLabels": labels(plan, tier.name)},
            "progressDeadlineSeconds": tier.loading + tier.stop + 600,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "template": {"metadata": {"labels": labels(plan, tier.name)}, "spec": _pod(plan, tier)},
        },
    }


def _pod(plan: Plan, tier: Tier) -> Document:
    unroute = UNROUTE_SECONDS if tier.name == "web" else 0
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": unroute + tier.stop,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER_ID,
            "runAsGroup": USER_ID,
            "fsGroup": USER_ID,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": labels(plan, tier.name)},
            }
        ],
        "containers": [_container(plan, tier, unroute)],
        "volumes": [{"name": name, "emptyDir": {"sizeLimit": size}} for name, (_, size) in _WRITABLE.items()],
    }


def _container(plan: Plan, tier: Tier, unroute: int) -> Document:
    hook = {"lifecycle": {"preStop": {"sleep": {"seconds": unroute}}}} if unroute else {}
    return {
        "name": tier.name,
        "image": plan.image,
        "command": ["model-serving"],
        "args": list(tier.arguments),
        "ports": [
            {"name": name, "containerPort": port, "protocol": "TCP"} for name, port in tier.ports.items()
        ],
        "env": _variables(plan, tier),
        "resources": _resources(tier),
        "startupProbe": _probe("/livez", ceil(tier.loading / _PROBE_EVERY)),
        "readinessProbe": _probe("/readyz", _UNREADY_AFTER),
        "livenessProbe": _probe("/livez", _DEAD_AFTER),
        **hook,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": [{"name": name, "mountPath": path} for name, (path, _) in _WRITABLE.items()],
    }


def _variables(plan: Plan, tier: Tier) -> list[Document]:
    """Return the variables; those that are secret name their place in the Secret, and no value."""
    plain = [{"name": name, "value": text} for name, text in environment(plan, tier).items()]
    secret = [
        {"name": name, "valueFrom": {"secretKeyRef": {"name": plan.name, "key": key, **_if_any(name)}}}
        for name, key in secret_variables(plan, tier).items()
    ]
    return [*plain, *secret]


def _if_any(variable: str) -> Document:
    """A pod does not start without its secrets, but without a Redis, which its code may not use."""
    return {"optional": True} if variable == REDIS_URL else {}


def _resources(tier: Tier) -> Document:
    """Return what a pod asks for and gets at the most; the CPU is not limited, which would only slow it."""
    gpus = {"nvidia.com/gpu": str(tier.gpus)} if tier.gpus else {}
    memory = {"memory": f"{tier.memory_mb}Mi"}
    return {"requests": {"cpu": str(tier.cpus), **memory, **gpus}, "limits": {**memory, **gpus}}


def _probe(path: str, failures: int) -> Document:
    return {
        "httpGet": {"path": path, "port": "http"},
        "periodSeconds": _PROBE_EVERY,
        "timeoutSeconds": _PROBE_TIMEOUT,
        "failureThreshold": failures,
    }
