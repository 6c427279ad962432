"""What is within a type hint: its arguments, what `Annotated` adds, and the fields of classes.

Pure.
"""

from __future__ import annotations

import dataclasses
import functools
import operator
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from types import GenericAlias, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

import msgspec

#: What the hint of a handler says that yields its items.
ITERATORS = (Iterator, Generator, AsyncIterator, AsyncGenerator)


class Part(NamedTuple):
    """A part of a type hint.

    Args:
        hint: a type, with the hint itself as the first of all.
        extras: what `Annotated` adds to it.
        nested: whether it belongs to a field of a class.
    """

    hint: Any
    extras: tuple[Any, ...] = ()
    nested: bool = False


def parts_of(hint: Any) -> Iterator[Part]:
    """Yield each part of a type hint once; pydantic models are not looked into."""
    seen: list[Any] = []
    waiting = [Part(hint)]
    while waiting:
        part = waiting.pop()
        if any(part.hint is known for known in seen):
            continue
        seen.append(part.hint)
        if get_origin(part.hint) is Annotated:
            kind, *extras = get_args(part.hint)
            yield Part(kind, tuple(extras), part.nested)
            inner: tuple[Any, ...] = get_args(kind) if get_origin(kind) is not Literal else ()
            kind = get_origin(kind) or kind
        else:
            yield part
            kind = get_origin(part.hint) or part.hint
            inner = () if kind is Literal else get_args(part.hint)
        waiting += [Part(each, nested=part.nested) for each in inner]
        waiting += [Part(each, nested=True) for each in _field_hints(kind)]


def _field_hints(kind: Any) -> list[Any]:
    """Return the hints of the fields of a class that is known by them."""
    if not isinstance(kind, type) or not has_fields(kind):
        return []
    try:
        return list(get_type_hints(kind, include_extras=True).values())
    except (NameError, TypeError, ValueError, AttributeError):
        return []  # whoever is to check values of the class will say so


def has_fields(kind: type) -> bool:
    """Return whether a class is a dataclass, a TypedDict, a NamedTuple or a Struct."""
    is_named_tuple = issubclass(kind, tuple) and hasattr(kind, "_fields")
    is_typed_dict = issubclass(kind, dict) and hasattr(kind, "__total__")
    return (
        dataclasses.is_dataclass(kind) or is_typed_dict or is_named_tuple or issubclass(kind, msgspec.Struct)
    )


def replaced(hint: Any, replace: Callable[[Any], Any]) -> Any:
    """Return a hint in which some of the types that it names are replaced.

    Args:
        hint: is not changed; fields of classes are not looked at.
        replace: returns another type for one, or the same.
    """
    other = replace(hint)
    if other is not hint:
        return other
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        form: Any = Annotated
        parts = (replaced(args[0], replace), *args[1:])
        return form[parts]
    if not args or origin is Literal:
        return hint
    others = tuple(replaced(arg, replace) for arg in args)
    if all(other is arg for other, arg in zip(others, args, strict=True)):
        return hint
    if origin in (Union, UnionType):
        return functools.reduce(operator.or_, others)
    return hint.copy_with(others) if hasattr(hint, "copy_with") else GenericAlias(origin, others)
