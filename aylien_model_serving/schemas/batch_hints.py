"""Type hints of batched handlers, whose parameters and results are lists: the hint of one item.

Pure.
"""

from __future__ import annotations

import functools
import inspect
import operator
from collections.abc import Collection, Iterable, Iterator, Sequence
from types import NoneType, UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from aylien_model_serving.handlers.steps import Done
from aylien_model_serving.schemas.hint_parts import ITERATORS

_LIST_TYPES = (list, Sequence, Collection, Iterable)


def item_of(hint: Any) -> Any:
    """Return the hint of one item, or None if a hint is not a list.

    `list[str] | None` is a field that each call may leave null: an item is `str | None`. A list without the
    type of its items may hold anything.
    """
    parts = members_of(hint)
    items = [item for part in parts for item in _item_hints(part)]
    if not items:
        return None
    if Any in items:
        return Any
    return _union([*items, *([NoneType] if NoneType in parts else [])])


def result_of(hint: Any) -> Any:
    """Return the hint of one result, or None if a hint is not a list; exceptions are not results.

    Of an iterator of lists it is an iterator of items.
    """
    if (get_origin(hint) or hint) in ITERATORS:
        step = (get_args(hint) or (Any,))[0]
        return Iterator[result_of(step) or Any]  # type: ignore[misc]  # known at run time alone
    item = item_of(hint)
    results = [part for part in members_of(item) if not _is_no_result(part)]
    return _union(results) if item is not None and results else None


def accepts_anything(hint: Any) -> bool:
    """Return whether a hint that names no list accepts one anyway."""
    return any(part is Any or isinstance(part, TypeVar) for part in members_of(hint))


def corrected_hint(hint: Any) -> str:
    """Return the list hint to write instead of a hint of one item."""
    parts = [part for part in members_of(hint) if part is not NoneType]
    optional = " | None" if NoneType in members_of(hint) else ""
    inner = " | ".join(inspect.formatannotation(part) for part in parts)
    return f"list[{inner}]{optional}"


def members_of(hint: Any) -> list[Any]:
    """Return the members of a union, or the hint itself, without what `Annotated` adds."""
    if get_origin(hint) is Annotated:
        return members_of(get_args(hint)[0])
    if get_origin(hint) in (Union, UnionType):
        return [part for member in get_args(hint) for part in members_of(member)]
    return [hint]


def _item_hints(part: Any) -> list[Any]:
    """Return the hint of a list's items, as none or one."""
    kind, inner = get_origin(part) or part, get_args(part)
    if kind is tuple and (not inner or inner[1:] == (...,)):
        return [inner[0] if inner else Any]
    if kind in _LIST_TYPES:
        return [inner[0] if inner else Any]
    return []


def _is_no_result(part: Any) -> bool:
    return isinstance(part, type) and issubclass(part, (BaseException, Done))


def _union(parts: Sequence[Any]) -> Any:
    return functools.reduce(operator.or_, parts)
