"""Test doubles for handlers while an app is built, so that it answers without further processes.

A handler runs in the process that builds the app, or another callable runs in its place.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from aylien_model_serving.core.setting_readers import ALL
from aylien_model_serving.core.settings import Settings
from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.handlers import callables as handlers
from aylien_model_serving.handlers.context import UNBOUND
from aylien_model_serving.handlers.signatures import Signature
from aylien_model_serving.routing.routes import Route
from aylien_model_serving.web.job_store import MEMORY

#: The device of a class that a replica would build on its own device.
_DEVICE = "cpu"


@dataclasses.dataclass
class Overrides:
    """Callables that replace handlers, and the routes that were built with them.

    Args:
        callables: by the name of the route.
        names: of all routes of the apps that were built meanwhile, without Flask's views.
        models: the names of the models that their handlers call.
    """

    callables: Mapping[str, Callable[..., Any]]
    names: set[str] = dataclasses.field(default_factory=set)
    models: set[str] = dataclasses.field(default_factory=set)


_current: ContextVar[Overrides | None] = ContextVar("overrides", default=None)


@contextmanager
def overriding(callables: Mapping[str, Callable[..., Any]]) -> Iterator[Overrides]:
    """Have apps that are built within the block start no replicas, and keep jobs in memory.

    Args:
        callables: replace handlers, by the name of the route.
    """
    overrides = Overrides(callables)
    token = _current.set(overrides)
    try:
        yield overrides
    finally:
        _current.reset(token)


def settings() -> Settings:
    """Return the settings for an app that is being built."""
    loaded = Settings.load()
    if _current.get() is None:
        return loaded
    return dataclasses.replace(loaded, jobs_url=MEMORY, jobs_broker=None, role=ALL)


def runs_here() -> bool:
    """Return whether an app that is being built is to start no replicas."""
    return _current.get() is not None


def note_models(names: Iterable[str]) -> None:
    """Keep the names of the models that an app's handlers call, which are no routes."""
    overrides = _current.get()
    if overrides is not None:
        overrides.models.update(names)


def apply(routes: Iterable[Route]) -> list[Route]:
    """Return the routes with the overrides in place of their handlers.

    Raises:
        ConfigurationError: a handler's class can't be built as the route says.
    """
    overrides = _current.get()
    return list(routes) if overrides is None else [_override(overrides, route) for route in routes]


def _override(overrides: Overrides, route: Route) -> Route:
    if route.view:
        return route
    overrides.names.add(route.name)
    callable_ = overrides.callables.get(route.name)
    if callable_ is None and route.runner is None:
        return route
    init = {} if route.runner is None else route.runner.init
    try:
        real = handlers.build_placeholder(route.target, init, route.binding)
        if callable_ is not None:
            real = _described_as(real, handlers.build(callable_))
        elif route.job is None:
            real = handlers.build_with(route.target, init, _DEVICE, route.binding)
        else:
            return route  # jobs of a store in memory run in this process
    except ConfigurationError as error:
        raise ConfigurationError(f"route {route.endpoint!r}: {error}") from error
    runner = None if route.runner is None or route.job is None else dataclasses.replace(route.runner, init={})
    return dataclasses.replace(route, callable=real, runner=runner, binding=UNBOUND)


def _described_as(real: Callable[..., Any], override: Callable[..., Any]) -> Callable[..., Any]:
    """Return a callable that passes the override the fields that it takes, with the real one's signature."""
    described: Any = real if inspect.isroutine(real) else getattr(real, "__call__", real)  # noqa: B004  # its hints
    positional, takes = Signature.of(real).positional, Signature.of(override)

    def values(args: tuple[Any, ...], fields: dict[str, Any]) -> dict[str, Any]:
        given = dict(zip(positional, args, strict=False)) | fields
        return {name: value for name, value in given.items() if takes.open or name in takes.known}

    if handlers.is_async(override):

        @functools.wraps(described)
        async def answer(*args: Any, **fields: Any) -> Any:
            return await takes.call(override, values(args, fields))

        return answer

    @functools.wraps(described)
    def call(*args: Any, **fields: Any) -> Any:
        return takes.call(override, values(args, fields))

    return call
