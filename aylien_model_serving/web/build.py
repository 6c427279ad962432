"""Routes → app: creates the endpoint of every route, and its rule in Flask's URL map."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from inspect import isclass
from typing import Any

from flask import Response

from aylien_model_serving import schemas
from aylien_model_serving.core import logging, operator_options, start_log
from aylien_model_serving.core.messages import Call
from aylien_model_serving.dispatch import body_limit
from aylien_model_serving.dispatch.cache import ReplyCache
from aylien_model_serving.dispatch.pipeline import Endpoint, check_result
from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.handlers import callables
from aylien_model_serving.jobs.runner import EnqueueExecutor
from aylien_model_serving.limiting.limiter import Limiter
from aylien_model_serving.models.dependencies import models_of
from aylien_model_serving.openapi.responses import DescribedRoute
from aylien_model_serving.process import lifecycle, orphans, owner
from aylien_model_serving.routing import deployment, routes
from aylien_model_serving.routing.routes import Route
from aylien_model_serving.servers import access_logs
from aylien_model_serving.web import (
    cache,
    dashboard,
    executor_factory,
    grpc_hosting,
    inference_routes,
    landing,
    limiters,
    models,
    ops_endpoints,
    overrides,
    platform_routes,
    roles,
    route_schemas,
    scraped_gauges,
    start_warnings,
)
from aylien_model_serving.web import jobs as job_routes
from aylien_model_serving.web.adapters import observers
from aylien_model_serving.web.adapters.flask import answer_request
from aylien_model_serving.web.app import ServingFlask
from aylien_model_serving.web.health import HEALTH_PATHS
from aylien_model_serving.web.job_store import open_jobs
from aylien_model_serving.web.state import JobStore, ServiceState

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
    described = deployment.apply(dicts, operator_options.read(overrides.settings(), "route"))
    described = overrides.apply(map(models.hosted, described))
    app = bare_app(config, name)
    if lifecycle.is_replica:  # which has imported a module that makes its app at once
        return app
    described = limiters.set_by_operator(app.state.settings, described)
    models.check_options(app.state.settings)
    hosted = models_of(route.callable for route in described)
    models.refuse_calls_from_ray({model.name: model.route for model in hosted})
    models.refuse_calls_from_ray({f"route {route.endpoint!r}": route for route in described})
    if lifecycle.is_inspecting:
        app.state.routes += [route_schemas.inspect(route) for route in described]
        grpc_hosting.check(app)
        return app
    roles.check(app.state.settings, described)
    described = [route for route in described if roles.answers(app.state.settings, route)]
    called = models_of(route.callable for route in described if roles.runs(app.state.settings, route))
    overrides.note_models(model.name for model in called)
    orphans.end_with_parent()
    start_warnings.log(app.state.settings)
    if _needs_cache(app, described):
        app.state.backend = cache.attach(app)
    if any(route.job for route in described):
        app.state.jobs = open_jobs(app.state.settings, described)
        roles.tell(app.state.settings)
    start_log.begins(filter(None, map(_loads, described)), owner.seconds_since_start())
    taken = (*ops_endpoints.PATHS, *(dashboard.PATHS if app.state.settings.dashboard else ()))
    for route in described:
        _add_route(app, route, taken)
    if app.state.jobs is not None and not lifecycle.is_job_worker:
        _add_job_endpoints(app, app.state.jobs, described)
    models.start(app.state, described, called, in_process=overrides.runs_here())
    scraped_gauges.register(app.state)
    inference_routes.register(app)
    platform_routes.register(app)
    grpc_hosting.check(app)
    grpc_hosting.register(app)
    if lifecycle.is_job_worker and described:
        roles.workers.append(app)
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
    if lifecycle.is_job_worker:
        return
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


def _add_job_endpoints(app: ServingFlask, jobs: JobStore, described: Iterable[Route]) -> None:
    runners = [
        endpoint.executor
        for endpoint in app.state.endpoints
        if isinstance(endpoint.executor, EnqueueExecutor) and jobs.sender is None
    ]
    endpoints = job_routes.JobEndpoints(
        jobs.store, jobs.service, [runner.wake for runner in runners], app.state.waiters
    )
    routes.refuse_collisions([*described, *endpoints.routes()])
    for route in endpoints.routes():
        view = _view(app, route, is_own=True)
        app.add_url_rule(route.endpoint, route.name, view, methods=list(route.methods))


def _flask_view(app: ServingFlask, route: Route, limiter: Limiter | None) -> Any:
    app.state.routes.append(DescribedRoute(route, None))
    return limiters.limited(callables.build(route.target, route.binding), limiter, app.state)


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
    if not is_own:
        inference_routes.add(app, route, endpoint, limiter)
    return view


def _endpoint(state: ServiceState, route: Route, limiter: Limiter | None) -> Endpoint:
    handler = schemas.opened_for(_handler(state, route))
    signature, schema = route_schemas.signature_and_schema(route, handler, state.settings.max_json_items)
    name = route.name
    return Endpoint(
        name=name,
        identity="|".join((name, route.endpoint, callables.identity(handler), schema.name)),
        schema=schema,
        executor=executor_factory.choose(state, route, handler, signature, schema),
        instruments=state.instruments,
        error_responses=state.error_responses.of_route(route.name),
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
        built = callables.build(route.target, route.binding)
        state.add_health(route.name, built)
        return built
    unbuilt = callables.build_placeholder(route.target, route.runner.init, route.binding)
    if route.job is not None and state.jobs is not None and state.jobs.is_memory:
        return callables.build_with(route.target, route.runner.init, _DEVICE, route.binding)
    return unbuilt


def _cache_seconds(route: Route) -> int | None:
    return None if isinstance(route.cache, bool) else route.cache


def _warm_up(endpoint: Endpoint, fields: Mapping[str, Any]) -> None:
    """Call a handler once, so that the first client does not wait for lazy loading.

    Raises:
        ConfigurationError: the call failed.
    """
    try:
        call = Call("POST", "", "", {}, b"", {}, "warmup")
        arguments = endpoint.schema.warmup_arguments(fields)
        check_result(endpoint.schema, endpoint.executor.run(arguments, call))
    except Exception as error:
        raise ConfigurationError(f"key 'warmup': the call failed: {error}") from error
