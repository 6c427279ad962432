"""Routes → app: creates the endpoint of every route, and its rule in Flask's URL map."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from importlib import metadata
from inspect import isclass
from logging import getLogger
from typing import Any

from flask import Response

from aylien_model_serving import schemas
from aylien_model_serving.codecs.fields import Fields
from aylien_model_serving.core import logging, start_log
from aylien_model_serving.core.messages import Call
from aylien_model_serving.core.settings import Settings, slips
from aylien_model_serving.dispatch import body_limit
from aylien_model_serving.dispatch.cache import ReplyCache
from aylien_model_serving.dispatch.pipeline import Endpoint, check_result
from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.handlers import callables
from aylien_model_serving.handlers.signatures import Signature
from aylien_model_serving.jobs import progress
from aylien_model_serving.jobs.runner import EnqueueExecutor
from aylien_model_serving.limiting.limiter import Limiter
from aylien_model_serving.openapi.responses import DescribedRoute
from aylien_model_serving.process import lifecycle, orphans, owner
from aylien_model_serving.routing import routes
from aylien_model_serving.routing.routes import Route
from aylien_model_serving.servers import access_logs
from aylien_model_serving.web import (
    cache,
    dashboard,
    executor_factory,
    landing,
    limiters,
    ops_endpoints,
    overrides,
    scraped_gauges,
)
from aylien_model_serving.web import jobs as job_routes
from aylien_model_serving.web.adapters import lazy_contexts, observers
from aylien_model_serving.web.adapters.flask import answer_request
from aylien_model_serving.web.app import ServingFlask
from aylien_model_serving.web.health import HEALTH_PATHS
from aylien_model_serving.web.state import JobStore, ServiceState

logger = getLogger(__name__)

#: The device of a class that is built in the web worker.
_DEVICE = "cpu"


def bare_app(config: Mapping[str, Any] | None = None, name: str | None = None) -> ServingFlask:
    """Return an app that has only the operators' endpoints.

    Args:
        config: Flask's configuration.
        name: of the service, if the settings have none.
    """
    settings = overrides.settings()
    settings = replace(settings, service_name=settings.service_name or name)
    logging.configure(settings)
    access_logs.set_formatter(logging.formatter(settings))
    access_logs.leave_out_probes(HEALTH_PATHS)
    app = observers.kind_for(ServingFlask)("aylien_model_serving", ServiceState(settings))
    app.config.update(config or {})
    ops_endpoints.register(app)
    dashboard.register(app)
    landing.register(app)
    return app


def build(
    dicts: Iterable[Mapping[str, Any]], config: Mapping[str, Any] | None = None, name: str | None = None
) -> ServingFlask:
    """Return an app that answers the routes; see `routes.Route` for the keys, and `bare_app` for the rest.

    Raises:
        ConfigurationError: a route is invalid, or its warm-up failed.
    """
    described = overrides.apply(routes.read(dicts))
    app = bare_app(config, name)
    if lifecycle.is_replica:  # which has imported a module that makes its app at once
        return app
    described = limiters.set_by_operator(app.state.settings, described)
    if lifecycle.is_inspecting:
        app.state.routes += [_inspect(route) for route in described]
        return app
    orphans.end_with_parent()
    _warn_of_slips()
    _warn_of_closed_fast_path(app.state)
    if _needs_cache(app, described):
        app.state.backend = cache.attach(app)
    if any(route.job for route in described):
        app.state.jobs = job_routes.open_jobs(app.state.settings, described)
    start_log.begins(filter(None, map(_loads, described)), owner.seconds_since_start())
    taken = (*ops_endpoints.PATHS, *(dashboard.PATHS if app.state.settings.dashboard else ()))
    for route in described:
        _add_route(app, route, taken)
    if app.state.jobs is not None:
        _add_job_endpoints(app, app.state.jobs, described)
    scraped_gauges.register(app.state)
    return app


def _loads(route: Route) -> str | None:
    """Return a route's name if making its handler may take long, and is this process's to do."""
    context = route.binding.context
    has_init = context is not None and context.make is not None and route.binding.is_needed(route.callable)
    is_slow = isclass(route.callable) or route.warmup is not None or has_init
    return route.name if is_slow and route.runner is None else None


def _add_route(app: ServingFlask, route: Route, taken: Iterable[str]) -> None:
    if route.endpoint in taken and "GET" in route.methods:
        raise ConfigurationError(f"route {route.endpoint!r}: GET of this path is the operators' own")
    try:
        limiter = limiters.create(app.state, route)
        name = _loads(route)
        with nullcontext() if name is None else start_log.timed(name):
            view = _flask_view(app, route, limiter) if route.view else _view(app, route, limiter)
    except ConfigurationError as error:
        raise ConfigurationError(f"route {route.endpoint!r}: {error}") from error
    app.add_url_rule(route.endpoint, route.name, view, methods=list(route.methods))
    if route.content_security_policy is not None:
        app.state.content_policies[route.name] = route.content_security_policy
    app.state.instruments.expect(
        route.name,
        route.methods,
        status=200 if route.job is None else 202,
        is_cached=route.cache is not False,
    )
    if route.limit is not None:
        app.state.instruments.expect_limited(route.name, route.limit.kinds)


def _needs_cache(app: ServingFlask, described: Iterable[Route]) -> bool:
    """Return whether a route caches, or is limited where the cache's Redis counts for several machines."""
    counts = cache.is_redis(app.config)
    return any(route.cache or (counts and route.limit is not None) for route in described)


def _warn_of_slips() -> None:
    for variable, meant in slips().items():
        logger.warning("%s is no setting and changes nothing; did you mean %s?", variable, meant)


def _warn_of_closed_fast_path(state: ServiceState) -> None:
    missing = lazy_contexts.missing_variables()
    if state.settings.express and missing:
        logger.warning(
            "The fast path is closed: Flask %s has no %s in flask.globals, so every request takes Flask's "
            "full dispatch, which is several times slower. Install 'Flask>=3.1,<3.2', or accept it by "
            "setting MODEL_SERVING_EXPRESS=0",
            metadata.version("flask"),
            " and ".join(missing),
        )


def _add_job_endpoints(app: ServingFlask, jobs: JobStore, described: Iterable[Route]) -> None:
    runners = [
        endpoint.executor
        for endpoint in app.state.endpoints
        if isinstance(endpoint.executor, EnqueueExecutor)
    ]
    endpoints = job_routes.JobEndpoints(
        jobs.store, jobs.service, [runner.wake for runner in runners], app.state.waiters
    )
    routes.refuse_collisions([*described, *endpoints.routes()])
    for route in endpoints.routes():
        view = _view(app, route, is_own=True)
        methods = set(route.methods)
        if "POST" in methods and not route.path_names:
            methods.discard("POST")
            posted = job_routes.without_body(view)
            app.add_url_rule(route.endpoint, f"{route.name}{job_routes.POSTED}", posted, methods=["POST"])
        app.add_url_rule(route.endpoint, route.name, view, methods=list(methods))


def _flask_view(app: ServingFlask, route: Route, limiter: Limiter | None) -> Any:
    app.state.routes.append(DescribedRoute(route, None))
    return limiters.limited(callables.build(route.callable, route.binding), limiter, app.state)


def _view(
    app: ServingFlask, route: Route, limiter: Limiter | None = None, *, is_own: bool = False
) -> Callable[..., Response]:
    endpoint = _endpoint(app.state, route, limiter)
    app.state.endpoints.append(endpoint)
    app.state.routes.append(DescribedRoute(route, endpoint.schema, is_own))
    if route.warmup is not None and route.runner is None:
        _warm_up(endpoint, route.warmup)

    def answer(**path_values: Any) -> Response:
        return answer_request(endpoint, path_values)

    callables.lend_name(route.callable, answer)  # type: ignore[arg-type]  # a function
    view = limiters.limited(answer, limiter, app.state)
    app.route_table.add(route, endpoint, view)
    return view


def _inspect(route: Route) -> DescribedRoute:
    """Return the description of a route whose handler is neither built nor called.

    Raises:
        ConfigurationError: it can't be served.
    """
    if route.view:
        return DescribedRoute(route, None)
    try:
        given = route.runner.init if route.runner is not None else {}
        return DescribedRoute(
            route,
            _signature_and_schema(route, callables.build_placeholder(route.callable, given, route.binding))[
                1
            ],
        )
    except ConfigurationError as error:
        raise ConfigurationError(f"route {route.endpoint!r}: {error}") from error


def _signature_and_schema(
    route: Route, handler: Callable[..., Any], max_items: int = Settings.max_json_items
) -> tuple[Signature, schemas.Schema]:
    """Return a handler's signature, and the schema that validates its input and output."""
    signature = Signature.of(handler)
    if route.job is not None:
        signature = signature.without(progress.parameter_of(handler))
    _refuse_stray_path_values(route, signature)
    try:
        schema = schemas.choose(
            route.schema,
            handler,
            signature,
            route.path_names,
            batched=route.batch is not None,
            max_items=max_items,
        )
    except ConfigurationError as error:
        key = "schema" if route.schema is not None or route.batch is None else "batch"
        raise ConfigurationError(f"key '{key}': {error}") from error
    return signature, schema


def _endpoint(state: ServiceState, route: Route, limiter: Limiter | None) -> Endpoint:
    handler = _handler(state, route)
    signature, schema = _signature_and_schema(route, handler, state.settings.max_json_items)
    name = route.name
    return Endpoint(
        name=name,
        identity="|".join((name, route.endpoint, callables.identity(handler), schema.name)),
        schema=schema,
        executor=executor_factory.choose(state, route, handler, signature, schema),
        instruments=state.instruments,
        error_responses=state.error_responses,
        waiters=state.waiters,
        reply_cache=ReplyCache(state.backend, state.single_flight, _cache_seconds(route))
        if route.cache and state.backend is not None
        else None,
        timeout=route.timeout,
        remote=route.runner is not None and route.job is None and not route.cache,
        limiter=limiter,
        content_policy=route.content_security_policy,
        body_limit=body_limit.choose(state.settings, route.max_body_mb, takes_data=schema.takes_data),
    )


def _handler(state: ServiceState, route: Route) -> Callable[..., Any]:
    """Return what answers; of what others host its signature alone is real."""
    if route.runner is None:
        return callables.build(route.callable, route.binding)
    unbuilt = callables.build_placeholder(route.callable, route.runner.init, route.binding)
    if route.job is not None and state.jobs is not None and state.jobs.is_memory:
        return callables.build_with(route.callable, route.runner.init, _DEVICE, route.binding)
    return unbuilt


def _refuse_stray_path_values(route: Route, signature: Signature) -> None:
    stray = () if signature.open else route.path_names - set(signature.known)
    if stray:
        raise ConfigurationError(
            f"key 'endpoint': the path has <{min(stray)}>, and the callable takes no such field; "
            f"it takes {', '.join(signature.known) or 'none'}"
        )


def _cache_seconds(route: Route) -> int | None:
    return None if isinstance(route.cache, bool) else route.cache


def _warm_up(endpoint: Endpoint, fields: Mapping[str, Any]) -> None:
    """Call a handler once, so that the first client does not wait for lazy loading.

    Raises:
        ConfigurationError: the call failed.
    """
    try:
        call = Call("POST", "", "", {}, b"", {}, "warmup")
        arguments = endpoint.schema.arguments(Fields(dict(fields)), {})
        check_result(endpoint.schema, endpoint.executor.run(arguments, call))
    except Exception as error:
        raise ConfigurationError(f"key 'warmup': the call failed: {error}") from error
