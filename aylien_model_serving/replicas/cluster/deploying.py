"""Deploys handlers as applications of Ray Serve, tells how they are, and deletes them.

Done by an operator's command alone: a service looks its applications up, and changes nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from aylien_model_serving.core import secrets
from aylien_model_serving.core.settings import PREFIX, variables
from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.executors.ray_options import RayOptions
from aylien_model_serving.replicas.cluster.applications import DEPLOYMENT, restored
from aylien_model_serving.replicas.cluster.hosted_model import HostedModel
from aylien_model_serving.replicas.cluster.message_sizes import target_messages
from aylien_model_serving.replicas.cluster.ray_client import VARIABLES
from aylien_model_serving.rpc.spec import Spec

#: Calls that a replica may have for each that it is to have: what comes while others are added.
_HEADROOM = 2

#: Seconds between two of Ray's questions whether a replica is well, at most.
_HEALTH_SECONDS = 10.0

#: Seconds over which Ray looks at how many calls there are, at most, and between two reports of it.
_LOOK_BACK_SECONDS = 10.0
_REPORT_SECONDS = 0.5

#: Times that Ray tries to build a handler before a deployment has failed.
_MOST_TRIES = 3

#: Seconds that a replica has to finish its calls, unless one may take longer.
_DRAIN_SECONDS = 30.0

#: Variables of a service that mean nothing on another machine.
_NOT_THERE = ("JOBS_URL", "METRICS_DIR", "CONFIG", "HOST", "PORT", "WORKERS", "RAY_ADDRESS")
_OF_THE_SERVICE = {f"{PREFIX}{name}" for name in _NOT_THERE}


class DeployedModel(msgspec.Struct, frozen=True):
    """What is deployed for one route or model.

    Args:
        application: the name of the application.
        route: the name of the route or model.
        version: of its code.
        spec: what is hosted, as `applications.portable` encoded it.
    """

    application: str
    route: str
    version: str
    spec: bytes


def deploy(models: Iterable[DeployedModel], runtime_env: Mapping[str, Any]) -> None:
    """Deploy models on the cluster that this process has joined, and wait for all of them.

    An application of the same name is updated in place; those of other versions stay as they are.

    Raises:
        ConfigurationError: one could not be built, or has no place.
    """
    from ray import serve

    serve.start(proxy_location="Disabled")
    targets, seconds = [], 0.0
    for model in models:
        spec = restored(model.spec)
        bound = serve.deployment(HostedModel).options(**options_of(spec, runtime_env)).bind(model.spec)
        targets.append(serve.RunTarget(bound, model.application, route_prefix=None))
        seconds += spec.start_timeout  # those of one node may load one after the other
    _run(targets, seconds)


def _run(targets: list[Any], seconds: float) -> None:
    """Run applications, for which Ray itself waits without end where no node has room for a replica.

    Raises:
        ConfigurationError: one has failed, or not all are ready in time.
    """
    from ray import serve

    failures: list[Exception] = []

    def run() -> None:
        try:
            serve.run_many(targets)
        except Exception as error:  # of whatever kind: Ray raises what it has found
            failures.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise ConfigurationError(
            f"Not all models are ready after {seconds:g} seconds, their 'start_timeout'; Ray may go on. "
            "`model-serving ray status` says which, and `ray status` whether nodes have room for them"
        )
    if failures:
        raise ConfigurationError(f"Ray can't deploy all models: {failures[0]}") from failures[0]


def delete(names: Iterable[str]) -> None:
    """Delete applications of the cluster that this process has joined, once their calls have ended."""
    from ray import serve

    for name in names:
        serve.delete(name)


def options_of(spec: Spec, runtime_env: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a spec's deployment.

    Args:
        spec: what is hosted.
        runtime_env: the environment of Ray's that has the service's code and packages.
    """
    assert spec.ray is not None
    drain = max(_DRAIN_SECONDS, spec.timeout or 0.0)
    every = spec.health["every"] if spec.health else _HEALTH_SECONDS
    return {
        "name": DEPLOYMENT,
        "max_ongoing_requests": max(spec.threads, _HEADROOM * target_messages(spec, spec.ray)),
        "max_constructor_retry_count": _MOST_TRIES,
        "graceful_shutdown_timeout_s": drain,
        "graceful_shutdown_wait_loop_s": _REPORT_SECONDS,
        "health_check_period_s": min(every, _HEALTH_SECONDS),
        "ray_actor_options": {
            "num_cpus": spec.ray.num_cpus,
            "num_gpus": spec.ray.num_gpus,
            "runtime_env": {
                **runtime_env,
                "env_vars": {
                    **_public_variables(),
                    **runtime_env.get("env_vars", {}),
                    **spec.env,
                    **VARIABLES,
                    "RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD": "0",
                },
            },
        },
        **_scale(spec, spec.ray),
    }


def _scale(spec: Spec, options: RayOptions) -> dict[str, Any]:
    least, most = options.replicas
    if least == most:
        return {"num_replicas": most}
    return {
        "autoscaling_config": {
            "min_replicas": least,
            "initial_replicas": max(least, 1),  # so that a handler that can't be built is found at once
            "max_replicas": most,
            "target_ongoing_requests": target_messages(spec, options),
            "upscale_delay_s": options.upscale_delay,
            "downscale_delay_s": options.downscale_delay,
            "metrics_interval_s": _REPORT_SECONDS,
            "look_back_period_s": max(2 * _REPORT_SECONDS, min(options.upscale_delay, _LOOK_BACK_SECONDS)),
        }
    }


def _public_variables() -> dict[str, str]:
    """Return the settings of this process that replicas are to have too: no secrets, which Ray would show."""
    public = secrets.without_secrets(variables(PREFIX))
    return {name: text for name, text in public.items() if name not in _OF_THE_SERVICE}
