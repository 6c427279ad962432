"""Which models a handler calls, read from its code: so that they start with its service, and in no circle.

Sees what functions, methods and the functions of the same package that they call name; what is found at run
time only, starts at its first call.
"""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from types import CodeType, FunctionType, ModuleType
from typing import Any

from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.models.handle import Model


def models_of(targets: Iterable[Any]) -> list[Model]:
    """Return the models that callables call, and those that these call.

    Raises:
        ConfigurationError: a model waits for itself by way of others, or two have the same name.
    """
    found: dict[str, Model] = {}
    for target in targets:
        for model in _called(target):
            _add(model, (), found)
    return list(found.values())


def calls_of(targets: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the names of the models that each of some callables calls, and of those that these models call.

    Args:
        targets: by their names.
    """
    found: dict[str, list[str]] = {}
    left = deque(targets.items())
    while left:
        name, target = left.popleft()
        called = [] if name in found else _called(target)
        if called:
            found[name] = [model.name for model in called]
            left += [(model.name, model.route.callable) for model in called]
    return found


def _add(model: Model, path: tuple[Model, ...], found: dict[str, Model]) -> None:
    if model in path:
        circle = " → ".join(each.name for each in (*path[path.index(model) :], model))
        raise ConfigurationError(
            f"models call each other in a circle, and would wait for themselves: {circle}"
        )
    if found.setdefault(model.name, model) is not model:
        raise ConfigurationError(f"two models have the name {model.name!r}: give one another by name='…'")
    for called in _called(model.route.callable):
        _add(called, (*path, model), found)


def _called(target: Any) -> list[Model]:
    """Return the models that the code of a callable names, and the code of its own package that it calls."""
    found: dict[int, Model] = {}
    seen: set[int] = set()
    package = _package(target)
    left = list(_functions(target))
    while left:
        function = left.pop()
        if id(function) in seen:
            continue
        seen.add(id(function))
        for value in _named(function):
            if isinstance(value, Model):
                found[id(value)] = value
            elif isinstance(value, (FunctionType, type)) and _package(value) == package:
                left += _functions(value)
    return list(found.values())


def _package(target: Any) -> str:
    module = getattr(target, "__module__", None) or type(target).__module__
    return str(module).partition(".")[0]


def _functions(target: Any) -> Iterator[FunctionType]:
    """Yield the functions that run when a callable is called or built."""
    target = inspect.unwrap(getattr(target, "func", target))
    if isinstance(target, FunctionType):
        yield target
    elif inspect.ismethod(target):
        yield from _functions(target.__func__)
    else:
        kind = target if inspect.isclass(target) else type(target)
        for base in kind.__mro__:
            if _package(base) == _package(kind):
                yield from (each for each in vars(base).values() if isinstance(each, FunctionType))


def _named(function: FunctionType) -> Iterator[Any]:
    """Yield what the names in a function's code stand for: globals, attributes of modules, cells."""
    names = dict.fromkeys(_names(function.__code__))
    for name in names:
        value = function.__globals__.get(name)
        yield value
        if isinstance(value, ModuleType):
            yield from (vars(value)[other] for other in names if other in vars(value))
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # it is not filled yet
            continue


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)
