"""Tensors of torch that handlers take and return by their type hints.

Pure. Does not import torch: the module of a handler with such a hint has imported it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.schemas import arrays, markers


def is_tensor(kind: Any) -> bool:
    """Return whether a type is a tensor, with or without a dtype and a shape."""
    tensor = getattr(sys.modules.get("torch"), "Tensor", None)
    return tensor is not None and markers.kind_of(kind) is tensor


def check_kind(kind: Any) -> None:
    """Refuse to start where the dtype that is said of a tensor is none.

    Raises:
        ConfigurationError: torch has no such dtype, or numbers of JSON are none of it.
    """
    name = markers.dtype_name_of(kind)
    if name is None:
        return
    dtype = _dtype_of(kind)
    if not isinstance(dtype, sys.modules["torch"].dtype):
        raise ConfigurationError(f"torch has no dtype {name!r}: write one such as 'float32'")
    if dtype.is_complex or name.startswith("q"):
        raise ConfigurationError(f"no number of JSON is of the dtype {name!r}: write one such as 'float32'")


def from_json(kind: Any, value: Any) -> Any:
    """Return a tensor on the CPU, with fractions of torch's default dtype, unless the type names another.

    Raises:
        ValueError: the value is none.
    """
    return _made(kind, value, arrays.from_json)


def from_text(kind: Any, value: Any) -> Any:
    """Return a tensor of the texts of a query or a form, which stand for numbers.

    Raises:
        ValueError: they stand for none.
    """
    return _made(kind, value, arrays.from_text)


def _made(kind: Any, value: Any, build: Callable[[Any, Any], Any]) -> Any:
    torch = sys.modules["torch"]
    dtype = _dtype_of(kind)
    array = build(_array_kind(kind, dtype), value)
    if dtype is None and array.dtype.kind == "f":
        dtype = torch.get_default_dtype()
    tensor = torch.from_numpy(array)
    return tensor if dtype is None else tensor.to(dtype)


def _array_kind(kind: Any, dtype: Any) -> Any:
    """Return the array that becomes a tensor: of its dtype, where numpy has it."""
    numpy = sys.modules["numpy"]
    name = str(dtype).removeprefix("torch.")
    marker = markers.DType(name) if hasattr(numpy, name) and dtype is not None else None
    return markers.stand_in(numpy.ndarray, markers.shape_of(kind), marker)


def schema_of(kind: Any) -> dict[str, Any]:
    """Return the JSON Schema of a tensor: of any number of dimensions, where no shape is said of it."""
    shape = markers.shape_of(kind)
    return {} if shape is None else markers.nested(shape, {"type": _json_type_of(_dtype_of(kind))})


def _json_type_of(dtype: Any) -> str:
    if dtype is sys.modules["torch"].bool:
        return "boolean"
    return "number" if dtype is None or dtype.is_floating_point else "integer"


def misfit(kind: Any, result: Any) -> str | None:
    """Return what is wrong with a result that is to be such a tensor; None where it fits."""
    shape, dtype = markers.shape_of(kind), _dtype_of(kind)
    if not isinstance(result, sys.modules["torch"].Tensor):
        return f"expected a tensor, got a {type(result).__name__}"
    if dtype is not None and result.dtype is not dtype:
        return f"expected items of type {_name_of(dtype)}, got {_name_of(result.dtype)}"
    if shape is not None and not shape.fits(tuple(result.shape)):
        return f"expected a tensor of shape {shape}, got {arrays.shown(result.shape)}"
    return None


def _name_of(dtype: Any) -> str:
    return str(dtype).removeprefix("torch.")


def _dtype_of(kind: Any) -> Any:
    name = markers.dtype_name_of(kind)
    return None if name is None else getattr(sys.modules["torch"], name, None)
