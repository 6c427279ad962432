"""This process's connection to a Ray cluster, and what Ray Serve says of applications there.

The one place that says how Ray is imported and joined: by the gateway, and by `model-serving ray`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, NamedTuple

from aylien_model_serving.errors import ConfigurationError

#: What is said where the package is missing.
_MISSING = "Ray is not installed: pip install 'model-serving[ray]'"

#: Variables of processes that send or get messages: Ray's quicker ways for them, and no copy of each call's
#: log line; no port for HTTP, which comes to web workers alone; bodies as large as ours may be.
VARIABLES: Mapping[str, str] = {
    "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
    "RAY_SERVE_ENABLE_DIRECT_INGRESS": "0",
    "RAY_SERVE_REPLICA_GRPC_MAX_MESSAGE_LENGTH": str((1 << 31) - 1),
    "RAY_USAGE_STATS_ENABLED": "0",
}


class ApplicationStatus(NamedTuple):
    """What Ray Serve says of one application.

    Args:
        name: of the application.
        state: "RUNNING", "DEPLOYING", "DEPLOY_FAILED", "UNHEALTHY", "DELETING" or "NOT_STARTED".
        replicas: how many take calls.
        message: why it is not well.
    """

    name: str
    state: str
    replicas: int
    message: str


def join(address: str) -> str:
    """Join a cluster, and return the address of its head.

    Args:
        address: "auto" for that of this machine's own node, else the host and port of its head.

    Raises:
        ConfigurationError: Ray is not installed, or this machine is no node of the cluster.
    """
    try:
        import ray
    except ImportError:
        raise ConfigurationError(_MISSING) from None
    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    try:
        ray.init(address=address, log_to_driver=False, configure_logging=False)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise ConfigurationError(
            f"This machine can't join the Ray cluster at {address}: {_first_line(error)}. It has to be a "
            "node of it: start one with `ray start --address=… --num-cpus=0`"
        ) from error
    return str(ray.get_runtime_context().gcs_address)


def statuses() -> dict[str, ApplicationStatus]:
    """Return all applications of the cluster that this process has joined, by their names."""
    from ray import serve

    return {name: _status(name, told) for name, told in serve.status().applications.items()}


def _status(name: str, told: Any) -> ApplicationStatus:
    counts = [one.replica_states.get("RUNNING", 0) for one in told.deployments.values()]
    messages = [told.message, *(one.message for one in told.deployments.values())]
    message = next((_first_line(text) for text in messages if text), "")
    return ApplicationStatus(name, str(told.status.value), sum(counts), message)


def _first_line(error: object) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".")
