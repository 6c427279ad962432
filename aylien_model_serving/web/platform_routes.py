"""The paths by which a serverless platform calls one route of a service, and asks how the service is.

Their contracts: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html,
https://cloud.google.com/vertex-ai/docs/predictions/custom-container-requirements,
https://learn.microsoft.com/azure/machine-learning/how-to-inference-server-http
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from flask import Response

from aylien_model_serving.core.settings import Settings, variables
from aylien_model_serving.core.variable_names import AZUREML, SAGEMAKER, VERTEX
from aylien_model_serving.dispatch.pipeline import Endpoint
from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.openapi.responses import DescribedRoute
from aylien_model_serving.process import lifecycle
from aylien_model_serving.routing.routes import Route
from aylien_model_serving.web import limiters, ops_endpoints
from aylien_model_serving.web.app import ServingFlask
from aylien_model_serving.web.instances import InstanceCalls


class PlatformPaths(NamedTuple):
    """The paths that a platform knows.

    Args:
        health: says whether the service is ready.
        predict: calls the route.
    """

    health: str
    predict: str


_PATHS = {SAGEMAKER: PlatformPaths("/ping", "/invocations"), AZUREML: PlatformPaths("/", "/score")}

#: The variables that name Vertex AI's paths, and what they are where there are none.
_VERTEX = (("AIP_HEALTH_ROUTE", "/health"), ("AIP_PREDICT_ROUTE", "/predict"))


def paths_of(settings: Settings) -> PlatformPaths | None:
    """Return the paths of the platform; None where there is none, or one that has no paths of its own.

    Raises:
        ConfigurationError: a variable of the platform's names none.
    """
    if settings.platform != VERTEX:
        return _PATHS.get(settings.platform or "")
    found = [variables(name).get(name) or usual for name, usual in _VERTEX]
    for (name, _), path in zip(_VERTEX, found, strict=True):
        if not path.startswith("/") or "<" in path:
            raise ConfigurationError(f"{name}={path[:80]!r}: expected a path like /predict")
    return PlatformPaths(*found)


def register(app: ServingFlask) -> None:
    """Add the platform's paths to an app, if the operator has named one.

    Raises:
        ConfigurationError: no route, or none of several, is the one that the platform is to call.
    """
    paths = paths_of(app.state.settings)
    if paths is None or lifecycle.is_job_worker:
        return
    taken = {rule.rule for rule in app.url_map.iter_rules()}
    if paths.health not in taken:
        app.add_pages({paths.health: lambda: _health(app)}, opened_by=None)
    if paths.predict in taken:
        return  # a route of the author's own
    route = target_of(app.state.settings, app.state.routes)
    endpoint = next((each for each in app.state.endpoints if each.name == route.name), None)
    if app.state.settings.platform == VERTEX:
        _add_instances(app, paths.predict, route, endpoint)
    else:
        _add_alias(app, paths.predict, route, endpoint)


def target_of(settings: Settings, routes: Iterable[DescribedRoute]) -> Route:
    """Return the route that the platform calls.

    Raises:
        ConfigurationError: there is none, or none of several is named.
    """
    own = [each.route for each in routes if not each.is_own and "POST" in each.route.methods]
    wanted = settings.platform_route
    found = [each for each in own if wanted in (None, each.name, each.endpoint) and not each.path_names]
    if len(found) == 1:
        return found[0]
    listed = ", ".join(each.endpoint for each in own) or "none"
    if wanted is not None:
        raise ConfigurationError(
            f"MODEL_SERVING_PLATFORM_ROUTE={wanted!r}: a route of POST whose path has no variable parts is "
            f"expected; there are: {listed}"
        )
    raise ConfigurationError(
        f"MODEL_SERVING_PLATFORM={settings.platform}: the platform calls one route, of POST and without "
        f"variable parts: name it by MODEL_SERVING_PLATFORM_ROUTE; there are: {listed}"
    )


def _health(app: ServingFlask) -> Response:
    return Response(ops_endpoints.readiness(app), content_type="text/plain; charset=utf-8")


def _add_alias(app: ServingFlask, path: str, route: Route, endpoint: Endpoint | None) -> None:
    """Have another path answered by a route; its calls are the route's in metrics, too."""
    view = app.view_functions[route.name]
    app.add_url_rule(path, route.name, view, methods=["POST"])
    if endpoint is not None:
        app.route_table.add(replace(route, endpoint=path, methods=("POST",)), endpoint, view)


def _add_instances(app: ServingFlask, path: str, route: Route, endpoint: Endpoint | None) -> None:
    if endpoint is None or route.job is not None or endpoint.schema.streams:
        raise ConfigurationError(
            f"MODEL_SERVING_PLATFORM={VERTEX}: {route.endpoint} is a view, keeps jobs or streams, and Vertex "
            "AI expects a prediction for each instance: name another route by MODEL_SERVING_PLATFORM_ROUTE"
        )
    largest = 1 if route.batch is None else route.batch.max_size
    calls = InstanceCalls(endpoint, route.endpoint, largest, app.state.settings.max_json_items)
    name = f"{route.name}:predict"
    app.add_url_rule(
        path, name, limiters.limited(calls.answer, endpoint.limiter, app.state), methods=["POST"]
    )
