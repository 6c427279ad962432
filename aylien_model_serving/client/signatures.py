"""JSON Schema → the signatures that routes have as methods.

Pure. Reads the dialects of OpenAPI 3.0 and 3.1 as far as services of this library write them; what it does
not know may be anything.
"""

from __future__ import annotations

import inspect
import operator
from collections.abc import Collection, Mapping
from functools import reduce
from keyword import iskeyword
from types import GenericAlias
from typing import Any, Literal

from aylien_model_serving.client.files import ReceivedFile, Sendable

Schema = Mapping[str, Any]

_TYPES = {"string": str, "integer": int, "number": float, "boolean": bool, "object": dict, "null": None}

#: What services call the file object, which only answers have.
_FILE = "/schemas/FileModel"

#: References within references that are followed.
_DEPTH = 8


class _Left:
    """Stands for the default of a field, where the service's description does not name it."""

    def __repr__(self) -> str:
        return "..."


LEFT_OUT = _Left()


def signature_of(
    fields: Mapping[str, Schema],
    required: Collection[str],
    components: Mapping[str, Schema],
    *,
    is_open: bool,
    returns: Any,
    body: Schema | None = None,
) -> inspect.Signature:
    """Return the signature of a route.

    Args:
        fields: its fields' schemas.
        required: those that may not be left out, which come first.
        components: what the schemas refer to, by name.
        is_open: whether it takes fields of any other name.
        returns: what it answers.
        body: the schema of a body that is one value without fields, which is given by position.
    """
    named = {name: schema for name, schema in fields.items() if name.isidentifier() and not iskeyword(name)}
    parameters = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            annotation=type_of(schema, components),
            default=inspect.Parameter.empty if name in required else schema.get("default", LEFT_OUT),
        )
        for name, schema in sorted(named.items(), key=lambda item: item[0] not in required)
    ]
    if body is not None:
        hint = type_of(body, components)
        parameters.insert(0, inspect.Parameter("body", inspect.Parameter.POSITIONAL_ONLY, annotation=hint))
    if is_open or len(named) < len(fields):  # other names can be given by `**`
        name = next(name for name in ("fields", "further_fields") if name not in fields)
        parameters.append(inspect.Parameter(name, inspect.Parameter.VAR_KEYWORD, annotation=Any))
    return inspect.Signature(parameters, return_annotation=returns)


def resolved(schema: Any, components: Mapping[str, Schema]) -> Schema:
    """Return a schema, or the one that it refers to."""
    for _ in range(_DEPTH):
        if not isinstance(schema, Mapping):
            return {}
        if "$ref" not in schema:
            return schema
        schema = components.get(str(schema["$ref"]).rpartition("/")[2], {})
    return {}


def type_of(schema: Any, components: Mapping[str, Schema], depth: int = 0) -> Any:
    """Return the type hint of a schema's values."""
    if isinstance(schema, Mapping) and str(schema.get("$ref")).endswith(_FILE):
        return ReceivedFile
    known = resolved(schema, components)
    if depth > _DEPTH:
        return Any
    if "enum" in known or "const" in known:
        return Literal[tuple(known.get("enum", (known.get("const"),)))]
    parts = known.get("anyOf") or known.get("oneOf")
    if parts:
        return _union([type_of(part, components, depth + 1) for part in parts])
    if len(known.get("allOf", ())) == 1:
        return type_of(known["allOf"][0], components, depth + 1)
    named = known.get("type")
    kinds = [
        _plain(kind, known, components, depth) for kind in (named if isinstance(named, list) else [named])
    ]
    return _union([*kinds, None] if known.get("nullable") else kinds)


def _plain(kind: Any, schema: Schema, components: Mapping[str, Schema], depth: int) -> Any:
    if kind == "array":
        item = type_of(schema.get("items"), components, depth + 1)
        return list if item is Any else GenericAlias(list, (item,))
    if kind == "string" and (schema.get("format") == "binary" or "contentMediaType" in schema):
        return Sendable
    return _TYPES.get(kind, Any)


def _union(kinds: list[Any]) -> Any:
    """Return the hint of values of any of these types."""
    if Any in kinds:
        return Any
    distinct = list(dict.fromkeys(kinds))
    return reduce(operator.or_, distinct) if distinct != [None] else None
