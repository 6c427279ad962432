"""The form in which pydantic describes a type to its core: nested dicts and lists, of which others are made.

Pure. Does not import pydantic.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

#: Parts of a core schema that are no schemas.
_NO_SCHEMAS = frozenset(
    {"default", "metadata", "config", "cls", "expected", "members", "function", "serialization", "ref"}
)


def of_model(model: Any) -> Any | None:
    """Return the core schema of a model; None for what is no model, or names what nobody has defined."""
    is_complete = getattr(model, "__pydantic_complete__", None)
    if is_complete is None:  # it is no model, and has a method of that name
        return None
    if not is_complete and not model.model_rebuild(raise_errors=False):
        return None
    return model.__pydantic_core_schema__


def with_parts(node: Any, change: Callable[[Any], Any]) -> Any:
    """Return a schema, or a part of one, in which all parts right within it are changed.

    Args:
        node: the schema; it is returned itself if no part is changed.
        change: returns what a part becomes, or the part itself.
    """
    if isinstance(node, (list, tuple)):
        parts = [change(part) for part in node]
        return node if all(map(_same, parts, node)) else type(node)(parts)
    if not isinstance(node, dict):
        return node
    is_schema = isinstance(node.get("type"), str)  # and not the fields of one by name
    found = {key: part if is_schema and key in _NO_SCHEMAS else change(part) for key, part in node.items()}
    return node if all(found[key] is node[key] for key in node) else found


def _same(one: Any, other: Any) -> bool:
    return one is other


@contextmanager
def not_prebuilt(schema: Any) -> Iterator[None]:
    """Have pydantic's core build models by the schema that it gets, and not take what their classes have."""
    models = _models_in(schema)
    for model in models:
        model.__pydantic_complete__ = False
    try:
        yield
    finally:
        for model in models:
            model.__pydantic_complete__ = True


def _models_in(schema: Any) -> list[Any]:
    """Return the classes that a core schema makes instances of."""
    found, waiting = [], [schema]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            found.append(node.get("cls"))
            waiting += node.values()
        elif isinstance(node, (list, tuple)):
            waiting += node
    return [kind for kind in found if isinstance(kind, type) and vars(kind).get("__pydantic_complete__")]
