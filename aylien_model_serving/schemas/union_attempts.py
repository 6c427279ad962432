"""How often values are tried that lie in unions within unions.

Pure. Does not import pydantic. Its core tries each type of a union. Where two of them may hold the same union
again, as the nodes of a tree without a discriminator, what lies n levels deep is tried 2**n times, and each
attempt leaves errors: a body of a kilobyte took for ever. So attempts are counted, and a union within another
one has a single error.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any

from aylien_model_serving.codecs import core_schemas
from aylien_model_serving.errors import SchemaMismatch

#: Attempts that any value may take, and further ones for each value within: some 5 microseconds each.
_ATTEMPTS, _FOR_EACH = 10_000, 4


class _Count:
    """The attempts that are left to one validation, and how many unions are being tried within each other."""

    __slots__ = ("depth", "left")

    def __init__(self, left: int) -> None:
        self.left = left
        self.depth = 0


_count: ContextVar[_Count | None] = ContextVar("union_attempts", default=None)


class LimitedValidator:
    """A validator of pydantic's core with a schema of `with_limits`.

    Args:
        validator: the core's.
    """

    def __init__(self, validator: Any) -> None:
        self._validator = validator

    def validate_python(self, value: Any, **options: Any) -> Any:
        """Return the value as the schema says.

        Raises:
            SchemaMismatch: it takes too many attempts.
        """
        with _limited(_values_in(value)):
            return self._validator.validate_python(value, **options)

    def validate_json(self, text: bytes) -> Any:
        """Return what a text of JSON holds as the schema says.

        Raises:
            SchemaMismatch: it takes too many attempts.
        """
        with _limited(text.count(b",") + 1):
            return self._validator.validate_json(text)


@contextmanager
def _limited(values: int) -> Iterator[None]:
    token = _count.set(_Count(_ATTEMPTS + _FOR_EACH * values))
    try:
        yield
    finally:
        _count.reset(token)


def _values_in(value: Any) -> int:
    if type(value) is dict:
        return 1 + sum(map(_values_in, value.values()))
    return 1 + sum(map(_values_in, value)) if type(value) is list else 1


def _attempt(value: Any, validate: Callable[[Any], Any]) -> Any:
    """Validate a value as one of a union's, within the limits of the validation."""
    count = _count.get()
    if count is None:
        return validate(value)
    count.left -= 1
    if count.left < 0:
        raise SchemaMismatch(
            "The value lies too deep in types that may each be several: it takes more attempts than are made"
        )
    count.depth += 1
    try:
        return validate(value)
    except sys.modules["pydantic_core"].ValidationError:
        if count.depth == 1:
            raise
        core = sys.modules["pydantic_core"]
        raise core.PydanticCustomError("union", "Input fits none of the types that it may have") from None
    finally:
        count.depth -= 1


def with_limits(schema: Any) -> Any:
    """Return a core schema in which attempts are counted; the same one where they need not be."""
    recursive = _recursive(schema)
    return _with_limits_in(schema, recursive) if recursive else schema


def _with_limits_in(node: Any, recursive: frozenset[str]) -> Any:
    changed = core_schemas.with_parts(node, partial(_with_limits_in, recursive=recursive))
    if not isinstance(node, dict) or node.get("type") != "union":
        return changed
    if sum(not recursive.isdisjoint(_references_in(choice)) for choice in node["choices"]) < 2:
        return changed
    return {
        "type": "function-wrap",
        "function": {"type": "no-info", "function": _attempt},
        "schema": changed,
    }


def _recursive(schema: Any) -> frozenset[str]:
    """Return the names of the definitions in a schema that hold themselves."""
    if not isinstance(schema, dict) or schema.get("type") != "definitions":
        return frozenset()
    held = {part["ref"]: set(_references_in(part)) for part in schema["definitions"]}
    for name in held:
        for names in held.values():
            if name in names:
                names |= held[name]
    return frozenset(name for name, names in held.items() if name in names)


def _references_in(node: Any) -> Iterator[str]:
    """Yield the names of the definitions that a schema refers to."""
    waiting = [node]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            if node.get("type") == "definition-ref":
                yield node["schema_ref"]
            waiting += node.values()
        elif isinstance(node, (list, tuple)):
            waiting += node
