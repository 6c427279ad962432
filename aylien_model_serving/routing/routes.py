"""Route dicts → frozen routes. An error in one stops the service at start; the message names place and cure.

`options` parses the value of each key; here are the checks of a whole route and of all routes together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from aylien_model_serving.core.operator_options import OperatorOption
from aylien_model_serving.core.suggest import suggestion
from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.executors.batch_policy import BatchOptions
from aylien_model_serving.handlers import callables, stages, steps
from aylien_model_serving.handlers.context import UNBOUND, ContextBinding
from aylien_model_serving.limiting.rates import LimitOptions
from aylien_model_serving.routing import foreign_keys
from aylien_model_serving.routing.content_policy import SANDBOX
from aylien_model_serving.routing.options import READERS, JobOptions, parse_rule
from aylien_model_serving.routing.runner_options import RunnerOptions


@dataclass(frozen=True)
class Route:
    """One route of a service; each field is the key of the same name.

    Args:
        endpoint: the path, in Flask's rule syntax.
        callable: a view, a handler, or a class whose instance is the handler.
        methods: the HTTP methods that are answered.
        name: label in metrics and logs, unique within the service.
        schema: validates both ways; None for the handler's type hints.
        cache: whether replies are cached, or the seconds for which they are.
        timeout: seconds that a call may take.
        threads: how many calls may run at once in one process.
        max_queue: calls that may wait in one process until others have run; None for the executor's default.
        max_body_mb: largest accepted body in MiB; None for what its schema suggests.
        native_threads: whether calls run on native threads where gevent has patched the process.
        warmup: fields of a call that is made before a process reports ready.
        runner: options of the replicas that run the handler; None for the process that got the request.
        batch: options of batches, for a handler that takes a list of each field.
        job: options of jobs, which calls become and replicas execute later; it implies `runner`.
        limit: how often, and how many at once, a client may call; None for any number.
        content_security_policy: of HTML, SVG and XML that it answers with; None for none.
        oip: whether it is a model of the Open Inference Protocol; None for what the setting says.
        view: whether Flask calls it as a view.
        binding: what the callable gets in addition to fields; it comes with a `ServiceRouteDict`.
        model: the handle that its callable was, which calls the same replicas.
        set_by_operator: what was set at deployment, which the other fields have.
    """

    endpoint: str
    callable: Any
    methods: tuple[str, ...] = ("POST",)
    name: str = ""
    schema: Any = None
    cache: bool | int = False
    timeout: float | None = None
    threads: int = 1
    max_queue: int | None = None
    max_body_mb: float | None = None
    native_threads: bool = False
    warmup: Mapping[str, Any] | None = None
    runner: RunnerOptions | None = None
    batch: BatchOptions | None = None
    job: JobOptions | None = None
    limit: LimitOptions | None = None
    content_security_policy: str | None = SANDBOX
    oip: bool | None = None
    view: bool = False
    binding: ContextBinding = UNBOUND
    model: Any = None
    set_by_operator: tuple[OperatorOption, ...] = ()

    @property
    def target(self) -> Any:
        """What the handler is, or is built from: the callable, or a class for one with stages or steps."""
        return steps.adapted(stages.adapted(self.callable, batched=self.batch is not None))

    @property
    def path_names(self) -> frozenset[str]:
        """The names of the path's values."""
        return frozenset(parse_rule(self.endpoint).arguments)


class ServiceRouteDict(dict[str, Any]):
    """A route dict whose callable belongs to a service.

    Args:
        keys: of the route dict.
        binding: what the callable gets in addition to the fields of calls.
    """

    def __init__(self, keys: Mapping[str, Any], binding: ContextBinding) -> None:
        super().__init__(keys)
        self.binding = binding


def read(dicts: Iterable[Mapping[str, Any]]) -> list[Route]:
    """Return the routes that a list of dicts describes.

    Raises:
        ConfigurationError: names the route, the key, what is wrong and what is nearest to it.
    """
    if isinstance(dicts, Mapping) or not isinstance(dicts, Iterable):
        raise ConfigurationError(f"routes have to be a list of dicts, not {type(dicts).__name__}")
    found: list[Route] = []
    for position, item in enumerate(dicts):
        found.append(_named(_read_one(position, item), found))
    refuse_collisions(found)
    return found


def _read_one(position: int, item: Any) -> Route:
    if not isinstance(item, Mapping):
        raise ConfigurationError(f"route {position} has to be a dict, not {type(item).__name__}")
    place = f"route {item.get('endpoint', position)!r}"
    for key in item:
        if key not in READERS:
            instead = foreign_keys.instead_of(key, item[key])
            cure = suggestion(str(key), READERS) if instead is None else f": {instead}"
            raise ConfigurationError(f"{place}: unknown key {key!r}{cure}")
    for key in ("endpoint", "callable"):
        if key not in item:
            raise ConfigurationError(f"{place}: the key {key!r} is missing")
    values: dict[str, Any] = {}
    for key, value in item.items():
        try:
            values[key] = READERS[key](value)
        except ConfigurationError as error:
            raise ConfigurationError(f"{place}: key {key!r}: {error}") from error
    binding = item.binding if isinstance(item, ServiceRouteDict) else UNBOUND
    return _classified(place, Route(**values, binding=binding), item)


#: Keys that the pipeline acts on, and that mean nothing for a view.
_PIPELINE_KEYS = (
    "schema",
    "cache",
    "timeout",
    "threads",
    "max_queue",
    "max_body_mb",
    "native_threads",
    "warmup",
    "runner",
    "batch",
    "job",
    "oip",
)


def refuse_options_of_steps(place: str, route: Route) -> None:
    """Refuse what says how many calls a class works on at a time that decides this itself.

    Args:
        place: the beginning of the message.
        route: a route, or a model as one.

    Raises:
        ConfigurationError: the class has `start` and `step`, and batches or threads.
    """
    if steps.is_stepped(route.callable) and (route.batch is not None or route.threads > 1):
        key = "batch" if route.batch is not None else "threads"
        raise ConfigurationError(
            f"{place}: key {key!r}: a class with 'start' and 'step' works on many calls by itself: leave it "
            "out, and say how many by the attribute max_active"
        )


def _classified(place: str, route: Route, item: Mapping[str, Any]) -> Route:
    """Mark views; with a key for the pipeline, a callable without fields is a handler."""
    used = [key for key in _PIPELINE_KEYS if key in item]
    if used and callables.calls_process_json(route.callable):
        raise ConfigurationError(
            f"{place}: key {used[0]!r} has no effect on a view that calls process_json: "
            "name the handler itself as 'callable', and its schema as 'schema'"
        )
    refuse_options_of_steps(place, route)
    if route.job is not None:
        route = _with_job(place, route)
    if route.max_queue is not None and route.batch and route.max_queue < route.batch.max_size:
        raise ConfigurationError(
            f"{place}: key 'max_queue': {route.max_queue} calls never fill batches of "
            f"{route.batch.max_size}: raise it, or lower the 'max_size' of 'batch'"
        )
    return _replace(route, view=not used and callables.is_view(route.callable, route.path_names))


def _with_job(place: str, route: Route) -> Route:
    """Give a route with jobs replicas, which can be killed without harm to the web workers."""
    for key in ("batch", "cache", "timeout"):
        if getattr(route, key):
            raise ConfigurationError(f"{place}: key {key!r} has no effect beside 'job'")
    if route.oip:
        raise ConfigurationError(
            f"{place}: key 'oip': jobs are answered before they have a result: leave one of 'oip' and "
            "'job' out"
        )
    if route.runner is not None and route.runner.ray is not None:
        raise ConfigurationError(
            f"{place}: key 'runner': the engine 'ray' can't be used beside 'job': replicas of this machine "
            "claim jobs. Write a function that calls a Model on Ray, and give that the jobs"
        )
    if route.runner is not None and route.runner.idle is not None:
        raise ConfigurationError(
            f"{place}: key 'runner': the option 'idle' can't be used beside 'job': a replica that is "
            "unloaded takes no jobs from the store"
        )
    if route.runner is not None and not isinstance(route.runner.replicas, int):
        raise ConfigurationError(
            f"{place}: key 'runner': one number of 'replicas' is expected beside 'job': jobs wait in the "
            "store, not in the queues by which replicas are added"
        )
    return route if route.runner else _replace(route, runner=RunnerOptions())


def _replace(route: Route, **changes: Any) -> Route:
    return Route(**{**{name: getattr(route, name) for name in Route.__dataclass_fields__}, **changes})


def _named(route: Route, others: list[Route]) -> Route:
    """Give a route its name; two callables of one name are distinguished by their paths."""
    taken = {other.name for other in others}
    if route.name:
        if route.name in taken:
            raise ConfigurationError(
                f"route {route.endpoint!r}: key 'name': {route.name!r} is taken by another route"
            )
        return route
    name = callables.name_of(route.callable)
    if name in taken:
        name = f"{name}:{route.endpoint}".replace(".", "_")
    while name in taken:
        name += f":{'+'.join(route.methods)}"
    return _replace(route, name=name.replace(".", "_"))


def refuse_collisions(routes: Iterable[Route]) -> None:
    """Raise ConfigurationError where two routes answer the same method of one path."""
    seen: dict[tuple[str, str], Route] = {}
    for route in routes:
        for method in route.methods:
            shape = (_shape(route.endpoint), method)
            if shape in seen:
                raise ConfigurationError(
                    f"route {route.endpoint!r}: {method} is answered by another route already, "
                    f"{seen[shape].name!r}"
                )
            seen[shape] = route


def _shape(endpoint: str) -> str:
    """Return a rule without the names of its values: rules that differ in these match the same paths."""
    shape = endpoint
    for name in parse_rule(endpoint).arguments:
        shape = shape.replace(f":{name}>", ":>").replace(f"<{name}>", "<:>")
    return shape
