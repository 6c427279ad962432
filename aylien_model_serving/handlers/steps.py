"""Classes that work on many calls step by step, a call joining and leaving at any step: `start` and `step`.

Pure. An engine for them is `executors.continuous`; without one, a call is worked on by itself.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import operator
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from types import UnionType
from typing import Any, ClassVar, Union, get_args, get_origin, get_type_hints

from aylien_model_serving.errors import ConfigurationError, HandlerFailed

#: Calls that a class works on at a time where it does not say how many.
MAX_ACTIVE = 16

_NOTHING: Any = object()


class Done:
    """What a step returns for a call that has ended.

    Args:
        item: the last item of the call; without one there is none.
    """

    __slots__ = ("item",)

    def __init__(self, item: Any = _NOTHING) -> None:
        self.item = item

    @property
    def has_item(self) -> bool:
        return self.item is not _NOTHING


def is_stepped(target: Any) -> bool:
    """Return whether something is a class with `start` and `step`, and without `__call__`."""
    if not inspect.isclass(target) or any("__call__" in kind.__dict__ for kind in target.__mro__):
        return False
    return callable(getattr(target, "start", None)) and callable(getattr(target, "step", None))


def adapted(target: Any) -> Any:
    """Return a class of handlers in place of one that works in steps; anything else as it is.

    Raises:
        ConfigurationError: `start` or `step` is a coroutine function, or `max_active` no number.
    """
    return _adapted(target) if is_stepped(target) else target


@functools.cache
def _adapted(target: type) -> type:
    for name in ("start", "step"):
        function = getattr(target, name)
        if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
            raise ConfigurationError(
                f"{target.__name__}.{name}: write a plain function, which returns its result"
            )
    most = getattr(target, "max_active", MAX_ACTIVE)
    if not isinstance(most, int) or isinstance(most, bool) or most < 1:
        raise ConfigurationError(
            f"{target.__name__}.max_active: a number of 1 or more is expected; this is {most!r}"
        )

    start: Any = getattr(target, "start")  # noqa: B009  # that is_stepped has found
    item = _item_of(target)

    def call(self: SteppedHandler, *args: Any, **fields: Any) -> Iterator[Any]:
        yield from self.alone(self.start(*args, **fields))

    call.__annotations__ = {**get_type_hints(start, include_extras=True), "return": Iterator[item]}  # type: ignore[valid-type]
    call.__signature__ = inspect.signature(start)  # type: ignore[attr-defined]
    call.__doc__ = start.__doc__
    return type(
        target.__name__,
        (SteppedHandler,),
        {
            "kind": target,
            "__call__": call,
            "__doc__": target.__doc__,
            "__module__": target.__module__,
            "__qualname__": target.__qualname__,
            "__init__": _init_like(target),
        },
    )


def answering(callable_: Any) -> Any:
    """Return the handler that an instance of such a class answers by; anything else as it is."""
    kind: Any = type(callable_)
    if not is_stepped(kind):
        return callable_
    handler: Any = object.__new__(_adapted(kind))
    handler.host(callable_)
    return handler


def _init_like(target: type) -> Callable[..., None]:
    """Return an `__init__` that takes what a class is built with."""

    def init(self: SteppedHandler, *args: Any, **fields: Any) -> None:
        self.host(type(self).kind(*args, **fields))

    own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    signature = inspect.signature(target)
    taken = [
        each.replace(kind=each.KEYWORD_ONLY) for each in signature.parameters.values() if _is_named(each)
    ]
    init.__signature__ = signature.replace(parameters=[own, *taken])  # type: ignore[attr-defined]
    return init


def _is_named(parameter: inspect.Parameter) -> bool:
    return parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)


class SteppedHandler:
    """The handler that an instance of such a class answers by."""

    kind: ClassVar[type]

    def host(self, inner: Any) -> None:
        """Take over an instance of the class."""
        self.max_active: int = getattr(inner, "max_active", MAX_ACTIVE)
        self.start: Callable[..., Any] = inner.start
        self.step: Callable[[list[Any]], Any] = inner.step
        close = getattr(inner, "close", None)
        if callable(close):
            self.close = close

    def __call__(self, *args: Any, **fields: Any) -> Iterator[Any]:
        """Yield the items of a call that is worked on by itself."""
        raise NotImplementedError("the class that `adapted` makes has one, with the hints of `start`")

    def alone(self, state: Any) -> Iterator[Any]:
        """Yield the items of a call that is worked on by itself."""
        while True:
            [item] = stepped(self.step, [state])
            yield from _given(item)
            if isinstance(item, Done):
                return


def items_alone(lists: Iterable[Sequence[Any]]) -> Iterator[Any]:
    """Yield the items of a call that is the only one of its batch.

    Args:
        lists: what the handler yields, with one item in each.
    """
    with contextlib.closing(lists) if isinstance(lists, Generator) else contextlib.nullcontext():
        for [item] in lists:
            yield from _given(item)
            if isinstance(item, Done):
                return


def _given(item: Any) -> Iterator[Any]:
    """Yield what a call gets in a step, if anything, or raise its error."""
    if isinstance(item, Exception):
        raise item
    if not isinstance(item, Done):
        yield item
    elif item.has_item:
        yield item.item


def stepped(step: Callable[[list[Any]], Any], states: list[Any]) -> list[Any]:
    """Return what a step returns for each of several calls.

    Raises:
        HandlerFailed: it returned more or fewer.
    """
    items = step(states)
    if not isinstance(items, (list, tuple)) or len(items) != len(states):
        shown = str(len(items)) if isinstance(items, (list, tuple)) else f"a {type(items).__name__}"
        raise HandlerFailed(
            f"step has to return a list, an item or Done for each of {len(states)} calls, not {shown}"
        )
    return list(items)


def _item_of(target: type) -> Any:
    """Return the type of an item, as the return hint of `step` has it: list[item | Done]."""
    try:
        [hint] = get_args(get_type_hints(target.step, include_extras=True)["return"])  # type: ignore[attr-defined]
    except (KeyError, NameError, TypeError, ValueError):
        return Any
    parts = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    kinds = [kind for kind in parts if not (inspect.isclass(kind) and issubclass(kind, (Done, Exception)))]
    return functools.reduce(operator.or_, kinds) if kinds else Any
