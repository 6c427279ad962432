"""Structured types: the models, dataclasses and the like that a JSON object becomes, and their fields.

Pure.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

import msgspec
from google.protobuf.message import Message

from aylien_model_serving.schemas import batch_hints, hint_parts, uploads
from aylien_model_serving.schemas.models import is_model, is_root_model


def structured_types(hint: Any) -> list[Any]:
    """Return the types of a hint if each of them is structured; none otherwise. None may be among them."""
    members = [_unaliased(kind) for kind in batch_hints.members_of(hint) if kind is not NoneType]
    kinds = [get_origin(kind) or kind for kind in members]
    return kinds if all(map(_is_structured, kinds)) else []


def _unaliased(kind: Any) -> Any:
    """Return what a NewType or a `type` statement stands for."""
    while (meant := getattr(kind, "__supertype__", None) or getattr(kind, "__value__", None)) is not None:
        kind = meant
    return kind


def _is_structured(kind: Any) -> bool:
    if not isinstance(kind, type) or uploads.is_file(kind):
        return False
    if is_model(kind):
        return not is_root_model(kind)
    if issubclass(kind, tuple):  # a NamedTuple is a JSON array
        return False
    is_array = issubclass(kind, msgspec.Struct) and kind.__struct_config__.array_like
    return (hint_parts.has_fields(kind) or hasattr(kind, "__attrs_attrs__")) and not is_array


def fields_of(kind: Any) -> dict[str, Any]:
    """Return the hints of a structured type's fields, by the names that clients send."""
    if is_model(kind):
        return _fields_of_model(kind)
    hints = _hints_within(kind)
    if issubclass(kind, msgspec.Struct):
        sent = dict(zip(kind.__struct_fields__, kind.__struct_encode_fields__, strict=True))
        return {sent[name]: hint for name, hint in hints.items() if name in sent}
    if issubclass(kind, dict):
        return hints
    return {name: hints[name] for name in inspect.signature(kind).parameters if name in hints}


def _hints_within(kind: Any) -> dict[str, Any]:
    try:
        return {name: _unqualified(hint) for name, hint in get_type_hints(kind).items()}
    except (NameError, TypeError, ValueError, AttributeError):
        return {}  # whoever checks values of the class has said so, or needs none


def _unqualified(hint: Any) -> Any:
    """Return the type of a TypedDict's field that may be left out, which Python 3.10 does not take off."""
    return get_args(hint)[0] if str(get_origin(hint)).rpartition(".")[2] in _QUALIFIERS else hint


_QUALIFIERS = ("NotRequired", "ReadOnly", "Required")


def _fields_of_model(model: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    by_name = any(model.model_config.get(key) for key in ("populate_by_name", "validate_by_name"))
    for name, field in model.model_fields.items():
        alias = field.validation_alias
        if isinstance(alias, str):
            found[alias] = field.annotation
        if by_name or not isinstance(alias, str):
            found[name] = field.annotation
    return found


def is_message(kind: Any) -> bool:
    """Return whether a type is a class of protobuf messages."""
    return isinstance(kind, type) and issubclass(kind, Message)


def takes_others(kind: Any) -> bool:
    """Return whether a type keeps fields that it does not name."""
    return is_model(kind) and kind.model_config.get("extra") == "allow"


def names_of(kinds: Iterable[Any]) -> list[str]:
    """Return the names of fields in values of structured types; models, which check their own, have none."""
    return [name for kind in kinds if not is_model(kind) for name in _hints_within(kind)]


def values_of(value: Any, names: Iterable[str]) -> dict[str, Any]:
    """Return the fields of a structured value that have certain names."""
    if isinstance(value, dict):
        return value
    return {name: getattr(value, name) for name in names if hasattr(value, name)}
