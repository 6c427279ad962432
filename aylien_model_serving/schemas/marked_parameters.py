"""Markers that stand where nobody looks at them: as a default, as a class, within a hint, or two of them.

Pure. Such a parameter would be a field of the body, which any client sets, instead of a header.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.handlers.markers import Body, Cookie, Header, Nested
from aylien_model_serving.schemas import batch_hints, hint_parts
from aylien_model_serving.schemas.handler_hints import hints_of

_MARKERS = (Body, Cookie, Header, Nested)


def refuse_misplaced(handler: Callable[..., Any], *, batched: bool) -> None:
    """Refuse markers that nobody looks at.

    Args:
        handler: the callable.
        batched: whether it takes a list of each field, whose items may be marked as well.

    Raises:
        ConfigurationError: names the parameter, and what to write instead.
    """
    for name, default in _defaults(handler):
        if _is_marker(default):
            raise ConfigurationError(
                f"parameter {name!r} has {_name(default)} as its default: write it as a part of the type, "
                f"Annotated[str, {_name(default)}()], and the default behind ="
            )
    for name, hint in hints_of(handler).found.items():
        item = batch_hints.item_of(hint) if batched else None
        _check(f"parameter {name!r}" if name != "return" else "the result", name, hint, item)


def _defaults(handler: Callable[..., Any]) -> list[tuple[str, Any]]:
    try:
        parameters = inspect.signature(handler).parameters
    except (TypeError, ValueError):
        return []
    return [(name, parameter.default) for name, parameter in parameters.items()]


def _check(whose: str, name: str, hint: Any, item: Any) -> None:
    own = [*_own(hint), *(_own(item) if item is not None else ())]
    others = [extra for part in hint_parts.parts_of(hint) for extra in _extras_within(part)]
    for extra in (*own, *others):
        if isinstance(extra, type):
            raise ConfigurationError(f"{whose} has the class {_name(extra)}: write {_name(extra)}()")
    if len(own) > 1 and len(set(map(type, own))) > 1:
        both = " and ".join(dict.fromkeys(map(_name, own)))
        raise ConfigurationError(f"{whose} is marked by {both}: leave one of them out")
    misplaced = own if name == "return" else [extra for extra in others if extra not in own]
    if misplaced:
        raise ConfigurationError(
            f"{whose} has {_name(misplaced[0])} where nobody looks at it: it marks a parameter, as "
            f"Annotated[str, {_name(misplaced[0])}()]"
        )


def _own(hint: Any) -> Iterator[Any]:
    """Yield the markers of a parameter itself, or of a member of its union."""
    if get_origin(hint) in (Union, UnionType):
        for member in get_args(hint):
            yield from _own(member)
    elif get_origin(hint) is Annotated:
        kind, *extras = get_args(hint)
        yield from filter(_is_marker, extras)
        yield from _own(kind)


def _extras_within(part: hint_parts.Part) -> Iterator[Any]:
    """Yield the markers of a part of a hint, and of the fields of the pydantic model that it is."""
    yield from filter(_is_marker, part.extras)
    fields = getattr(part.hint, "model_fields", None) if isinstance(part.hint, type) else None
    for field in fields.values() if isinstance(fields, dict) else ():
        yield from filter(_is_marker, getattr(field, "metadata", ()))


def _is_marker(value: Any) -> bool:
    return isinstance(value, _MARKERS) or any(value is marker for marker in _MARKERS)


def _name(marker: Any) -> str:
    return marker.__name__ if isinstance(marker, type) else type(marker).__name__
