"""Values with arrays that cross to another process."""

import contextlib
import datetime
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aylien_model_serving.runners.heads import WireError
from aylien_model_serving.runners.packing import pack, unpack


def sent(value: Any) -> Any:
    return unpack(b"".join(pack(value)))


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)

DTYPES = ["?", "<i1", "<u2", "<i4", ">i4", "<f2", "<f4", "<f8", "<c8", "S5", "<U3", "<M8[s]", "<m8[ns]"]


@given(plain | st.binary())
def test_what_messagepack_has_comes_back(value: Any) -> None:
    assert sent(value) == value


@given(st.sampled_from(DTYPES), st.lists(st.integers(0, 3), max_size=3), st.randoms())
def test_an_array_comes_back_with_its_type_and_shape(dtype: str, shape: list[int], random: Any) -> None:
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    array = np.frombuffer(bytes(random.choices(range(1, 2), k=size)), dtype or None).reshape(shape)

    found = sent({"first": [array], "second": b"bytes"})

    assert found["second"] == b"bytes"
    assert found["first"][0].dtype == array.dtype
    assert found["first"][0].shape == array.shape
    assert found["first"][0].tobytes() == array.tobytes()


def test_many_arrays_keep_their_places() -> None:
    arrays = [np.arange(n, dtype="f4") for n in range(20)]

    found = sent(arrays)

    assert all((one == other).all() for one, other in zip(found, arrays, strict=True))


def test_an_array_that_is_no_block_of_memory_comes_back_equal() -> None:
    array = np.arange(24).reshape(2, 3, 4).transpose()[::2]

    assert (sent(array) == array).all()


def test_a_scalar_keeps_its_type() -> None:
    assert type(sent(np.float32(0.5))) is np.float32


def test_large_arrays_are_sent_from_and_read_where_they_are() -> None:
    array = np.zeros(1 << 22)
    packed = b"".join(pack(array))

    tracemalloc.start()
    try:
        pack(array)
        found = unpack(packed)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 1 << 20
    assert not found.flags.owndata


def test_arrays_in_memory_that_may_be_written_may_be_written() -> None:
    found = unpack(bytearray(b"".join(pack(np.zeros(3)))))

    found[0] = 1

    assert found.tolist() == [1, 0, 0]


@pytest.mark.parametrize(
    "value",
    [np.array([object()]), np.zeros(2, "i4,f4"), object(), [1, {"deep": (np.array(["x"], object),)}], 1j],
    ids=["objects", "structured", "object", "deep", "complex"],
)
def test_what_means_nothing_in_another_process_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="can't be sent"):
        pack(value)


def test_dates_are_told_as_messagepack_has_them() -> None:
    moment = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)

    assert sent(moment) == moment


@given(st.binary(max_size=64))
def test_garbage_is_refused(garbage: bytes) -> None:
    with contextlib.suppress(WireError):
        unpack(garbage)


@given(st.data())
def test_a_bit_that_fell_over_is_no_crash(data: st.DataObject) -> None:
    packed = bytearray(b"".join(pack({"a": np.arange(5), "b": [np.float64(1), "text"]})))
    packed[data.draw(st.integers(0, len(packed) - 1))] ^= 1 << data.draw(st.integers(0, 7))

    with contextlib.suppress(WireError):
        unpack(packed)
