"""Who checks a type hint: msgspec what it knows whole, pydantic the rest. What neither can stops the start.

Pure.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Generator,
    Iterable,
    Iterator,
)
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

import msgspec

from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.schemas import hint_parts, library_types, msgspec_types, uploads
from aylien_model_serving.schemas.hint_parts import Part
from aylien_model_serving.schemas.models import is_model
from aylien_model_serving.schemas.pydantic_hints import PydanticHint
from aylien_model_serving.schemas.structured_hints import is_message

#: Packages whose objects in `Annotated` are constraints and validators that msgspec does not look at.
_PYDANTICS = ("pydantic", "pydantic_core", "annotated_types")

_LIST_HINT = "a client sends all items at once: write list[...]"

#: Types whose values no client can send, and what to write instead.
_NOT_SENT = {
    Callable: "a client can't send a function",
    type: "a client can't send a class",
    Iterator: _LIST_HINT,
    Generator: _LIST_HINT,
    AsyncIterable: _LIST_HINT,
    AsyncIterator: _LIST_HINT,
    AsyncGenerator: _LIST_HINT,
}


def pydantic_hint(name: str, hint: Any) -> PydanticHint | None:
    """Return pydantic's check of a parameter, or None where msgspec checks it.

    Args:
        name: of the parameter.
        hint: its type hint.

    Raises:
        ConfigurationError: neither can check it, or values of it can't be sent; names the parameter, the hint
            and what to write.
    """
    parts = list(hint_parts.parts_of(hint))
    for part in parts:
        refused = _refusal(part)
        if refused:
            raise ConfigurationError(_message(name, hint, refused))
    if not any(map(_is_pydantics, parts)) and msgspec_types.is_checkable(hint):
        return None
    if uploads.names_file(hint):
        raise ConfigurationError(_message(name, hint, _NO_UNION))
    if any(isinstance(extra, msgspec.Meta) for part in parts for extra in part.extras):
        raise ConfigurationError(_message(name, hint, _NO_META))
    try:
        return PydanticHint(name, hint)
    except ConfigurationError as error:
        raise ConfigurationError(_message(name, hint, str(error))) from error


_NO_UNION = (
    "a file stands alone, in a list or beside None, as in ImageFile | None; MediaFile takes every kind"
)

_NO_PATH = (
    "the path of a client's file is a parameter of its own, or in a list or dict of one, and no field of a "
    "class: write MediaFile there, or PurePath for a name"
)

_MESSAGE = (
    "a protobuf message is the whole body of a request, as the only parameter and with nothing beside its "
    "class; or it stands in the route's schema, which passes its fields by name"
)

_NO_META = "pydantic has to check it, which does not know msgspec.Meta: write pydantic.Field"


def normalized(hint: Any) -> Any:
    """Return a hint with a list for each Iterable, of which pydantic would check an item when it is read.

    A class of files beside str or bytes, as in `ImageFile | str | bytes`, is the class alone: text and bytes
    are forms in which files come.
    """
    return hint_parts.replaced(hint, _normalized_kind)


def _normalized_kind(kind: Any) -> Any:
    if kind is Iterable:
        return list
    origin = get_origin(kind)
    if origin is Iterable:
        return list[normalized(kind.__args__[0])]  # type: ignore[misc]  # a type that is known at runtime only
    if origin in (Union, UnionType):
        files = [member for member in get_args(kind) if uploads.is_file(member)]
        others = {member for member in get_args(kind) if not uploads.is_file(member)}
        if len(files) == 1 and others & _FORMS_OF_FILES and others <= {*_FORMS_OF_FILES, NoneType}:
            return files[0] | None if NoneType in others else files[0]
    return kind


_FORMS_OF_FILES = {str, bytes, bytearray}


def _message(name: str, hint: Any, reason: str) -> str:
    return f"parameter {name!r} can't be checked by its type hint, {inspect.formatannotation(hint)}: {reason}"


def _refusal(part: Part) -> str | None:
    """Return why a part of a hint can't be taken from a client."""
    kind = get_origin(part.hint) or part.hint
    if kind in _NOT_SENT:
        return _NOT_SENT[kind]
    if is_message(kind):
        return _MESSAGE
    if kind is Iterable and part.nested:
        return _LIST_HINT
    names = {getattr(extra, "__name__", type(extra).__name__) for extra in (kind, *part.extras)}
    if getattr(kind, "_name", None) == "Self":
        return "a client can't send the handler"
    if "ImportString" in names:
        return "a client must not choose what is imported"
    if "PathType" in names:
        return "a client must not learn which files there are: write Path for one that is sent, or PurePath"
    if kind is Path:
        return _NO_PATH
    return None


def _is_pydantics(part: Part) -> bool:
    """Return whether pydantic knows more of a part than msgspec does."""
    if any(_package(type(extra)) in _PYDANTICS or _package(extra) in _PYDANTICS for extra in part.extras):
        return True
    if any(hasattr(extra, "__get_pydantic_core_schema__") for extra in part.extras):
        return True
    kind = part.hint
    if isinstance(kind, dataclasses.InitVar):
        return True
    if not isinstance(kind, type) or is_model(kind) or library_types.is_known(kind):
        return False
    if hasattr(kind, "__get_pydantic_core_schema__") or hasattr(kind, "__pydantic_config__"):
        return True
    return dataclasses.is_dataclass(kind) and _has_unsent_or_constrained_fields(kind)


def _has_unsent_or_constrained_fields(kind: type) -> bool:
    return hasattr(kind, "__pydantic_validator__") or any(
        not field.init or _package(type(field.default)) in _PYDANTICS for field in dataclasses.fields(kind)
    )


def _package(kind: Any) -> str:
    module = getattr(kind, "__module__", None)
    return module.partition(".")[0] if isinstance(module, str) else ""
