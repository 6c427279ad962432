"""What of a service is to be deployed on a Ray cluster: its routes and models with the engine "ray"."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from aylien_model_serving.core.settings import Settings
from aylien_model_serving.models import hosting
from aylien_model_serving.models.dependencies import models_of
from aylien_model_serving.replicas.cluster import applications
from aylien_model_serving.replicas.cluster.deploying import DeployedModel
from aylien_model_serving.routing.routes import Route
from aylien_model_serving.rpc import portable_spec
from aylien_model_serving.rpc.spec import Spec, import_name_of
from aylien_model_serving.web import executor_factory
from aylien_model_serving.web.app import ServingFlask


def deployed_models(app: Any) -> list[DeployedModel]:
    """Return what an app, which was made to be inspected, has for Ray.

    Args:
        app: a Flask app; another application has nothing.

    Raises:
        ConfigurationError: something of it can't be on another machine.
    """
    return list(map(_deployed, _specs(app))) if isinstance(app, ServingFlask) else []


def _specs(app: ServingFlask) -> Iterator[Spec]:
    routes = [described.route for described in app.state.routes if not described.is_own]
    for route in filter(_is_on_ray, routes):
        yield executor_factory.spec_of(app.state, route)
    for model in models_of(route.callable for route in routes):
        if _is_on_ray(model.route) and not any(route.name == model.name for route in routes):
            yield hosting.spec_of(
                model.route,
                app.state.instruments.number,
                target=import_name_of(model.route.callable),
                service_name=app.state.settings.service_name,
            )


def _is_on_ray(route: Route) -> bool:
    return route.runner is not None and route.runner.ray is not None


def _deployed(spec: Spec) -> DeployedModel:
    version = portable_spec.version_of(Settings.load_public("version").version, spec.target)
    return DeployedModel(spec.application, spec.name, version, applications.portable(spec, version))
