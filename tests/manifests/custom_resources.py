"""Schemas of kinds that Kubernetes does not know by itself: what their definitions say of the fields used.

A field that is not here is unknown, which the API server would drop, or refuse.
"""

from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string", "minLength": 1}
COUNT: Schema = {"type": "integer", "minimum": 0}
TEXTS: Schema = {"type": "object", "additionalProperties": {"type": "string"}}


def record(*required: str, **fields: Schema) -> Schema:
    """Return the schema of an object with these fields, and no others."""
    return {
        "type": "object",
        "properties": fields,
        "required": list(required),
        "additionalProperties": False,
    }


def listed(item: Schema) -> Schema:
    return {"type": "array", "items": item, "minItems": 1}


METADATA = record("name", name=TEXT, namespace=TEXT, labels=TEXTS)


def resource(version: str, kind: str, spec: Schema) -> Schema:
    """Return the schema of a manifest."""
    names = {"apiVersion": {"const": version}, "kind": {"const": kind}, "metadata": METADATA, "spec": spec}
    return record(*names, **names)


#: Version 2 of KEDA, with the scaler "prometheus".
SCALED_OBJECT = resource(
    "keda.sh/v1alpha1",
    "ScaledObject",
    record(
        "scaleTargetRef",
        "triggers",
        scaleTargetRef=record("name", name=TEXT, apiVersion=TEXT, kind=TEXT),
        pollingInterval=COUNT,
        cooldownPeriod=COUNT,
        minReplicaCount=COUNT,
        maxReplicaCount=COUNT,
        triggers=listed(
            record(
                "type",
                "metadata",
                type={"const": "prometheus"},
                metadata=record(
                    "serverAddress",
                    "query",
                    "threshold",
                    serverAddress={"type": "string", "pattern": "^https?://"},
                    query=TEXT,
                    threshold={"type": "string", "pattern": "^[0-9.]+$"},
                    activationThreshold={"type": "string", "pattern": "^[0-9.]+$"},
                ),
            )
        ),
    ),
)


def monitor(kind: str, endpoints: str) -> Schema:
    """Return the schema of what the Prometheus Operator has read."""
    endpoint = record(
        port=TEXT,
        path={"type": "string", "pattern": "^/"},
        interval={"type": "string", "pattern": "^[0-9]+(ms|s|m)$"},
        authorization=record(
            type=TEXT, credentials=record("key", name=TEXT, key=TEXT, optional={"type": "boolean"})
        ),
    )
    fields = {"jobLabel": TEXT, "selector": record(matchLabels=TEXTS), endpoints: listed(endpoint)}
    return resource("monitoring.coreos.com/v1", kind, record("selector", endpoints, **fields))


SCHEMAS = {
    "ScaledObject": SCALED_OBJECT,
    "ServiceMonitor": monitor("ServiceMonitor", "endpoints"),
    "PodMonitor": monitor("PodMonitor", "podMetricsEndpoints"),
}
