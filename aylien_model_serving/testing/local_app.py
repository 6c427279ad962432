"""Apps within the test's own process: no server, no replicas, jobs in memory."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from aylien_model_serving.core.suggest import suggestion
from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.models.handle import Model
from aylien_model_serving.rpc.hosted import HostedExecutor
from aylien_model_serving.service import Service
from aylien_model_serving.testing.targets import load
from aylien_model_serving.web import overrides
from aylien_model_serving.web.app import ServingFlask


def in_process(target: Any, handlers: Mapping[str, Callable[..., Any]] | None = None) -> ServingFlask:
    """Return an app whose `test_client()` answers without further processes.

    Args:
        target: "module:app" or "module:factory()", or a Service or a factory itself.
        handlers: callables that answer instead of handlers, by the name of the route; each gets those fields
            that it takes. All other handlers are built here, for the CPU.

    Raises:
        ConfigurationError: the target leads to no such app, a route has no such name, or the app was built
            before, with runners of its own.
    """
    with stub_runners(**(handlers or {})):
        app = _made(load(target))
    if not isinstance(app, ServingFlask):
        raise ConfigurationError(f"{target!r} is no app of this library, but a {type(app).__name__}")
    jobs = app.state.jobs
    is_hosted = any(isinstance(endpoint.executor, HostedExecutor) for endpoint in app.state.endpoints)
    if is_hosted or (jobs is not None and not jobs.is_memory):
        raise ConfigurationError(
            f"{target!r} was built before, with processes of its own: build it in a factory and name that, "
            "or let nothing import its module before `in_process` does"
        )
    return app


@contextmanager
def stub_runners(**handlers: Callable[..., Any]) -> Iterator[None]:
    """Have apps that are built until the block ends answer without further processes.

    Args:
        handlers: callables that answer instead of handlers, by the name of the route.

    Raises:
        ConfigurationError: no app that was built has a route of such a name.
    """
    with overrides.overriding(handlers) as active:
        yield
    for name in sorted(set(handlers) - active.names):
        if name in active.models:
            raise ConfigurationError(
                f"{name!r} is a Model, which handlers call: have another callable answer by `with stub(…)`"
            )
        hint = suggestion(name, sorted(active.names)) if active.names else ": no app was built meanwhile"
        raise ConfigurationError(f"no handler has the name {name!r}{hint}")


@contextmanager
def stub(model: Model, callable_: Callable[..., Any]) -> Iterator[None]:
    """Have a callable of this process answer the calls of a model until the block ends.

    Args:
        model: the handle.
        callable_: takes one call's arguments, also where the model takes batches; methods of the model are
            methods of it.

    Raises:
        TypeError: what is given is no handle of a model.
    """
    if not isinstance(model, Model):
        raise TypeError(
            f"stub() takes the handle of a model, Model(…), not {model!r}: have another callable answer for "
            "a route by stub_runners(name=…) or in_process(…, {name: …})"
        )
    model.run_instead(callable_)
    try:
        yield
    finally:
        model.run_instead(None)


def _made(found: Any) -> Any:
    """Return the app itself; a Service builds a further one, since it keeps the first for ever."""
    if isinstance(found, Service):
        return found.build()
    return found() if inspect.isroutine(found) else found
