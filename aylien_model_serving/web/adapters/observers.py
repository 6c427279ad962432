"""Who observes each request of a Flask app: hooks, receivers of signals, and what patches or replaces Flask.

While there is anybody, Flask has to dispatch all requests.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from itertools import chain
from types import FunctionType
from typing import Any, TypeVar

import flask
import flask.app
from flask import Flask
from flask.ctx import RequestContext
from flask.signals import (
    appcontext_popped,
    appcontext_pushed,
    appcontext_tearing_down,
    got_request_exception,
    request_finished,
    request_started,
    request_tearing_down,
)

from aylien_model_serving.web.adapters.recorded_environ import RecordedEnviron

_SIGNALS = (
    request_started,
    request_finished,
    request_tearing_down,
    got_request_exception,
    appcontext_pushed,
    appcontext_popped,
    appcontext_tearing_down,
)

_App = TypeVar("_App", bound=Flask)

#: Methods of Flask's that a request passes, and tools of monitoring wrap.
_PATCHED = (
    "__call__",
    "wsgi_app",
    "full_dispatch_request",
    "preprocess_request",
    "dispatch_request",
    "handle_user_exception",
    "handle_exception",
    "finalize_request",
    "process_response",
    "do_teardown_request",
)

#: Packages whose hooks trace a request: what they read of it is not what its response depends on.
_TRACERS = ("opentelemetry",)


def lists_of(app: Flask) -> tuple[Collection[Any], ...]:
    """Return the collections, updated in place, of an app's hooks and of the receivers of Flask's signals."""
    return (
        app.before_request_funcs,
        app.after_request_funcs,
        app.teardown_request_funcs,
        app.teardown_appcontext_funcs,
        app.url_value_preprocessors,
        *(signal.receivers for signal in _SIGNALS),
    )


def names_for(app: Flask) -> list[str]:
    """Return the packages of hooks and receivers that observe an app, and the patched methods of Flask."""
    hooks = (app.before_request_funcs, app.after_request_funcs, app.teardown_request_funcs)
    found = [
        *chain.from_iterable(functions for by_blueprint in hooks for functions in by_blueprint.values()),
        *chain.from_iterable(app.url_value_preprocessors.values()),
        *app.teardown_appcontext_funcs,
        *(receiver for signal in _SIGNALS for receiver in signal.receivers_for(app)),
    ]
    packages = {module_of(each).partition(".")[0] for each in found} - {""}
    return [*sorted(packages), *(f"a patch of Flask.{name}" for name in patched_methods())]


def module_of(function: object) -> str:
    """Return the name of a function's module, where it tells one."""
    return getattr(function, "__module__", None) or ""


def patched_methods() -> list[str]:
    """Return the methods of Flask's that a request passes, and that are not as Flask has defined them."""
    return [name for name in _PATCHED if not is_flasks_own(name)]


def is_flasks_own(name: str) -> bool:
    """Return whether one of Flask's methods is as Flask has defined it."""
    method = getattr(Flask, name)
    return type(method) is FunctionType and method.__globals__ is vars(flask.app)


#: Flask's `__call__`, to see at each request that nobody has replaced it; no function where one has already.
FLASK_CALL: Any = Flask.__call__ if is_flasks_own("__call__") else None


def kind_for(kind: type[_App]) -> type[_App]:
    """Return a class of apps that derives from what stands in the place of `flask.Flask`, too.

    Who instruments Flask may replace it by a subclass after `kind` was derived from it.
    """
    replacement: type[Any] = flask.Flask
    if issubclass(kind, replacement) or not issubclass(replacement, Flask):
        return kind
    return type(kind.__name__, (kind, replacement), {"__module__": kind.__module__})


def pop_with(context: RequestContext, error: Exception) -> None:
    """Have a request's context popped with an error, which its teardowns get as that of a view of Flask's."""
    pop = context.pop

    def pop_failed(exc: BaseException | None = None) -> None:
        del context.pop  # a circle of references
        pop(error if exc is None else exc)

    context.pop = pop_failed  # type: ignore[method-assign]


def is_tracing(hook: Callable[..., Any]) -> bool:
    """Return whether a hook belongs to a package that traces requests."""
    return module_of(hook).partition(".")[0] in _TRACERS


class TracingHook:
    """A hook that traces a request, equal to the function that it calls, by which it may be removed.

    Args:
        function: the hook.
        environ: returns the WSGI environ of the current request.
    """

    def __init__(self, function: Callable[[], Any], environ: Callable[[], Mapping[str, Any]]) -> None:
        self.__module__ = module_of(function)
        self._function = function
        self._environ = environ

    def __call__(self) -> Any:
        environ = self._environ()
        if not isinstance(environ, RecordedEnviron):
            return self._function()
        with environ.unrecorded():
            return self._function()

    def __eq__(self, other: object) -> bool:
        return self is other or self._function == other

    def __hash__(self) -> int:
        return hash(self._function)
