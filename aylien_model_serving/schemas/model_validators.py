"""What validates the pydantic models that clients fill: bytes are Base64, and errors are few.

Pure. Does not import pydantic. Its core makes all errors before anybody sees one. Where an item of a list can
fail in many ways at once, as a value that fits none of the types of a union, or an object that lacks all
fields, a body of a megabyte became millions of them. So a list of such items fails with its first wrong one.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from aylien_model_serving.codecs import core_schemas, model_bytes
from aylien_model_serving.schemas import union_attempts

if TYPE_CHECKING:
    from pydantic import BaseModel

_validators: WeakKeyDictionary[type[BaseModel], Any] = WeakKeyDictionary()


def validator_of(model: type[BaseModel]) -> Any | None:
    """Return what validates what clients send for a model; None where the model's own does."""
    try:
        return _validators[model]
    except KeyError:
        with model_bytes.building:
            _validators[model] = found = _validator(model)
        return found


def _validator(model: type[BaseModel]) -> Any | None:
    schema = core_schemas.of_model(model)
    bounded = _with_first_errors(model_bytes.with_base64(schema))
    changed = union_attempts.with_limits(bounded)
    if changed is schema:
        return None
    with core_schemas.not_prebuilt(changed):
        validator = sys.modules["pydantic_core"].SchemaValidator(changed)
    return validator if changed is bounded else union_attempts.LimitedValidator(validator)


def _with_first_errors(node: Any) -> Any:
    """Return a core schema whose lists and objects end with the first item that may fail in several ways."""
    changed = core_schemas.with_parts(node, _with_first_errors)
    return changed if all(map(_fails_once, _items_of(node))) else {**changed, "fail_fast": True}


#: What pydantic's core calls values of any number of items.
_OF_ITEMS = frozenset({"list", "set", "frozenset", "tuple", "dict", "deque", "frozendict", "ordered-dict"})


def _items_of(node: Any) -> Iterator[dict[str, Any]]:
    """Yield the schemas of which a value may have any number of items."""
    kind = node.get("type") if isinstance(node, dict) else None
    if not isinstance(kind, str) or kind not in _OF_ITEMS:
        return
    items = node.get("items_schema")
    if isinstance(items, dict):
        yield items
    elif "variadic_item_index" in node:
        yield node["items_schema"][node["variadic_item_index"]]
    yield from (node[key] for key in ("keys_schema", "values_schema") if key in node)


def _fails_once(node: dict[str, Any]) -> bool:
    """Return whether a value that does not fit makes one error."""
    return _fails_once(node["schema"]) if node["type"] in _AROUND else node["type"] in _FAIL_ONCE


#: What pydantic's core calls that which adds to another schema.
_AROUND = frozenset({"nullable", "default", "function-before", "function-after", "function-wrap"})

_FAIL_ONCE = frozenset(
    {
        *("any", "none", "bool", "int", "float", "decimal", "complex", "str", "bytes", "uuid", "literal"),
        *("date", "time", "datetime", "timedelta", "enum", "url", "multi-host-url", "is-instance"),
        *("is-subclass", "callable", "function-plain"),
    }
)
