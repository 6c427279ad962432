"""Arrays of numpy that handlers ask for in their type hints.

Pure. Does not import numpy: the module of a handler that hints an array has.
"""

from __future__ import annotations

import sys
from types import NoneType
from typing import Any, NamedTuple, get_args

from aylien_model_serving.schemas import batch_hints


class ArrayHint(NamedTuple):
    """A hint that asks for an array.

    Args:
        kind: the array, as in `np.ndarray` or `NDArray[np.float32]`.
        nullable: whether it may be None instead.
    """

    kind: Any
    nullable: bool


def is_array(kind: Any) -> bool:
    """Tell whether a type is an array's, its dtype named or not."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and getattr(kind, "__origin__", kind) is numpy.ndarray


def array_hint_of(hint: Any) -> ArrayHint | None:
    """Return what a hint asks for where this is an array alone, or beside None."""
    members = batch_hints.members_of(hint)
    kinds = [member for member in members if member is not NoneType]
    if len(kinds) == 1 and is_array(kinds[0]):
        return ArrayHint(kinds[0], NoneType in members)
    return None


def build(kind: Any, value: Any, source: str | None = None) -> Any:
    """Return an array of the dtype that a type names, or else of numpy's choice.

    Args:
        kind: the array's type.
        value: what the array is made of; one that others hold as well is copied.
        source: the dtype of the value's own numbers, where it has one beside its looks.

    Raises:
        ValueError: numpy makes no such array of the value.
    """
    numpy = sys.modules["numpy"]
    dtype = _dtype_of(kind)
    if value is None:
        raise ValueError(_EXPECTED)
    try:
        with numpy.errstate(over="ignore"):  # what is too large for a float is infinite
            array = numpy.asarray(value, dtype=source or dtype)
            if source is not None and dtype is not None:
                array = _converted(array, dtype)
    except (OverflowError, TypeError) as error:
        raise ValueError(str(error)) from None
    if array.dtype.hasobject:
        raise ValueError(_EXPECTED)
    return numpy.require(array, array.dtype.newbyteorder("="), _OWN_WRITABLE_MEMORY)


_EXPECTED = "Expected an array of numbers or text"

#: What lets a handler write into an array.
_OWN_WRITABLE_MEMORY = ("ALIGNED", "WRITEABLE", "OWNDATA")


def _dtype_of(kind: Any) -> Any:
    """Return the dtype that a type names; `NDArray[np.floating]` names none."""
    concrete = set(sys.modules["numpy"].sctypeDict.values())
    named = [name for part in get_args(kind) for name in get_args(part)]
    return next((name for name in named if name in concrete), None)


def _converted(array: Any, dtype: Any) -> Any:
    """Return an array in another dtype; numpy refuses integers that are too large in a list alone."""
    numpy = sys.modules["numpy"]
    if numpy.issubdtype(dtype, numpy.integer) and not numpy.can_cast(array.dtype, dtype):
        return numpy.asarray(array.tolist(), dtype)
    return array.astype(dtype, copy=False)
