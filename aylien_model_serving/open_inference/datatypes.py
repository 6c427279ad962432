"""The protocol's datatypes of tensors: numbers as packed bytes, whatever they were before.

Pure. BYTES, whose elements differ in length, is the one datatype that is none of numbers.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, NamedTuple

BYTES, BF16 = "BYTES", "BF16"


class Numbers(NamedTuple):
    """A datatype of numbers, packed with the lowest byte first.

    Args:
        code: of one element, as `struct` has it.
        size: bytes of one element.
        dtype: as numpy calls it.
        contents: the field of gRPC's message that has such elements one by one; "" where none has.
    """

    code: str
    size: int
    dtype: str
    contents: str


#: All datatypes of numbers by name.
NUMBERS = {
    "BOOL": Numbers("?", 1, "bool", "bool_contents"),
    "INT8": Numbers("b", 1, "int8", "int_contents"),
    "INT16": Numbers("h", 2, "int16", "int_contents"),
    "INT32": Numbers("i", 4, "int32", "int_contents"),
    "INT64": Numbers("q", 8, "int64", "int64_contents"),
    "UINT8": Numbers("B", 1, "uint8", "uint_contents"),
    "UINT16": Numbers("H", 2, "uint16", "uint_contents"),
    "UINT32": Numbers("I", 4, "uint32", "uint_contents"),
    "UINT64": Numbers("Q", 8, "uint64", "uint64_contents"),
    "FP16": Numbers("e", 2, "float16", ""),
    BF16: Numbers("", 2, "bfloat16", ""),
    "FP32": Numbers("f", 4, "float32", "fp32_contents"),
    "FP64": Numbers("d", 8, "float64", "fp64_contents"),
}

NAMES = (*NUMBERS, BYTES)

#: The datatype of each dtype of numpy or torch, by its name.
OF_DTYPE = {numbers.dtype: name for name, numbers in NUMBERS.items()}

_FP32 = NUMBERS["FP32"]


def pack(datatype: str, numbers: Sequence[Any]) -> bytes:
    """Return numbers as packed bytes.

    Args:
        datatype: one of `NUMBERS`.
        numbers: of Python.

    Raises:
        ValueError: one of them is none of this datatype.
    """
    if datatype == "BOOL" and not set(map(type, numbers)) <= _BOOLEANS:
        raise ValueError("true or false is expected for each element")
    try:
        if datatype == BF16:
            return _without_low_halves(struct.pack(f"<{len(numbers)}{_FP32.code}", *numbers))
        return struct.pack(f"<{len(numbers)}{NUMBERS[datatype].code}", *numbers)
    except (struct.error, OverflowError, TypeError):
        raise ValueError(f"an element is no number of the datatype {datatype}") from None


_BOOLEANS = frozenset({bool})


def unpack(datatype: str, packed: bytes) -> list[Any]:
    """Return the numbers of packed bytes, whose length is a multiple of the datatype's size."""
    if datatype == BF16:
        datatype, packed = "FP32", as_fp32(packed)
    numbers = NUMBERS[datatype]
    return list(struct.unpack(f"<{len(packed) // numbers.size}{numbers.code}", packed))


def as_fp32(packed: bytes) -> bytes:
    """Return numbers of BF16 as FP32: they are the upper halves of such."""
    wide = bytearray(2 * len(packed))
    wide[2::4], wide[3::4] = packed[0::2], packed[1::2]
    return bytes(wide)


def _without_low_halves(packed: bytes) -> bytes:
    narrow = bytearray(len(packed) // 2)
    narrow[0::2], narrow[1::2] = packed[2::4], packed[3::4]
    return bytes(narrow)


def pack_texts(elements: Sequence[bytes]) -> bytes:
    """Return elements of BYTES in one: each behind its length, in four bytes with the lowest first."""
    return b"".join(part for element in elements for part in (_LENGTH.pack(len(element)), element))


def unpack_texts(packed: bytes, most: int) -> list[bytes]:
    """Return the elements of BYTES that are packed in one.

    Args:
        packed: as `pack_texts` returns it.
        most: how many there may be.

    Raises:
        ValueError: the lengths are not those of the bytes, or there are more elements.
    """
    found: list[bytes] = []
    at, end = 0, len(packed)
    while at < end:
        if len(found) == most:
            raise ValueError(f"it has more than {most} elements")
        start = at + _LENGTH.size
        length = _LENGTH.unpack_from(packed, at)[0] if start <= end else 0
        at = start + length
        if at > end:
            raise ValueError("it ends within an element")
        found.append(packed[start:at])
    return found


_LENGTH = struct.Struct("<I")
