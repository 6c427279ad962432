"""The paths of the Open Inference Protocol: an endpoint for each model, and what is told of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from flask import Response, request

from aylien_model_serving import codecs
from aylien_model_serving.core.settings import Settings
from aylien_model_serving.dispatch.pipeline import Endpoint
from aylien_model_serving.errors import ConfigurationError, MalformedBody, ServingError
from aylien_model_serving.limiting.limiter import Limiter
from aylien_model_serving.open_inference import models
from aylien_model_serving.open_inference.answering import InferenceProtocol
from aylien_model_serving.open_inference.models import ServedModel
from aylien_model_serving.openapi import document
from aylien_model_serving.openapi.responses import DescribedRoute
from aylien_model_serving.routing.routes import Route
from aylien_model_serving.schemas import Schema
from aylien_model_serving.web import limiters, ops_endpoints
from aylien_model_serving.web.adapters.flask import answer_request
from aylien_model_serving.web.app import ServingFlask
from aylien_model_serving.web.executor_factory import is_asked_for

#: The root of all paths, and those that say whether the process is well.
_ROOT = "/v2"
_LIVE, _READY = f"{_ROOT}/health/live", f"{_ROOT}/health/ready"

#: Bytes of the body that asks for the index.
_MAX_INDEX_BYTES = 65_536


def is_model(settings: Settings, described: DescribedRoute) -> bool:
    """Return whether a route is a model of the protocol.

    Raises:
        ConfigurationError: it is to be one, and can't.
    """
    route, schema = described.route, described.schema
    if schema is None or described.is_own or not is_asked_for(settings, route):
        return False
    reason = _reason_against(route, schema)
    if reason is not None and route.oip:
        raise ConfigurationError(f"key 'oip': {reason}")
    return reason is None


def _reason_against(route: Route, schema: Schema) -> str | None:
    if route.job is not None:
        return "jobs are answered before they have a result: leave one of the keys 'oip' and 'job' out"
    return "a stream is no tensor: let the callable return its result at once" if schema.streams else None


def add(app: ServingFlask, route: Route, endpoint: Endpoint, limiter: Limiter | None) -> None:
    """Offer a route by the protocol, if it is to be.

    Args:
        app: the service.
        route: the route.
        endpoint: answers it.
        limiter: of its calls, which those by this protocol are too.

    Raises:
        ConfigurationError: it streams, or another route is the model of its name.
    """
    settings = app.state.settings
    if not is_model(settings, DescribedRoute(route, endpoint.schema)):
        return
    protocol = _protocol(settings, route, endpoint.schema)
    inferring = replace(
        endpoint,
        name=f"{route.name}:infer",
        remote=route.runner is not None,
        reply_cache=None if route.runner is not None else endpoint.reply_cache,
        protocol=protocol,
    )
    app.state.inference.add(ServedModel(protocol, inferring))
    view = _view(inferring)
    limited = limiters.limited(view, limiter, app.state)
    model = f"{_ROOT}/models/{protocol.name}"
    for path in (f"{model}/infer", f"{model}/versions/{protocol.version}/infer"):
        app.add_url_rule(path, inferring.name, limited, methods=["POST"])
        app.route_table.add(replace(route, endpoint=path), inferring, limited)
    app.state.instruments.expect(inferring.name, ("POST",), status=200, is_cached=False)


def _protocol(settings: Settings, route: Route, schema: Schema) -> InferenceProtocol:
    return InferenceProtocol(
        models.name_of(route.name),
        models.version_of(settings.version),
        schema,
        route.path_names,
        batched=route.batch is not None and route.batch.split is None,
        max_items=settings.max_json_items,
        is_only=True,
    )


def _view(endpoint: Endpoint) -> Callable[..., Response]:
    def infer() -> Response:
        return answer_request(endpoint, {})

    return infer


def register(app: ServingFlask) -> None:
    """Add the paths that tell of the models, if there are any."""
    if not app.state.inference:
        return
    pages = _Pages(app)
    app.add_pages({_LIVE: pages.live, _READY: pages.ready}, opened_by=None)
    model = f"{_ROOT}/models/<name>"
    versioned = f"{model}/versions/<version>"
    paths: dict[str, Callable[..., Response]] = {
        _ROOT: pages.server,
        model: pages.model,
        versioned: pages.model,
    }
    paths |= {f"{model}/ready": pages.model_ready, f"{versioned}/ready": pages.model_ready}
    app.add_pages(paths, opened_by=())
    unknown: dict[str, Callable[..., Response]] = {f"{_ROOT}/repository/index": pages.index}
    unknown |= {f"{model}/infer": pages.unknown, f"{versioned}/infer": pages.unknown}
    app.add_pages(unknown, opened_by=(), methods=["POST"])


class _Pages:
    """What is told of the models.

    Args:
        app: the service.
    """

    def __init__(self, app: ServingFlask) -> None:
        self._app = app
        self._models = app.state.inference

    def live(self) -> Response:
        return _shown({"live": True})

    def ready(self) -> Response:
        ops_endpoints.readiness(self._app)
        return _shown({"ready": True})

    def server(self) -> Response:
        name = self._app.state.settings.service_name or models.PLATFORM
        return _shown({"name": name, "version": document.VERSION, "extensions": models.EXTENSIONS})

    def model(self, name: str, version: str | None = None) -> Response:
        return _shown(models.metadata(self._models.find(name, version)))

    def model_ready(self, name: str, version: str | None = None) -> Response:
        found = self._models.find(name, version)
        is_ready = found.endpoint.executor.ready()
        return _shown({"name": found.protocol.name, "ready": is_ready}, 200 if is_ready else 503)

    def index(self) -> Response:
        request.max_content_length = _MAX_INDEX_BYTES
        asked = codecs.json.decode(request.get_data()).values if request.content_length else {}
        ready = asked.get("ready", False)
        if type(ready) is not bool:
            raise MalformedBody("'ready' is true or false")
        return _shown(self._models.index(ready=ready))

    def unknown(self, name: str, version: str | None = None) -> Response:
        """Say which part of the path of an infer request is not known; the others have paths of their own."""
        self._models.find(name, version)
        raise ServingError


def _shown(value: Any, status: int = 200) -> Response:
    return Response(codecs.JSON.encode(value), status, content_type=codecs.JSON.media_type)
