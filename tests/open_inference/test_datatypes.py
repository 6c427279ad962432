import struct

import numpy as np
import pytest

from aylien_model_serving.open_inference import datatypes
from aylien_model_serving.open_inference.datatypes import BF16, NUMBERS

EXACT = [name for name in NUMBERS if name != BF16]


@pytest.mark.parametrize("name", EXACT)
def test_numbers_are_packed_as_numpy_has_them(name: str) -> None:
    array = np.array([0, 1, 1, 0, 1], dtype=NUMBERS[name].dtype)

    packed = datatypes.pack(name, array.tolist())

    assert packed == array.tobytes()
    assert datatypes.unpack(name, packed) == array.tolist()


def test_bf16_is_the_upper_half_of_fp32() -> None:
    numbers = [0.0, 1.0, -2.5, 3.140625]

    packed = datatypes.pack(BF16, numbers)

    assert packed == b"".join(struct.pack("<f", number)[2:] for number in numbers)
    assert datatypes.unpack(BF16, packed) == numbers


@pytest.mark.parametrize(
    ("name", "numbers"),
    [("INT8", [300]), ("UINT8", [-1]), ("INT64", [1.5]), ("FP32", ["1"]), ("BOOL", [1]), ("FP16", [1e9])],
)
def test_what_is_no_number_of_a_datatype_is_refused(name: str, numbers: list[object]) -> None:
    with pytest.raises(ValueError, match="element"):
        datatypes.pack(name, numbers)


def test_texts_are_packed_behind_their_lengths() -> None:
    packed = datatypes.pack_texts([b"ab", b"", b"c"])

    assert packed == b"\x02\0\0\0ab\0\0\0\0\x01\0\0\0c"
    assert datatypes.unpack_texts(packed, 3) == [b"ab", b"", b"c"]


@pytest.mark.parametrize("packed", [b"\x02\0\0", b"\x02\0\0\0a", b"\xff\xff\xff\xffab"])
def test_texts_that_end_too_early_are_refused(packed: bytes) -> None:
    with pytest.raises(ValueError, match="ends within an element"):
        datatypes.unpack_texts(packed, 5)


def test_more_texts_than_a_shape_has_are_refused() -> None:
    with pytest.raises(ValueError, match="more than 2 elements"):
        datatypes.unpack_texts(datatypes.pack_texts([b""] * 3), 2)
