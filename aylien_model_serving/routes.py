"""Route dicts → frozen routes. Every mistake in one stops the service at start, with its place and its cure.

Floor 3: knows Werkzeug's rule syntax and nothing of Flask.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from werkzeug.routing import Map, Rule

from aylien_model_serving import handlers
from aylien_model_serving.errors import ConfigurationError

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")


@dataclass(frozen=True)
class Route:
    """One route of a service; each field is the key of the same name.

    Args:
        endpoint: the path, in Flask's rule syntax.
        callable: what answers: a view, a handler, or a class whose instance handles.
        methods: the HTTP methods that are answered.
        name: label in metrics and logs, unique within the service.
        schema: what validates both ways; None for the handler's type hints.
        cache: whether answers are kept, or the seconds for which they are.
        timeout: seconds that a call may take.
        threads: how many calls may run at once in one process.
        warmup: fields of a call that is made before a process says it is ready.
        view: whether Flask calls it as a view.
    """

    endpoint: str
    callable: Any
    methods: tuple[str, ...] = ("POST",)
    name: str = ""
    schema: Any = None
    cache: bool | int = False
    timeout: float | None = None
    threads: int = 1
    warmup: Mapping[str, Any] | None = None
    view: bool = False

    @property
    def path_names(self) -> frozenset[str]:
        """The names of the path's values."""
        return frozenset(_bound(self.endpoint).arguments)


def read(dicts: Iterable[Mapping[str, Any]]) -> list[Route]:
    """Return the routes that a list of dicts describes.

    Raises:
        ConfigurationError: names the route, the key, what is wrong and the nearest right thing.
    """
    if isinstance(dicts, Mapping) or not isinstance(dicts, Iterable):
        raise ConfigurationError(f"routes have to be a list of dicts, not {type(dicts).__name__}")
    found: list[Route] = []
    for position, item in enumerate(dicts):
        found.append(_named(_read_one(position, item), found))
    _refuse_collisions(found)
    return found


def _read_one(position: int, item: Any) -> Route:
    if not isinstance(item, Mapping):
        raise ConfigurationError(f"route {position} has to be a dict, not {type(item).__name__}")
    place = f"route {item.get('endpoint', position)!r}"
    for key in item:
        if key not in _READERS:
            raise ConfigurationError(f"{place}: unknown key {key!r}{_nearest(str(key), _READERS)}")
    for key in ("endpoint", "callable"):
        if key not in item:
            raise ConfigurationError(f"{place}: the key {key!r} is missing")
    values: dict[str, Any] = {}
    for key, value in item.items():
        try:
            values[key] = _READERS[key](value)
        except ConfigurationError as error:
            raise ConfigurationError(f"{place}: key {key!r}: {error}") from error
    return _classified(place, Route(**values), item)


#: Keys that the pipeline acts on, and that say nothing to a view.
_PIPELINE_KEYS = ("schema", "cache", "timeout", "threads", "warmup")


def _classified(place: str, route: Route, item: Mapping[str, Any]) -> Route:
    """Tell views from bare handlers; with a key for the pipeline, a callable without fields is a handler."""
    used = [key for key in _PIPELINE_KEYS if key in item]
    if used and handlers.calls_process_json(route.callable):
        raise ConfigurationError(
            f"{place}: key {used[0]!r} has no effect on a view that calls process_json: "
            "name the handler itself as 'callable', and its schema as 'schema'"
        )
    return _replace(route, view=not used and handlers.is_view(route.callable, route.path_names))


def _replace(route: Route, **changes: Any) -> Route:
    return Route(**{**{name: getattr(route, name) for name in Route.__dataclass_fields__}, **changes})


def _named(route: Route, others: list[Route]) -> Route:
    """Give a route its name; two callables of one name are told apart by their paths."""
    taken = {other.name for other in others}
    if route.name:
        if route.name in taken:
            raise ConfigurationError(
                f"route {route.endpoint!r}: key 'name': {route.name!r} is taken by another route"
            )
        return route
    name = handlers.name_of(route.callable)
    if name in taken:
        name = f"{name}:{route.endpoint}".replace(".", "_")
    while name in taken:
        name += f":{'+'.join(route.methods)}"
    return _replace(route, name=name.replace(".", "_"))


def _refuse_collisions(routes: list[Route]) -> None:
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
    """Two rules that differ in the names of their values alone are one."""
    shape = endpoint
    for name in _bound(endpoint).arguments:
        shape = shape.replace(f":{name}>", ":>").replace(f"<{name}>", "<:>")
    return shape


def _bound(endpoint: str) -> Rule:
    """Return Werkzeug's reading of a rule; a rule is read only once it is part of a map."""
    rule = Rule(endpoint)
    Map([rule])
    return rule


def _endpoint(value: Any) -> str:
    if not isinstance(value, str) or not value.startswith("/"):
        raise ConfigurationError(f"a path starts with '/', e.g. '/classify'; this is {value!r}")
    try:
        _bound(value)
    except (ValueError, LookupError, SyntaxError) as error:
        raise ConfigurationError(f"not a rule that Flask understands: {error}") from error
    return value


def _callable(value: Any) -> Any:
    if not callable(value):
        raise ConfigurationError(
            f"{value!r} can't be called: give a function, a class, or an object with __call__"
        )
    return value


def _methods(value: Any) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise ConfigurationError(f"methods are a list, e.g. ['POST']; this is {value!r}")
    methods = tuple(str(method).upper() for method in value)
    for method in methods:
        if method not in METHODS:
            raise ConfigurationError(f"unknown method {method!r}{_nearest(method, METHODS)}")
    if not methods:
        raise ConfigurationError("at least one method is needed, e.g. ['POST']")
    return tuple(dict.fromkeys(methods))


def _name(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or "." in value:
        raise ConfigurationError(f"a name is text without a dot; this is {value!r}")
    return value


def _cache(value: Any) -> bool | int:
    if isinstance(value, bool):
        return value
    if not isinstance(value, int) or value < 1:
        raise ConfigurationError(f"True, False or whole seconds of 1 or more are expected; this is {value!r}")
    return value


def _seconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1e9:
        raise ConfigurationError(f"seconds above 0 are expected; this is {value!r}")
    return float(value)


def _threads(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigurationError(f"a number of 1 or more is expected; this is {value!r}")
    return value


def _warmup(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"the fields of an example call are expected, as a dict; this is {value!r}")
    return value


def _as_it_is(value: Any) -> Any:
    return value


_READERS: dict[str, Callable[[Any], Any]] = {
    "endpoint": _endpoint,
    "callable": _callable,
    "methods": _methods,
    "name": _name,
    "schema": _as_it_is,
    "cache": _cache,
    "timeout": _seconds,
    "threads": _threads,
    "warmup": _warmup,
}


def _nearest(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else f"; known are {', '.join(known)}"
