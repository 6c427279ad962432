"""The models that a service's handlers call: started with it, or run in the process by a test."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from aylien_model_serving.core import operator_options
from aylien_model_serving.core.operator_options import PREFIXES
from aylien_model_serving.core.settings import Settings
from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.models.dependencies import calls_of, models_of
from aylien_model_serving.models.handle import Model, known
from aylien_model_serving.routing import deployment
from aylien_model_serving.routing.routes import Route
from aylien_model_serving.rpc.hosted import HostedExecutor
from aylien_model_serving.web.state import ServiceState

#: Keys that are said of the model where a route's callable is one.
_OF_MODELS = ("runner", "batch", "threads", "warmup")


def check_options(settings: Settings) -> None:
    """Refuse what the operator sets for models that this process does not have.

    Raises:
        ConfigurationError: there is no model of a name; the message says where this was set.
    """
    names = sorted(model.name for model in known)
    for one in operator_options.read(settings, "model"):
        if not any(deployment.is_for(one, name) for name in names):
            raise deployment.unknown("model", one, names)


def hosted(route: Route) -> Route:
    """Return a route whose callable is a model as one that hosts what the model does.

    Raises:
        ConfigurationError: the route says otherwise than the model, or keeps jobs.
    """
    model = route.callable
    if not isinstance(model, Model):
        return route
    place = f"route {route.endpoint!r}"
    if route.name != model.name:
        raise ConfigurationError(
            f"{place}: key 'name': the model is called {model.name!r}: write Model(…, name=…)"
        )
    _refuse_options_of_the_model(place, route, model.name)
    said = model.route
    return replace(
        route,
        callable=said.callable,
        runner=said.runner,
        batch=said.batch,
        warmup=said.warmup,
        threads=said.threads,
        max_queue=route.max_queue or said.max_queue,
        timeout=route.timeout or said.timeout,
        model=model,
        set_by_operator=(*route.set_by_operator, *said.set_by_operator),
    )


def _refuse_options_of_the_model(place: str, route: Route, model: str) -> None:
    for one in route.set_by_operator:
        if one.path[0] in _OF_MODELS:
            key, variable = one.path[0], PREFIXES["model"] + deployment.variable_name(model)
            raise ConfigurationError(
                f"{one.origin}: {place} is the model {model!r}, for which {key!r} is set instead: "
                f"by the table [models.{model}], or variables {variable}__{key.upper()}…"
            )
    if route.job:
        raise ConfigurationError(
            f"{place}: key 'job': write a function that calls the model: it keeps no jobs"
        )
    for key in _OF_MODELS:
        if key != "threads" and getattr(route, key):
            raise ConfigurationError(f"{place}: key {key!r}: say it of the model, as in Model(…, {key}=…)")


def refuse_calls_from_ray(targets: Mapping[str, Route]) -> None:
    """Refuse handlers on Ray that call models: those are processes that another machine does not reach.

    Args:
        targets: routes and models, by their names.

    Raises:
        ConfigurationError: one does.
    """
    for name, route in targets.items():
        if route.runner is None or route.runner.ray is None:
            continue
        callable_ = route.callable.route.callable if isinstance(route.callable, Model) else route.callable
        for model in models_of([callable_]):
            raise ConfigurationError(
                f"{name} is hosted on Ray and calls the model {model.name!r}, which other machines don't "
                "reach: call both from a route without a runner, or with one of this machine"
            )


def start(state: ServiceState, routes: Sequence[Route], called: Iterable[Model], *, in_process: bool) -> None:
    """Start the models that the handlers of routes call.

    Args:
        state: of the service; gets the models' executors, and who calls which.
        routes: whose endpoints are there.
        called: the models.
        in_process: whether they are to run in this process.

    Raises:
        ConfigurationError: a route and a model have the same name.
    """
    state.calls = calls_of({route.name: route.callable for route in routes})
    executors = {endpoint.name: endpoint.executor for endpoint in state.endpoints}
    own = {route.model.name: route.model for route in routes if route.model is not None}
    for model in called:
        if in_process:
            model.run_here()
        elif own.get(model.name) is model:
            executor = executors[model.name]
            assert isinstance(executor, HostedExecutor)
            model.adopt(executor)
        elif model.name in executors:
            raise ConfigurationError(
                f"a route and a model have the name {model.name!r}: name the model itself as the route's "
                "'callable', or give one of them another name"
            )
        else:
            waiting = state.instruments.waiting_for_replica(model.name)
            state.models[model.name] = model.start(
                state.instruments.number, waiting, state.waiters, state.settings.service_name
            )
