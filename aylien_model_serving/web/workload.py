"""An app's workload: the replicas of its routes and models, and what these ask of machines."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from aylien_model_serving.manifests.workload import RunnerNeeds, Workload
from aylien_model_serving.models.dependencies import models_of
from aylien_model_serving.routing.routes import Route
from aylien_model_serving.routing.runner_options import RunnerOptions
from aylien_model_serving.web.app import ServingFlask

_GPU = re.compile(r"cuda:([0-9]+)")


def workload_of(app: Any) -> Workload:
    """Return the workload of an app; an empty one for an application that is none of this library's.

    Args:
        app: a WSGI or ASGI application.
    """
    if not isinstance(app, ServingFlask):
        return Workload()
    routes = [described.route for described in app.state.routes if not described.is_own]
    jobs = [route for route in routes if route.job is not None]
    return Workload(
        web=_runners(route for route in routes if route.job is None),
        jobs=_runners(jobs),
        has_jobs=bool(jobs),
        job_grace=max((route.job.grace for route in jobs if route.job is not None), default=0.0),
        shares_counts=bool(app.state.settings.limit) or any(map(_shares_counts, routes)),
    )


def _shares_counts(route: Route) -> bool:
    return bool(route.cache) or route.limit is not None


def _runners(routes: Iterable[Route]) -> tuple[RunnerNeeds, ...]:
    """Return the runners of routes and of the models that they call, each once."""
    own = list(routes)
    called = [model.route for model in models_of(route.callable for route in own)]
    hosted = [(route.name if route.model is None else route.model.name, route) for route in own]
    hosted += [(route.name, route) for route in called]
    found = {name: _needs(name, route, route.runner) for name, route in hosted if route.runner is not None}
    return tuple(found.values())


def _needs(name: str, route: Route, options: RunnerOptions) -> RunnerNeeds:
    """Return what a runner asks of this machine: of one on Ray, that is the gateway to it alone."""
    replicas = options.replicas if options.ray is None else 1
    least, most = (replicas, replicas) if isinstance(replicas, int) else replicas
    return RunnerNeeds(
        name=name,
        least=least,
        most=most,
        calls=route.threads if route.batch is None else route.batch.max_size,
        start_timeout=options.start_timeout,
        gpus=_gpus(options.devices),
        memory_mb=options.recycle_after.get("mb"),
    )


def _gpus(devices: str | tuple[str, ...]) -> int:
    """Return how many GPUs a machine has where there is each of these: they are numbered from 0."""
    named = [devices] if isinstance(devices, str) else devices
    numbers = [int(number) for device in named for number in _GPU.findall(device)]
    return max(numbers, default=-1) + 1
