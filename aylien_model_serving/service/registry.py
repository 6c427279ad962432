"""The registry of a service's routes: what its decorators register, each with its line."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from types import FrameType
from typing import Any, NamedTuple, TypedDict

from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.handlers import callables
from aylien_model_serving.handlers.context import Context, ContextBinding
from aylien_model_serving.handlers.signatures import Signature
from aylien_model_serving.routing import routes
from aylien_model_serving.routing.routes import Route, ServiceRouteDict


class RouteKeys(TypedDict, total=False):
    """The keys of a route dict beside its path and its callable; `routes.Route` describes them."""

    methods: Sequence[str]
    name: str
    schema: Any
    cache: bool | int
    timeout: float
    threads: int
    max_queue: int
    max_body_mb: float
    native_threads: bool
    warmup: Mapping[str, Any]
    runner: bool | Mapping[str, Any]
    batch: bool | Mapping[str, Any]
    job: bool | Mapping[str, Any]
    limit: str | Mapping[str, Any]
    content_security_policy: str | None
    oip: bool


class DecoratorKeys(RouteKeys, total=False):
    """The same with names from other systems: the path, one method, and `max_body_mb`."""

    route: str
    method: str
    max_upload_file_size_mb: float


class _RegisteredRoute(NamedTuple):
    keys: ServiceRouteDict
    route: Route
    line: str


class RouteRegistry:
    """The routes and single-use decorators of one service.

    Args:
        context: of the service, which its handlers get.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._routes: list[_RegisteredRoute] = []
        self._lines: dict[str, str] = {}

    def dicts(self) -> list[dict[str, Any]]:
        """Return the route dicts, in the order of the decorators."""
        return [registered.keys for registered in self._routes]

    def add(
        self,
        target: Any,
        path: str | None,
        keys: Mapping[str, Any],
        frame: FrameType,
        *,
        takes_body: bool = False,
    ) -> None:
        """Register one route.

        Args:
            target: the handler.
            path: in Flask's rule syntax, the slash before it may be missing; "/" and the callable's name for
                None.
            keys: those of the decorator; one that is None counts as not given.
            frame: of the decorator's call.
            takes_body: whether the handler is called as `handler(context, fields)`.

        Raises:
            ConfigurationError: a key is wrong, or the path is answered already.
        """
        keys = dict(keys)
        route = keys.pop("route", None)
        if path is not None and route is not None:
            raise ConfigurationError(f"route {path!r}: 'route' is another name of the path: keep one")
        path = next((given for given in (path, route) if given is not None), callables.name_of(target))
        if isinstance(path, str):
            path = f"/{path.removeprefix('/')}"
        found = {"endpoint": path, "callable": target, **_own_keys(path, keys)}
        bound = ServiceRouteDict(found, ContextBinding(self._context, takes_body))
        [route] = routes.read([bound])
        for earlier in self._routes:
            try:
                routes.refuse_collisions([earlier.route, route])
            except ConfigurationError as error:
                raise ConfigurationError(f"{error}, at {earlier.line}") from None
        self._routes.append(_RegisteredRoute(bound, route, _line(frame)))

    def register_once(self, what: str, frame: FrameType) -> None:
        """Register the only use of a decorator.

        Raises:
            ConfigurationError: it is not the first.
        """
        if what in self._lines:
            raise ConfigurationError(f"@{what} can be used once, and has been at {self._lines[what]}")
        self._lines[what] = _line(frame)


def _own_keys(path: Any, keys: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys of a route dict that a decorator's stand for.

    Raises:
        ConfigurationError: one of them is given under two names.
    """
    given = {key: value for key, value in keys.items() if value is not None}
    for key, own in (("method", "methods"), ("max_upload_file_size_mb", "max_body_mb")):
        if key in given:
            value = given.pop(key)
            if own in given:
                raise ConfigurationError(f"route {path!r}: {key!r} is another name of {own!r}: keep one")
            given[own] = [value] if key == "method" and isinstance(value, str) else value
    return given


def check_body_handler(what: str, target: Any) -> None:
    """Refuse what can't be called as `handler(context, json_in)`.

    Args:
        what: the name of the decorator.
        target: the handler.

    Raises:
        ConfigurationError: it takes other arguments.
    """
    is_class = inspect.isclass(target)
    try:
        inspect.signature(target.__call__ if is_class else target).bind(*[{}] * (3 if is_class else 2))
    except TypeError:
        raise ConfigurationError(
            f"@{what}: it is called with two arguments, (context, json_in) or (context, request)"
        ) from None


def check_init(function: Any, given: str) -> None:
    """Refuse an init that can't be called before there is a request.

    Args:
        function: the init.
        given: name of the only argument that it may ask for.

    Raises:
        ConfigurationError: it is no plain function, or asks for more.
    """
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        raise ConfigurationError("@init: write a plain function: no event loop runs yet")
    missing = Signature.of(function).required - {given}
    if missing:
        raise ConfigurationError(f"@init: nobody gives it {min(missing)!r}; it may ask for {given!r} alone")


def _line(frame: FrameType) -> str:
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
