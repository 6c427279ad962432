"""Routes → app: every route is given its endpoint and its place in Flask's map."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from typing import Any

from flask import Response

from aylien_model_serving import handlers, logs, routes, schemas
from aylien_model_serving.caching import Answers
from aylien_model_serving.codecs.fields import Fields
from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.pipeline import Endpoint
from aylien_model_serving.routes import Route
from aylien_model_serving.runners.inline import InlineRunner
from aylien_model_serving.runners.items import Items
from aylien_model_serving.settings import Settings
from aylien_model_serving.signatures import Signature
from aylien_model_serving.web import cache, operations
from aylien_model_serving.web.app import ServingFlask
from aylien_model_serving.web.flask_door import answer_request, replying
from aylien_model_serving.web.state import ServiceState


def bare_app(config: Mapping[str, Any] | None = None) -> ServingFlask:
    """Return an app that has the operators' endpoints alone.

    Args:
        config: Flask's configuration.
    """
    settings = Settings.load()
    logs.configure(settings)
    app = ServingFlask("aylien_model_serving", ServiceState(settings))
    app.config.update(config or {})
    operations.register(app)
    return app


def build(dicts: Iterable[Mapping[str, Any]], config: Mapping[str, Any] | None = None) -> ServingFlask:
    """Return an app that answers the routes; see `routes.Route` for the keys.

    Raises:
        ConfigurationError: a route is described wrongly, or its warm-up failed.
    """
    described = routes.read(dicts)
    app = bare_app(config)
    if any(route.cache for route in described):
        app.state.backend = cache.attach(app)
    for route in described:
        if route.endpoint in operations.PATHS and "GET" in route.methods:
            raise ConfigurationError(f"route {route.endpoint!r}: GET of this path is the operators' own")
        try:
            view = route.callable if route.view else _view(app, route)
        except ConfigurationError as error:
            raise ConfigurationError(f"route {route.endpoint!r}: {error}") from error
        app.add_url_rule(route.endpoint, route.name, view, methods=list(route.methods))
    return app


def _view(app: ServingFlask, route: Route) -> Callable[..., Response]:
    endpoint = _endpoint(app.state, route)
    app.state.endpoints.append(endpoint)
    if route.warmup is not None:
        _warm_up(endpoint, route.warmup)

    def view(**path_values: Any) -> Response:
        return answer_request(endpoint, path_values)

    app.table.add(route, endpoint, view)
    return view


def _endpoint(state: ServiceState, route: Route) -> Endpoint:
    handler = handlers.build(route.callable)
    signature = Signature.of(handler)
    _refuse_stray_path_values(route, signature)
    try:
        schema = schemas.choose(route.schema, handler, signature, route.path_names)
    except ConfigurationError as error:
        raise ConfigurationError(f"key 'schema': {error}") from error
    name = route.name
    return Endpoint(
        name=name,
        identity="|".join((name, route.endpoint, handlers.identity(handler), schema.name)),
        schema=schema,
        runner=InlineRunner(
            replying(handler, state.failures), signature, route.threads, state.instruments.of_handler(name)
        ),
        instruments=state.instruments,
        failures=state.failures,
        answers=Answers(state.backend, state.flights, _kept_for(route))
        if route.cache and state.backend is not None
        else None,
        timeout=route.timeout,
    )


def _refuse_stray_path_values(route: Route, signature: Signature) -> None:
    stray = () if signature.open else route.path_names - set(signature.known)
    if stray:
        raise ConfigurationError(
            f"key 'endpoint': the path has <{min(stray)}>, and the callable takes no such field; "
            f"it takes {', '.join(signature.known) or 'none'}"
        )


def _kept_for(route: Route) -> int | None:
    return None if isinstance(route.cache, bool) else route.cache


def _warm_up(endpoint: Endpoint, fields: Mapping[str, Any]) -> None:
    """Call a handler once, so that the first client does not wait for what is loaded late.

    Raises:
        ConfigurationError: the call failed, as a client's would.
    """
    try:
        arguments = endpoint.schema.arguments(Fields(dict(fields)), {})
        result = endpoint.runner.run(arguments, None)
        if isinstance(result, Items):
            with closing(result):
                endpoint.schema.answer(next(result, None))
        else:
            endpoint.schema.answer(result)
    except Exception as error:
        raise ConfigurationError(f"key 'warmup': the call failed: {error}") from error
