"""How a model is hosted: its options as those of a route without a path, its spec, its signatures."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import cache, cached_property
from typing import Any

from aylien_model_serving.core import operator_options
from aylien_model_serving.core.settings import Settings
from aylien_model_serving.core.suggest import suggestion
from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.handlers import callables, stages
from aylien_model_serving.handlers.hinted_values import HintedValues
from aylien_model_serving.handlers.steps import items_alone
from aylien_model_serving.models import ray_hosting
from aylien_model_serving.process import lifecycle
from aylien_model_serving.replicas.client import hosted_code
from aylien_model_serving.routing import deployment
from aylien_model_serving.routing.options import READERS
from aylien_model_serving.routing.routes import Route, refuse_options_of_steps
from aylien_model_serving.routing.runner_options import RunnerOptions
from aylien_model_serving.rpc import batch_functions
from aylien_model_serving.rpc.spec import Spec, import_name_of
from aylien_model_serving.schemas.item_hints import refuse_hints_of_single_values

#: Keys of a route that a model has.
_KEYS = ("callable", "name", "runner", "batch", "threads", "max_queue", "timeout", "warmup")

#: The device of a model that a test builds in its own process.
_DEVICE = "cpu"

#: Calls that may wait for an engine, a replica's or that of batches in a web worker, where a route does not
#: say how many, and the batches that may wait where these are large.
_QUEUE = 256
_BATCHES_WAITING = 4


def route_of(callable_: Any, **keys: Any) -> Route:
    """Return a model as a route without a path.

    Args:
        callable_: the model's function or class.
        keys: as in a route's dict; those that are None are left out.

    Raises:
        ConfigurationError: one is wrong, or another process can't find the callable by name.
    """
    said = {"callable": callable_, **{key: value for key, value in keys.items() if value is not None}}
    values = _read(said, f"Model({callables.name_of(callable_)})")
    values.setdefault("name", callables.name_of(callable_))
    options = operator_options.read(Settings.load_public("config"), "model")
    given = tuple(one for one in options if deployment.is_for(one, values["name"]))
    if given:
        origins = ", ".join(dict.fromkeys(one.origin for one in given))
        values |= _read(
            deployment.of_model(said, values["name"], given), f"{origins}: model {values['name']!r}"
        )
    if values.get("batch") and values["batch"].split:
        raise ConfigurationError(
            f"Model({values['name']}): 'batch': 'split' is for routes: call a model for many by its map()"
        )
    if values["runner"] is None:
        set_here = [f"{one.origin}: model {values['name']!r}" for one in given if one.path == ("runner",)]
        place = set_here[-1] if set_here else f"Model({values['name']})"
        raise ConfigurationError(f"{place}: 'runner': a model always has replicas: True, or options")
    try:
        import_name_of(callable_)
    except ConfigurationError as error:
        raise ConfigurationError(f"Model({values['name']}): {error}") from error
    route = Route(endpoint="", **values, set_by_operator=given)
    _refuse_single_values(f"Model({route.name})", route)
    return route


def _refuse_single_values(place: str, route: Route) -> None:
    """Refuse batches of a callable that is not written for them, as a route does."""
    refuse_options_of_steps(place, route)
    if route.batch is None or stages.is_staged(route.callable):
        return
    function = getattr(route.callable, "__call__") if inspect.isclass(route.callable) else route.callable  # noqa: B004, B009  # of instances
    try:
        refuse_hints_of_single_values(function)
    except ConfigurationError as error:
        raise ConfigurationError(f"{place}: {error}") from error


def _read(keys: Mapping[str, Any], place: str) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, value in keys.items():
        if key not in _KEYS:
            raise ConfigurationError(f"{place}: unknown argument {key!r}{suggestion(key, _KEYS[1:])}")
        try:
            values[key] = READERS[key](value)
        except ConfigurationError as error:
            raise ConfigurationError(f"{place}: {key!r}: {error}") from error
    return values


def spec_of(
    route: Route, service: str, *, target: str, service_name: str | None = None, **further: Any
) -> Spec:
    """Return what the replicas of a route or a model host.

    Args:
        route: the route; a model is one without a path.
        service: the number of the service in this process.
        target: the name by which its callable is imported.
        service_name: the service's name, where it has one.
        further: other fields of the spec.
    """
    return Spec.of_process(
        name=route.name,
        **vars(route.runner or RunnerOptions()),
        threads=route.threads,
        max_queue=engine_queue(route),
        batching=batch_functions.named(route.batch),
        warmup=None if route.warmup is None else dict(route.warmup),
        timeout=route.timeout,
        endpoint=route.endpoint,
        methods=route.methods,
        service=service,
        generation=lifecycle.generation,
        reports_code=hosted_code.is_reloading,
        changes=hosted_code.digest_of_changes(service, route.name),
        target=target,
        **ray_hosting.fields(route, target, service_name),
        **further,
    )


def engine_queue(route: Route) -> int:
    """Return how many calls may wait for an engine: by default at least four of its batches."""
    largest = route.batch.max_size if route.batch else 1
    return route.max_queue or max(_QUEUE, _BATCHES_WAITING * largest)


class Signatures:
    """What the methods of a model take and return.

    Args:
        route: the model.
    """

    def __init__(self, route: Route) -> None:
        self._route = route
        self._of_method = cache(self._signature)
        self.hints = cache(self._hints)

    def named(self, method: str, args: tuple[Any, ...], fields: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments of a call by their names.

        Raises:
            TypeError: the method does not take them.
        """
        bound = self._of_method(method).bind(*args, **fields)
        kinds = bound.signature.parameters
        named: dict[str, Any] = {}
        for name, value in bound.arguments.items():
            if kinds[name].kind is inspect.Parameter.VAR_KEYWORD:
                named |= value
            elif kinds[name].kind is inspect.Parameter.VAR_POSITIONAL:
                raise TypeError(f"{self._route.name}: *{name} can't be sent by name")
            else:
                named[name] = value
        return named

    def _target(self, method: str) -> tuple[Any, bool]:
        """Return the function that answers a method, and whether it takes an instance first."""
        kind = self._route.target
        if not inspect.isclass(kind):
            return kind, False
        name = method or "__call__"
        is_bound = isinstance(inspect.getattr_static(kind, name, None), (staticmethod, classmethod))
        return getattr(kind, name), not is_bound

    def _signature(self, method: str) -> inspect.Signature:
        target, is_method = self._target(method)
        signature = inspect.signature(target)
        parameters = list(signature.parameters.values())
        return signature.replace(parameters=parameters[1:]) if is_method else signature

    def _hints(self, method: str) -> HintedValues:
        return HintedValues(self._target(method)[0], batched=self._route.batch is not None)


class LazyHandler:
    """A model that is built in this process at its first call.

    Args:
        route: the model.
    """

    def __init__(self, route: Route) -> None:
        self._route = route
        self._lock = threading.Lock()

    @cached_property
    def _built(self) -> Callable[..., Any]:
        runner = self._route.runner or RunnerOptions()
        return callables.build_with(self._route.target, runner.init, _DEVICE)

    def __call__(self, *args: Any, **fields: Any) -> Any:
        with self._lock:
            if self._route.batch is None:
                return self._built(*args, **fields)
            result = self._built(
                *([value] for value in args), **{name: [value] for name, value in fields.items()}
            )
        if isinstance(result, Iterator):
            return items_alone(result)
        [only] = result
        if isinstance(only, Exception):
            raise only
        return only

    def __getattr__(self, method: str) -> Any:
        return getattr(self._built, method)
