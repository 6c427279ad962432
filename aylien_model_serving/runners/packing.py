"""Values of Python callers ↔ bytes: what MessagePack has, and numpy's arrays as dtype, shape and memory.

Floor 2. Pure; no pickle. An array's memory is neither turned into text nor copied: it is one of the buffers
of a vectored write, and at the other end a view into the bytes that came.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable
from typing import Any

import msgspec

from aylien_model_serving.runners.heads import WireError
from aylien_model_serving.runners.wire import Buffer

_ARRAY = 3
_PREFIX = struct.Struct("<I")

#: Bytes of which an array's place is a multiple, so that vector instructions may be used.
_ALIGNMENT = 16

#: Dtypes whose memory means the same in another process: numbers, texts of fixed length, times.
_PORTABLE = re.compile(r"[<>|][biufcSUmM][0-9]+(\[[0-9]*[a-zA-Z]+\])?")


class _Place(msgspec.Struct, array_like=True):
    """Where an array is: behind so many bytes of the arrays' memory; shape None: a scalar of numpy's."""

    dtype: str
    shape: tuple[int, ...] | None
    offset: int


_PLACE_ENCODER = msgspec.msgpack.Encoder()
_PLACE_DECODER = msgspec.msgpack.Decoder(_Place)


def pack(value: Any) -> list[Buffer]:
    """Return the buffers of a value.

    Args:
        value: None, booleans, numbers, texts, bytes, arrays, and lists, tuples and dicts of these; of other
            types that MessagePack can tell, such as dates, what it tells comes back.

    Raises:
        TypeError: there is something else in it, an array of Python objects say.
        OverflowError: an integer has more than 64 bits.
    """
    arrays: list[Buffer] = []
    size = 0

    def place(part: Any) -> msgspec.msgpack.Ext:
        nonlocal size
        memory, found = _memory_of(part, size)
        padding = -len(memory) % _ALIGNMENT
        arrays.extend((memory, bytes(padding)) if padding else (memory,))
        size += len(memory) + padding
        return msgspec.msgpack.Ext(_ARRAY, _PLACE_ENCODER.encode(found))

    head = msgspec.msgpack.encode(value, enc_hook=place)
    padding = -(_PREFIX.size + len(head)) % _ALIGNMENT
    return [_PREFIX.pack(len(head)) + head + bytes(padding), *arrays]


def _memory_of(part: Any, offset: int) -> tuple[memoryview, _Place]:
    try:
        import numpy as np
    except ImportError:
        raise _not_portable(part) from None
    if not isinstance(part, (np.ndarray, np.generic)) or not _PORTABLE.fullmatch(part.dtype.str):
        raise _not_portable(part)
    flat = np.ascontiguousarray(part).reshape(-1).view(np.uint8)
    shape = part.shape if isinstance(part, np.ndarray) else None
    return flat.data, _Place(part.dtype.str, shape, offset)


def _not_portable(part: Any) -> TypeError:
    kind = f" of {part.dtype}" if hasattr(part, "dtype") else ""
    return TypeError(f"A value of type {type(part).__qualname__}{kind} can't be sent to another process")


def unpack(packed: bytes | bytearray | memoryview) -> Any:
    """Return the value that `pack` made these bytes of; arrays are views into them, read-only like bytes.

    Raises:
        WireError: nothing was packed into them.
    """
    try:
        (head_size,) = _PREFIX.unpack_from(packed)
        view = memoryview(packed)
        start = _PREFIX.size + head_size
        arrays = view[start + -start % _ALIGNMENT :]
        return msgspec.msgpack.decode(view[_PREFIX.size : start], ext_hook=_placed(arrays))
    except (struct.error, msgspec.DecodeError, ValueError, TypeError, ImportError) as error:
        raise WireError(f"The value can't be read: {error}") from error


def _placed(arrays: memoryview) -> Callable[[int, memoryview], Any]:
    def find(code: int, data: memoryview) -> Any:
        import numpy as np

        if code != _ARRAY:
            raise ValueError(f"There is no value of type {code}")
        place = _PLACE_DECODER.decode(data)
        if not _PORTABLE.fullmatch(place.dtype):
            raise ValueError(f"There are no arrays of {place.dtype!r}")
        dtype = np.dtype(place.dtype)
        count = math.prod(place.shape or ())
        memory = arrays[place.offset : place.offset + count * dtype.itemsize]
        if place.offset < 0 or count * dtype.itemsize != len(memory):
            raise ValueError("An array lies outside of what came")
        array = np.frombuffer(memory, np.uint8).view(dtype) if len(memory) else np.empty(0, dtype)
        return array[0] if place.shape is None else array.reshape(place.shape)

    return find
