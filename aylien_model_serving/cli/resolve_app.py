"""Resolves the app of a module, and the expression by which a server names it."""

from __future__ import annotations

import ast
import inspect
from types import ModuleType
from typing import Any, NamedTuple

from flask import Flask

from aylien_model_serving.cli.errors import InvalidUsage
from aylien_model_serving.core.suggest import suggestion
from aylien_model_serving.service import Service

#: Names that are tried first for an app, and for a function that makes one.
APPS = ("app", "application", "service", "api")
FACTORIES = ("run_app", "create_app", "make_app")


class ResolvedApp(NamedTuple):
    """An app, and the expression that names it.

    Args:
        expression: its name in the module, or the call that makes it.
        app: the WSGI or ASGI application.
    """

    expression: str
    app: Any


def resolve_app(module: ModuleType, expression: str) -> ResolvedApp:
    """Return the app of a module.

    Args:
        module: the module.
        expression: a name in it, or the call of one; empty to choose the app by its name or type.

    Raises:
        InvalidUsage: there is none, there are several, or what is named is no app.
    """
    expression = expression or _likely(module)
    parsed = ast.parse(expression, mode="eval").body
    if isinstance(parsed, ast.Call) and isinstance(parsed.func, ast.Name):
        given = [ast.literal_eval(argument) for argument in parsed.args]
        named = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in parsed.keywords}
        return ResolvedApp(
            expression, _made(module, _named(module, parsed.func.id), expression, given, named)
        )
    value = _named(module, expression)
    if inspect.isfunction(value) and _takes_nothing(value):
        return ResolvedApp(f"{expression}()", _made(module, value, f"{expression}()", [], {}))
    return ResolvedApp(expression, _checked(module, expression, value))


def _likely(module: ModuleType) -> str:
    """Return the name of the one app in a module, or the call that makes it."""
    apps = [name for name, value in vars(module).items() if isinstance(value, (Service, Flask))]
    for name in (*APPS, *apps[:1]):
        if name in apps and (name in APPS or len(apps) == 1):
            return name
    if apps:
        raise InvalidUsage(f"{module.__name__} has several apps: name one, as in {module.__name__}:{apps[0]}")
    for name in FACTORIES:
        if inspect.isfunction(getattr(module, name, None)):
            return f"{name}()"
    raise InvalidUsage(
        f"{module.__name__} has no app: neither a Service, nor a Flask app, nor a function {FACTORIES[0]}()"
    )


def _named(module: ModuleType, name: str) -> Any:
    try:
        return getattr(module, name)
    except AttributeError:
        known = [other for other, value in vars(module).items() if _may_be_meant(module, other, value)]
        raise InvalidUsage(f"{module.__name__} has no {name!r}{suggestion(name, known)}") from None


def _may_be_meant(module: ModuleType, name: str, value: Any) -> bool:
    if name.startswith("_"):
        return False
    own_function = inspect.isfunction(value) and value.__module__ == module.__name__
    return isinstance(value, (Service, Flask)) or own_function


def _made(module: ModuleType, factory: Any, call: str, given: list[Any], named: dict[str, Any]) -> Any:
    if not callable(factory):
        raise InvalidUsage(f"{module.__name__}:{call}: {type(factory).__name__} can't be called")
    try:
        inspect.signature(factory).bind(*given, **named)
    except TypeError as error:
        raise InvalidUsage(f"{module.__name__}:{call}: {error}") from None
    except ValueError:
        pass  # a callable whose signature can't be read
    return _checked(module, call, factory(*given, **named))


def _checked(module: ModuleType, expression: str, value: Any) -> Any:
    if isinstance(value, type) or not callable(value):
        kind = "a class" if isinstance(value, type) else f"of type {type(value).__name__}"
        raise InvalidUsage(f"{module.__name__}:{expression} is {kind}, and no app that a server could call")
    return value


def _takes_nothing(function: Any) -> bool:
    """A WSGI application takes two arguments, and an ASGI application three."""
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return all(
        parameter.default is not inspect.Parameter.empty or parameter.kind in kinds
        for parameter in inspect.signature(function).parameters.values()
    )
