"""What identifies a value that MessagePack does not know: all that a handler may tell it from others by.

Pure. Does not import numpy, torch, pandas, polars or pydantic: whoever has such a value has done so. What is
written for people or for JSON, as the items of an array, or a model without its secrets, is less than that.
"""

from __future__ import annotations

import sys
from io import BytesIO
from typing import Any

from google.protobuf.message import Message

from aylien_model_serving.codecs import frames, json_values
from aylien_model_serving.errors import InvalidAnswer
from aylien_model_serving.media.files import MediaFile


def identity(value: Any) -> Any:
    """Return values that equal values have in common, and no others of their type.

    Args:
        value: of a type that MessagePack can't express; a file that has not been fetched is identified by
            its URL.

    Raises:
        InvalidAnswer: nothing is known of its type.
    """
    if isinstance(value, MediaFile):
        return value.identity()
    if isinstance(value, Message):
        return [value.DESCRIPTOR.full_name, value.SerializeToString(deterministic=True)]
    if hasattr(value, "model_fields_set"):
        return _of_model(value)
    if hasattr(value, "get_secret_value"):
        return [type(value).__name__, value.get_secret_value()]
    if any(frames.is_of(value, library) for library in ("pandas", "polars")):
        return _of_frame(value)
    if not getattr(getattr(value, "dtype", None), "hasobject", True):  # numpy's
        return [value.dtype.str, value.shape, value.tobytes()]
    if hasattr(value, "detach"):
        return _of_tensor(value)
    return _of_others(value)


def _of_model(model: Any) -> Any:
    """Return all fields of a pydantic model, those that it leaves out of its JSON as well."""
    return [type(model).__qualname__, sorted(model.model_fields_set), vars(model), model.model_extra]


def _of_tensor(tensor: Any) -> Any:
    torch = sys.modules["torch"]
    try:
        flat = tensor.detach().cpu().resolve_conj().resolve_neg().contiguous().reshape(-1)
        content = flat.view(torch.uint8).numpy().tobytes()
    except (RuntimeError, TypeError):  # its items are not in memory one by one
        return json_values.plain(tensor)
    return [str(tensor.dtype), list(tensor.shape), content]


def _of_frame(frame: Any) -> Any:
    if frames.is_of(frame, "polars"):
        written = BytesIO()
        (frame if hasattr(frame, "columns") else frame.to_frame()).write_ipc(written)
        return [type(frame).__qualname__, written.getvalue()]
    columns = [frame[name] for name in frame.columns] if hasattr(frame, "columns") else [frame]
    return [type(frame).__qualname__, *map(_of_column, columns), _of_values(frame.index)]


def _of_column(column: Any) -> Any:
    return [str(column.name), str(column.dtype), _of_values(column)]


def _of_values(values: Any) -> Any:
    """Return the memory of values of numpy's, or else what tells each from others, a category or a time."""
    array = getattr(values, "values", None)
    if not getattr(getattr(array, "dtype", None), "hasobject", True):
        return array
    categories = getattr(values.dtype, "categories", None)
    return [repr(list(values)), None if categories is None else repr(list(categories))]


def _of_others(value: Any) -> Any:
    """Return the JSON of a value; of those in fields of a model, as URLs, pydantic knows more."""
    try:
        return json_values.plain(value)
    except InvalidAnswer:
        core = sys.modules.get("pydantic_core")
        if core is None:
            raise
        return core.to_jsonable_python(value, fallback=json_values.plain)
