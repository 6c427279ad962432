"""Numpy arrays that handlers take by their type hints.

Pure. Does not import numpy: the module of a handler with such a hint has imported it.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from functools import lru_cache
from types import NoneType
from typing import Any, NamedTuple, get_args

from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.schemas import batch_hints, markers


class ArrayHint(NamedTuple):
    """A type hint of an array.

    Args:
        kind: the array, as in `np.ndarray` or `NDArray[np.float32]`.
        nullable: whether it may be None instead.
    """

    kind: Any
    nullable: bool


def is_array(kind: Any) -> bool:
    """Return whether a type is an array, with or without a dtype and a shape."""
    numpy = sys.modules.get("numpy")
    kind = markers.kind_of(kind)
    return numpy is not None and getattr(kind, "__origin__", kind) is numpy.ndarray


def check_kind(kind: Any) -> None:
    """Refuse to start where the dtype that is said of an array is none.

    Raises:
        ConfigurationError: numpy has no such dtype, or the type names another one.
    """
    said, named = markers.dtype_name_of(kind), _dtype_of(markers.kind_of(kind))
    if said is None:
        return
    try:
        dtype = sys.modules["numpy"].dtype(said)
    except TypeError:
        raise ConfigurationError(f"numpy has no dtype {said!r}: write one such as 'float32'") from None
    if dtype.hasobject:
        raise ConfigurationError("an array of objects can't be sent: name a dtype of numbers or texts")
    if named is not None and dtype != named:
        raise ConfigurationError(f"its type names {named.__name__}, and DType {said!r}")


def schema_of(kind: Any) -> dict[str, Any]:
    """Return the JSON Schema of an array: of any number of dimensions, where no shape is said of it."""
    shape = markers.shape_of(kind)
    if shape is None:
        return {}
    dtype = _dtype_of(kind)
    item = "f" if dtype is None else sys.modules["numpy"].dtype(dtype).kind
    return markers.nested(shape, {"type": _JSON_TYPES.get(item, "string")})


_JSON_TYPES = {"b": "boolean", "i": "integer", "u": "integer", "f": "number", "c": "number"}


def misfit(kind: Any, result: Any) -> str | None:
    """Return what is wrong with a result that is to be such an array; None where it fits."""
    shape, dtype = markers.shape_of(kind), _dtype_of(kind)
    if not isinstance(result, sys.modules["numpy"].ndarray):
        return f"expected an array, got a {type(result).__name__}"
    if dtype is not None and result.dtype != dtype:
        return f"expected items of type {sys.modules['numpy'].dtype(dtype)}, got {result.dtype}"
    if shape is not None and not shape.fits(result.shape):
        return f"expected an array of shape {shape}, got {shown(result.shape)}"
    return None


def shown(shape: Sequence[int]) -> str:
    """Return a shape as messages have it."""
    return f"({', '.join(map(str, shape))})"


def array_hint_of(hint: Any) -> ArrayHint | None:
    """Return the array of a type hint, or None if the hint is not an array, alone or beside None."""
    members = batch_hints.members_of(hint)
    kinds = [member for member in members if member is not NoneType]
    if len(kinds) == 1 and is_array(kinds[0]):
        return ArrayHint(kinds[0], NoneType in members)
    return None


def from_json(kind: Any, value: Any) -> Any:
    """Return an array of a value of JSON, whose items are numbers unless the type names another dtype.

    Raises:
        ValueError: the value is none.
    """
    if isinstance(value, sys.modules["numpy"].ndarray):  # which a body was, as a whole
        return _of_array(kind, value)
    if _holds_texts(_dtype_of(kind)):
        return build(kind, value)
    _refuse_what_is_no_number([value], _dtype_of(kind))
    return _built(kind, value, None)


def _of_array(kind: Any, array: Any) -> Any:
    dtype = _dtype_of(kind)
    if dtype is not None and not sys.modules["numpy"].can_cast(array.dtype, dtype, "same_kind"):
        wanted = sys.modules["numpy"].dtype(dtype)
        raise ValueError(f"Expected items of type {wanted}, got {array.dtype}")
    return _built(kind, array, array.dtype)


def from_text(kind: Any, value: Any) -> Any:
    """Return an array of the texts of a query or a form, which stand for numbers.

    Raises:
        ValueError: they stand for none.
    """
    if _holds_texts(_dtype_of(kind)) or not isinstance(value, (str, list)):
        return from_json(kind, value)
    return from_json(kind, [_number(text) for text in ([value] if isinstance(value, str) else value)])


def build(kind: Any, value: Any, source: str | None = None) -> Any:
    """Return an array of the dtype that a type names, or else of the dtype that numpy infers.

    Args:
        kind: the array's type.
        value: the items; the memory of an array that has other owners is copied.
        source: the dtype of the value's numbers in their own schema, where there is one.

    Raises:
        ValueError: numpy can't make such an array of the value.
    """
    if value is None:
        raise ValueError(_EXPECTED)
    if source is None and type(value) is list:
        _refuse_uneven_texts(value)
    return _built(kind, value, source)


def _built(kind: Any, value: Any, source: str | None) -> Any:
    numpy = sys.modules["numpy"]
    dtype = _dtype_of(kind)
    try:
        with numpy.errstate(over="ignore"):  # a number that is too large for a float becomes infinite
            array = _array_of(value, source or dtype)
            if source is not None and dtype is not None:
                array = _converted(array, dtype)
    except (OverflowError, TypeError) as error:
        raise ValueError(str(error)) from None
    if array.dtype.hasobject:
        raise ValueError(_EXPECTED)
    shape = markers.shape_of(kind)
    if shape is not None and not shape.fits(array.shape):
        raise ValueError(f"Expected an array of shape {shape}, got {shown(array.shape)}")
    return numpy.require(array, array.dtype.newbyteorder("="), _OWN_WRITABLE_MEMORY)


def _number(text: Any) -> Any:
    if not isinstance(text, str):
        return text
    try:
        number = float(text)
        if math.isfinite(number):
            return number if not number.is_integer() or "." in text else int(text)
    except ValueError:
        pass
    raise ValueError(_EXPECTED)


def _holds_texts(dtype: Any) -> bool:
    """Return whether items of a dtype, as texts and points in time, are texts in JSON."""
    return dtype is not None and sys.modules["numpy"].dtype(dtype).kind not in "biufc"


def _refuse_what_is_no_number(items: list[Any], dtype: Any) -> None:
    """Refuse a list, or a list within, of what numpy would make a number or something else of."""
    is_whole = dtype is not None and sys.modules["numpy"].dtype(dtype).kind in "iu"
    level = [items]
    while level:
        below: list[Any] = []
        for inner in level:
            found = _types_of(inner)
            if found - _NUMBERS:
                raise ValueError(_EXPECTED)
            if is_whole and float in found and not all(map(_is_whole, inner)):
                raise ValueError("Expected an array of integers")
            if list in found:
                below += [item for item in inner if type(item) is list]
        level = below


_NUMBERS = frozenset({int, float, bool, list})


def _types_of(items: list[Any]) -> set[type]:
    """Return the types of items; some are looked at at a time, so that other threads run meanwhile."""
    found: set[type] = set()
    for start in range(0, len(items), _AT_ONCE):
        found.update(map(type, items[start : start + _AT_ONCE]))
    return found


def _is_whole(item: Any) -> bool:
    return type(item) is not float or item.is_integer()


def _array_of(value: Any, dtype: Any) -> Any:
    """Return an array; a long list is converted some items at a time, between which other threads run."""
    numpy = sys.modules["numpy"]
    if type(value) is not list or len(value) <= _AT_ONCE:
        return numpy.asarray(value, dtype=dtype)
    parts = [
        numpy.asarray(value[start : start + _AT_ONCE], dtype=dtype)
        for start in range(0, len(value), _AT_ONCE)
    ]
    if len({part.shape[1:] for part in parts}) > 1:
        raise ValueError("Expected items of one shape")
    if len({part.dtype for part in parts}) > 1:
        return numpy.asarray(value, dtype=dtype)
    return numpy.concatenate(parts)


#: Items of a list that are converted at once.
_AT_ONCE = 32_768

#: Bytes of an array of texts that is made whatever its texts are, and the times that others may grow.
_MAX_TEXT_BYTES, _MAX_TEXT_GROWTH = 16 * 1024 * 1024, 16


def _refuse_uneven_texts(items: list[Any]) -> None:
    """Refuse texts of very different lengths: numpy gives each four bytes for each letter of the longest."""
    count = longest = letters = 0
    level: list[Any] = items
    while level:
        lengths = [len(item) for item in level if type(item) is str]
        count, letters = count + len(level), letters + sum(lengths)
        longest = max(longest, max(lengths, default=0))
        level = [inner for item in level if type(item) is list for inner in item]
    if 4 * count * longest > max(_MAX_TEXT_BYTES, 4 * _MAX_TEXT_GROWTH * (count + letters)):
        raise ValueError(
            "The texts differ too much in length for an array: each takes the room of the longest"
        )


_EXPECTED = "Expected an array of numbers"

#: Requirements for an array that a handler may write into.
_OWN_WRITABLE_MEMORY = ("ALIGNED", "WRITEABLE", "OWNDATA")


def dtype_name_of(kind: Any) -> str | None:
    """Return the name of the dtype that a type names, if it names one."""
    dtype = _dtype_of(kind)
    return None if dtype is None else str(sys.modules["numpy"].dtype(dtype))


@lru_cache(maxsize=1024)  # a list of arrays asks for each
def _dtype_of(kind: Any) -> Any:
    """Return the dtype that a type names; `NDArray[np.floating]` names none."""
    said = markers.dtype_name_of(kind)
    if said is not None:
        return sys.modules["numpy"].dtype(said)
    concrete = set(sys.modules["numpy"].sctypeDict.values())
    named = [name for part in get_args(markers.kind_of(kind)) for name in get_args(part)]
    return next((name for name in named if name in concrete), None)


def _converted(array: Any, dtype: Any) -> Any:
    """Return an array in another dtype; only from a list does numpy refuse integers that are too large."""
    numpy = sys.modules["numpy"]
    if numpy.issubdtype(dtype, numpy.integer) and not numpy.can_cast(array.dtype, dtype):
        return numpy.asarray(array.tolist(), dtype)
    return array.astype(dtype, copy=False)
