"""Values of the field that handlers take and return by their type hints: arrays, tensors, frames.

Pure. Imports none of their libraries: the module of a handler with such a hint has imported its own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from types import NoneType
from typing import Any, NamedTuple, get_args, get_origin

from aylien_model_serving.codecs import Decode, Encoder, arrow, npy
from aylien_model_serving.errors import ConfigurationError, InvalidAnswer
from aylien_model_serving.schemas import arrays, batch_hints, frames, hint_parts, markers, tensors
from aylien_model_serving.schemas.markers import MarkedArray


def is_known(kind: Any) -> bool:
    """Return whether values of a type are made here."""
    return arrays.is_array(kind) or tensors.is_tensor(kind) or frames.is_frame(kind)


def _library_of(kind: Any) -> Any:
    """Return the module that makes values of a type that is made here."""
    return arrays if arrays.is_array(kind) else tensors if tensors.is_tensor(kind) else frames


def from_json(kind: Any, value: Any) -> Any:
    """Return a value of a type that is made here, of a value of JSON.

    Raises:
        ValueError: there is none.
    """
    return _library_of(kind).from_json(kind, value)


def from_text(kind: Any, value: Any) -> Any:
    """Return the same of what a query or a form has sent, whose numbers are texts."""
    return _library_of(kind).from_text(kind, value)


def schema_of(kind: Any, *, for_response: bool = False) -> dict[str, Any]:
    """Return the JSON Schema of a type that is made here."""
    if for_response and frames.is_frame(kind):
        return frames.schema_of_result(kind)
    schema: dict[str, Any] = _library_of(kind).schema_of(kind)
    return schema


class ArrayForm(NamedTuple):
    """What a hint says of an array or a tensor.

    Args:
        shape: the length of each dimension, None for any; None where nothing is said of it.
        dtype: the name of its items' type, where one is said.
    """

    shape: tuple[int | None, ...] | None
    dtype: str | None


def array_form_of(hint: Any) -> ArrayForm | None:
    """Return what a hint says of an array or a tensor, alone or beside None; None for any other hint."""
    kinds = [member for member in batch_hints.members_of(hint) if member is not NoneType]
    if len(kinds) != 1 or not (arrays.is_array(kinds[0]) or tensors.is_tensor(kinds[0])):
        return None
    shape = markers.shape_of(kinds[0])
    dtype = arrays.dtype_name_of(kinds[0]) if arrays.is_array(kinds[0]) else markers.dtype_name_of(kinds[0])
    return ArrayForm(None if shape is None else shape.sizes, dtype)


def raw_decoders(kinds: Collection[Any], name: str) -> dict[str, Decode]:
    """Return the decoders of bodies that are the value of one parameter in its library's own format.

    Args:
        kinds: the types that the parameter takes.
        name: of the parameter.
    """
    found: dict[str, Decode] = {}
    if any(arrays.is_array(kind) or tensors.is_tensor(kind) for kind in kinds):
        decode = partial(npy.decode, name=name)
        found |= {npy.MEDIA_TYPE: decode, "application/octet-stream": decode}
    if any(map(frames.is_frame, kinds)) and arrow.is_installed():
        found[arrow.MEDIA_TYPE] = partial(arrow.decode, name=name)
    return found


def encoders_of(hint: Any) -> tuple[Encoder, ...]:
    """Return the encoders of a result in its library's own format, by the hint of the result."""
    kinds = [member for member in batch_hints.members_of(hint) if member is not NoneType]
    if kinds and all(arrays.is_array(kind) or tensors.is_tensor(kind) for kind in kinds):
        return (Encoder(npy.MEDIA_TYPE, npy.encode),)
    if kinds and all(map(frames.is_frame, kinds)) and arrow.is_installed():
        return (Encoder(arrow.MEDIA_TYPE, arrow.encode),)
    return ()


def with_stand_ins(whose: str, hint: Any) -> Any:
    """Return a type hint that with a class for each array of which `Annotated` says something.

    Args:
        whose: hint it is, for messages.
        hint: is not changed.

    Raises:
        ConfigurationError: what is said of an array makes no sense, or is said where nobody looks at it.
    """
    try:
        found = markers.stood_in(hint, is_known)
        for part in hint_parts.parts_of(found):
            if isinstance(part.hint, MarkedArray):
                _library_of(part.hint).check_kind(part.hint)
            if any(isinstance(extra, markers.MARKERS) for extra in part.extras):
                raise ConfigurationError(
                    "Shape and DType are looked at in the hint of a parameter or a result, not in the fields "
                    "of a class: take the array as a parameter of its own"
                )
    except ConfigurationError as error:
        raise ConfigurationError(f"the type hint of {whose}: {error}") from None
    return found


def check_of_result(hint: Any) -> Callable[[Any], Any] | None:
    """Return the check of a result, or of an item of a stream, whose hint says what array it is.

    None is returned for any other hint.
    """
    if get_origin(hint) in hint_parts.ITERATORS:
        hint = (get_args(hint) or (Any,))[0]
    members = batch_hints.members_of(hint)
    kinds = [member for member in members if member is not NoneType]
    if len(kinds) != 1 or not isinstance(kinds[0], MarkedArray):
        return None
    return partial(_checked, kinds[0], NoneType in members)


def _checked(kind: MarkedArray, nullable: bool, result: Any) -> Any:
    if result is None and nullable:
        return result
    problem = _library_of(kind).misfit(kind, result)
    if problem is not None:
        raise InvalidAnswer(f"The answer does not fit {kind.__name__}: {problem}")
    return result
