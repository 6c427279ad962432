"""Bytes in models of pydantic: Base64 in JSON both ways, as everywhere else.

Pure. Does not import pydantic: a service with a model has imported it. Pydantic takes the text itself for
bytes, and answers with it or fails, as its letters permit. A model whose configuration says how its bytes are
read and written is left alone.
"""

from __future__ import annotations

import base64
import binascii
import sys
import threading
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from aylien_model_serving.codecs import core_schemas

if TYPE_CHECKING:
    from pydantic import BaseModel


_serializers: WeakKeyDictionary[type[BaseModel], Any] = WeakKeyDictionary()

#: Held while a validator or a serializer is built, for which classes of models are changed for a moment.
building = threading.RLock()


def serializer_of(model: type[BaseModel]) -> Any | None:
    """Return what writes a model; None for one that has no bytes, or says itself what they are."""
    try:
        return _serializers[model]
    except KeyError:
        with building:
            _serializers[model] = found = _serializer(model)
        return found


def _serializer(model: type[BaseModel]) -> Any | None:
    schema = core_schemas.of_model(model)
    changed = with_base64(schema)
    if changed is schema:
        return None
    with core_schemas.not_prebuilt(changed):
        return sys.modules["pydantic_core"].SchemaSerializer(changed)


def with_base64(schema: Any) -> Any:
    """Return a core schema in which bytes are Base64; the same one where there are none."""
    return _with_base64_in(schema, has_own=False)


_OWN = frozenset({"val_json_bytes", "ser_json_bytes"})


def _with_base64_in(node: Any, has_own: bool) -> Any:
    """Return a schema or a part of one.

    Args:
        node: the schema.
        has_own: whether the model that it is of says what its bytes are.
    """
    if isinstance(node, dict):
        kind = node.get("type")
        if isinstance(kind, str) and "config" in node:
            has_own = bool(_OWN & (node["config"] or {}).keys())
        if kind == "bytes" and "serialization" not in node:
            return node if has_own else _with_base64(node)
        if isinstance(kind, str) and kind.startswith("function") and "serialization" in node:
            return node  # as pydantic.Base64Bytes, which has a form of its own
    return core_schemas.with_parts(node, partial(_with_base64_in, has_own=has_own))


def _with_base64(node: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "function-before",
        "function": {"type": "no-info", "function": _decoded},
        "schema": node,
        "serialization": {"type": "function-plain", "function": _encoded, "when_used": "json"},
    }


def _decoded(value: Any) -> Any:
    """Return the bytes that a text stands for; parts of a form are bytes already."""
    if not isinstance(value, str):
        return value
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise sys.modules["pydantic_core"].PydanticCustomError("base64", "Expected bytes as Base64") from None


def _encoded(value: Any) -> Any:
    return base64.b64encode(value).decode() if isinstance(value, (bytes, bytearray)) else value
