"""Makes what the hints of a handler name of values that came from another process as lists, dicts and texts.

Only hints that name a dataclass, a model, a date and the like make work; numbers, arrays and lists of them
are passed as they came. Pydantic is imported where a model of it is there already.
"""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import typing
import uuid
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Generator,
    Iterable,
    Iterator,
    Mapping,
)
from typing import Any

import msgspec

from aylien_model_serving.errors import FieldMismatch, InvalidAnswer

#: Classes whose instances cross as something else.
_CONVERTED = (
    tuple,
    set,
    frozenset,
    enum.Enum,
    decimal.Decimal,
    uuid.UUID,
    datetime.date,
    datetime.time,
    datetime.timedelta,
    msgspec.Struct,
)

#: The hints of what is iterated once, and of streams that arguments are.
_ITERATORS = (Iterator, AsyncIterator, Generator, AsyncGenerator)
_STREAMS = (*_ITERATORS, Iterable, AsyncIterable)


class HintedValues:
    """The hints of one callable.

    Args:
        callable_: a function, a method, or an object with `__call__`.
        batched: whether its hints are of lists with an item for each call.
    """

    def __init__(self, callable_: Callable[..., Any], *, batched: bool = False) -> None:
        hints = {} if batched else _hints_of(callable_)
        result = hints.pop("return", Any)
        self._fields = {name: hint for name, hint in hints.items() if _needs_work(hint)}
        self._result = result if _needs_work(result) else None

    def arguments(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Return fields with those made that the hints name.

        Raises:
            FieldMismatch: one can't be made of what was sent.
        """
        for name in self._fields.keys() & fields.keys():
            try:
                fields[name] = _made_argument(fields[name], self._fields[name])
            except (ValueError, TypeError) as error:
                raise FieldMismatch(f"{name}: {error}") from error
        return fields

    def result(self, value: Any) -> Any:
        """Return a result, or an item of a stream, as its hint names it.

        Raises:
            InvalidAnswer: it can't be made of what was sent.
        """
        if self._result is None:
            return value
        try:
            return _made(value, self._result)
        except (ValueError, TypeError) as error:
            raise InvalidAnswer(f"A model's result is not as its hint says: {error}") from error


class MadeItems:
    """The items of a stream, for `for` and `async for`, each as its hint names it.

    Args:
        items: the stream, for both.
        hint: of one of them.
    """

    def __init__(self, items: Any, hint: Any) -> None:
        self._items = items
        self._hint = hint

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return self._made(next(self._items))

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        return self._made(await anext(self._items))

    def _made(self, item: Any) -> Any:
        try:
            return _made(item, self._hint)
        except (ValueError, TypeError) as error:
            raise FieldMismatch(str(error)) from error


def _hints_of(callable_: Callable[..., Any]) -> dict[str, Any]:
    target: Any = callable_ if hasattr(callable_, "__annotations__") else getattr(callable_, "__call__", None)  # noqa: B004  # its hints
    try:
        return dict(typing.get_type_hints(target))
    except (NameError, TypeError, AttributeError):  # of a name that only type checkers import
        return {}


def _needs_work(hint: Any) -> bool:
    """Return whether a hint names, anywhere in it, what crosses as something else."""
    if _is_built(hint):
        return True
    return any(_needs_work(part) for part in typing.get_args(hint) if part is not ...)


def _is_built(hint: Any) -> bool:
    kind = typing.get_origin(hint) or hint
    if not isinstance(kind, type):
        return False
    return (
        issubclass(kind, _CONVERTED)
        or dataclasses.is_dataclass(kind)
        or hasattr(kind, "model_validate")
        or typing.is_typeddict(kind)
    ) and kind.__module__ not in ("numpy", "torch")


def _made_argument(value: Any, hint: Any) -> Any:
    """Return an argument, of which the caller may have sent the items one by one, or all at once."""
    kind, items = typing.get_origin(hint), typing.get_args(hint)
    if isinstance(value, Iterator):
        return MadeItems(value, items[0]) if kind in _STREAMS else value
    if kind in _ITERATORS:
        return iter([_made(item, items[0]) for item in value])
    return _made(value, hint)


def _made(value: Any, hint: Any) -> Any:
    return msgspec.convert(
        value, _item_of(hint), builtin_types=(bytes, bytearray, memoryview), dec_hook=_construct
    )


def _item_of(hint: Any) -> Any:
    """Return the hint of an item, where the hint is of a stream."""
    origin = typing.get_origin(hint)
    if origin in _ITERATORS:
        return typing.get_args(hint)[0]
    return hint


def _construct(kind: type, value: Any) -> Any:
    """Return an instance of a class that msgspec does not know: a model of pydantic's, or what is one."""
    if isinstance(value, kind):
        return value
    validate = getattr(kind, "model_validate", None)
    if validate is not None and isinstance(value, Mapping):
        return validate(value)
    raise TypeError(f"expected {kind.__qualname__}, got {type(value).__qualname__}")
