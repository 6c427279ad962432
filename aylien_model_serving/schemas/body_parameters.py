"""The parameter that a request's body is for, where a handler has a single one.

Pure. Values of the path, and what the library gives itself, are not of the body.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any, NamedTuple

from aylien_model_serving.codecs import ANY_TYPE, Decode, body_values
from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.handlers.markers import Body, Nested, marker_of
from aylien_model_serving.handlers.signatures import Signature
from aylien_model_serving.schemas import batch_hints, library_types, opening, structured_hints, uploads
from aylien_model_serving.schemas.handler_hints import hints_of
from aylien_model_serving.schemas.models import is_root_model


class BodyParameter(NamedTuple):
    """A handler's only parameter that clients send.

    Args:
        name: its name.
        hint: of one value, as a call sends it.
        is_whole: whether the body is its value; otherwise it is a field of the body, by its name.
    """

    name: str
    hint: Any
    is_whole: bool


def only_parameter(
    handler: Callable[..., Any], signature: Signature, path_names: frozenset[str], *, batched: bool
) -> BodyParameter | None:
    """Return the only parameter that clients send in the body, or None where there are others or none.

    Args:
        handler: the callable.
        signature: its parameters that clients give.
        path_names: those that the path gives.
        batched: whether the handler takes a list of each.

    Raises:
        ConfigurationError: one of several is marked as the body.
    """
    hints = hints_of(handler).found
    names = [name for name in signature.known if name not in path_names]
    if signature.open or len(names) != 1:
        _refuse_body_of_several(names, hints)
        return None
    [name] = names
    hint = hints.get(name, Any)
    item = (batch_hints.item_of(hint) or Any) if batched else hint
    if _has(Nested, hint, item):
        return BodyParameter(name, item, is_whole=False)
    is_whole = (
        _has(Body, hint, item)
        or name in signature.positional
        or bool(structured_hints.structured_types(item))
        or any(map(is_root_model, batch_hints.members_of(item)))
        or structured_hints.is_message(item)
    )
    return BodyParameter(name, item, is_whole)


def refuse_body_markers(handler: Callable[..., Any]) -> None:
    """Refuse parameters that are marked as the body, where a schema names the fields.

    Raises:
        ConfigurationError: there is one.
    """
    for name, hint in hints_of(handler).found.items():
        if _has(Body, hint):
            raise ConfigurationError(
                f"parameter {name!r} is marked as the whole body by Body(), and the schema has fields: leave "
                "one of the two out"
            )


def _has(marker: type, *hints: Any) -> bool:
    return any(marker_of(hint, marker) is not None for hint in hints)


def _refuse_body_of_several(names: list[str], hints: Mapping[str, Any]) -> None:
    for name in names:
        if _has(Body, hints.get(name)):
            raise ConfigurationError(
                f"parameter {name!r} is marked as the whole body by Body(), which leaves no place for the "
                "others: give them by the path, or leave the marker out, so that all are fields by name"
            )


def raw_decoders(parameter: BodyParameter) -> dict[str, Decode]:
    """Return the decoders of bodies that are text or bytes as they are, by media type or range of types.

    Args:
        parameter: gets the text, the bytes or the file.
    """
    hint = library_types.with_stand_ins(f"parameter {parameter.name!r}", parameter.hint)
    kinds = batch_hints.members_of(opening.with_files(hint))
    found: dict[str, Decode] = {}
    decode_bytes = partial(body_values.decode_bytes, name=parameter.name)
    files = [kind for kind in kinds if uploads.is_file(kind)]
    for kind in files:
        found |= {f"{kind.family or '*'}/*": decode_bytes, "application/octet-stream": decode_bytes}
    if str in kinds and not files:
        found[_TEXT] = partial(body_values.decode_text, name=parameter.name)
    elif not files and any(kind in _BYTES for kind in kinds):
        found |= {_TEXT: decode_bytes, ANY_TYPE: decode_bytes}
    found |= library_types.raw_decoders(kinds, parameter.name)
    if _TEXT in found and not parameter.is_whole:
        found[_TEXT] = partial(body_values.decode_text_or_field, name=parameter.name, decode=found[_TEXT])
    return found


_TEXT = "text/plain"


_BYTES = (bytes, bytearray)


def expected_bodies(fields: Collection[str], raw: Collection[str]) -> str:
    """Return what a client is told to send in place of a body that is not understood.

    Args:
        fields: the names of those that a body has.
        raw: the media types, or ranges of them, of bodies that are taken as they are.
    """
    named = ", ".join(list(fields)[:_MAX_NAMES]) + (", …" if len(fields) > _MAX_NAMES else "")
    fields_of_json = f" with the field{'s' if len(fields) > 1 else ''} {named}" if fields else ""
    return " or ".join([*raw, f"JSON{fields_of_json}"])


#: Fields that a message names.
_MAX_NAMES = 12
