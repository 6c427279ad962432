"""Values that models return, as values that JSON can express.

Pure; without importing numpy, torch or pydantic.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from aylien_model_serving.codecs import frames, model_bytes
from aylien_model_serving.errors import InvalidAnswer
from aylien_model_serving.media import images
from aylien_model_serving.media.files import MediaFile

#: How the message begins that says what JSON can't express.
NO_JSON = "The answer can't be written as JSON:"


def plain(value: Any) -> Any:
    """Return a value that JSON can express for one that msgspec can't; recognized by its methods."""
    if hasattr(value, "tolist") and not hasattr(value, "iloc"):  # numpy and torch, scalars and arrays alike
        return to_list(value)
    if hasattr(value, "model_dump"):  # pydantic
        return _fields_of_model(value)
    if isinstance(file := images.file_of(value), MediaFile):
        return file.to_json()
    if (values := frames.listed(value)) is not None:
        return values
    if isinstance(value, Message):
        return MessageToDict(
            value, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
        )
    if isinstance(value, bool) or value is None:  # as a key of a dict
        return json.dumps(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (tuple, frozenset)):  # which are hooked as keys only
        raise InvalidAnswer(f"{NO_JSON} a key of a dict is a {type(value).__name__}, but has to be a text")
    if isinstance(value, (Sequence, AbstractSet)):
        return list(value)
    if isinstance(value, Iterator):
        raise InvalidAnswer(f"{NO_JSON} it holds a {type(value).__name__}: return a list, or yield the items")
    raise InvalidAnswer(f"{NO_JSON} it holds a {type(value).__name__}")


def _fields_of_model(model: Any) -> Any:
    """Return the fields of a pydantic model under the names that its JSON Schema gives them."""
    serializer = model_bytes.serializer_of(type(model))
    try:
        if serializer is not None:
            return serializer.to_python(model, mode="json", by_alias=True, fallback=plain)
        return model.model_dump(mode="json", by_alias=True, fallback=plain)
    except ValueError:  # bytes that are not UTF-8, which Base64 can express
        return model.model_dump(by_alias=True)


def to_list(value: Any) -> Any:
    """Return an array's items as Python objects; numpy would give times in nanoseconds as plain integers."""
    dtype = getattr(value, "dtype", None)
    if dtype is not None and getattr(dtype, "kind", "") in ("M", "m") and dtype.name.endswith("[ns]"):
        value = value.astype(dtype.name.replace("[ns]", "[us]"))
    if getattr(dtype, "char", "") == "g":  # a long double, of which numpy makes no Python object
        value = value.astype(float)
    try:
        return value.tolist()
    except RuntimeError as error:  # of torch, for a tensor whose items are not in memory one by one
        return _dense(value, error)


def _dense(tensor: Any, error: RuntimeError) -> Any:
    try:
        return tensor.to_dense().tolist()
    except (AttributeError, RuntimeError):
        raise InvalidAnswer(f"{NO_JSON} {error}") from error
