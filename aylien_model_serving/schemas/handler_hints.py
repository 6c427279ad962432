"""The type hints of a handler, each resolved by itself.

Pure.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import AsyncIterable, Callable, Iterable, Iterator
from types import SimpleNamespace
from typing import Any, NamedTuple, get_args, get_origin, get_type_hints

from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.handlers import callables
from aylien_model_serving.schemas.hint_parts import ITERATORS


class HandlerHints(NamedTuple):
    """The hints of a handler.

    Args:
        found: by the parameter's name; that of the result is "return".
        unresolved: why others can't be resolved, by the parameter's name.
        rest: the name of the parameter that takes all fields beyond the named ones, where it has a hint.
    """

    found: dict[str, Any]
    unresolved: dict[str, str]
    rest: str | None

    def require(self, name: str) -> None:
        """Raise an error for a hint that can't be resolved.

        Args:
            name: of a parameter, or "return".

        Raises:
            ConfigurationError: the hint names what the handler's module has not.
        """
        if name in self.unresolved:
            whose = "the result" if name == "return" else f"parameter {name!r}"
            raise ConfigurationError(
                f"the type hint of {whose} can't be resolved: {self.unresolved[name]}; import the type where "
                "the module runs, not only under TYPE_CHECKING, or write Any"
            )


def hints_of(handler: Callable[..., Any]) -> HandlerHints:
    """Return the hints of a function, a bound method, or an instance's `__call__`."""
    target = inspect.unwrap(getattr(handler, "func", handler))
    if not inspect.isroutine(target):
        target = type(target).__call__
    try:
        parameters = inspect.signature(target).parameters
    except (TypeError, ValueError):
        return HandlerHints({}, {}, None)
    found, unresolved = _resolved(target)
    for name in found.keys() & parameters.keys():
        if parameters[name].default is None:  # `x: int = None` takes null too
            found[name] |= None
    rest = (
        p.name for p in parameters.values() if p.kind is inspect.Parameter.VAR_KEYWORD and p.name in found
    )
    return HandlerHints(found, unresolved, next(rest, None))


def item_hint_of(hint: Any) -> Any:
    """Return the hint of the items that a result is made of one by one; None where it is not, or has none."""
    if (get_origin(hint) or hint) in ITERATORS:
        return (get_args(hint) or (Any,))[0]
    return None


def result_hint_of(handler: Callable[..., Any], hint: Any) -> Any:
    """Return the hint of a result, as that of a stream where the handler is a generator function.

    Args:
        handler: the callable.
        hint: that it has; None for none.
    """
    if not callables.is_generator(handler) or item_hint_of(hint) is not None:
        return hint
    if (get_origin(hint) or hint) in (Iterable, AsyncIterable):
        return Iterator[(get_args(hint) or (Any,))[0]]  # type: ignore[misc]  # known at run time alone
    return Iterator[Any] if hint in (None, Any, object) else hint


def is_stream(handler: Callable[..., Any]) -> bool:
    """Return whether a handler is a generator function, or is hinted to return an iterator."""
    return callables.is_generator(handler) or item_hint_of(hints_of(handler).found.get("return")) is not None


def _resolved(target: Any) -> tuple[dict[str, Any], dict[str, str]]:
    try:
        return get_type_hints(target, include_extras=True), {}
    except (NameError, TypeError, ValueError, AttributeError, SyntaxError):
        pass
    found: dict[str, Any] = {}
    unresolved: dict[str, str] = {}
    names = getattr(target, "__globals__", None) or vars(
        sys.modules.get(target.__module__, SimpleNamespace())
    )
    for name, hint in getattr(target, "__annotations__", {}).items():
        try:
            one = SimpleNamespace(__annotations__={name: hint})
            found |= get_type_hints(one, globalns=names, include_extras=True)
        except (NameError, TypeError, ValueError, AttributeError, SyntaxError) as error:
            unresolved[name] = str(error)
    return found, unresolved
