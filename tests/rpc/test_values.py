"""Python values as bytes: what arrives is what was sent, and what is no value is refused."""

import contextlib
import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from aylien_model_serving.core.messages import Call, InnerCall
from aylien_model_serving.rpc import protocol, values
from aylien_model_serving.rpc.headers import VALUES, WireError
from tests.selection import examples
from tests.with_packages import need
from tests.with_torch import import_torch

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 64) - 1)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(0, 9), inner),
    max_leaves=20,
)

ARRAYS = arrays.arrays(
    arrays.boolean_dtypes()
    | arrays.integer_dtypes()
    | arrays.floating_dtypes()
    | arrays.complex_number_dtypes()
    | arrays.datetime64_dtypes(),
    arrays.array_shapes(min_dims=0, min_side=0),
)


@dataclasses.dataclass
class Document:
    text: str
    vector: Any


def sent(value: Any) -> Any:
    return values.decode(b"".join(values.encode(value)))


def same(found: np.ndarray, array: np.ndarray) -> bool:
    return (found.dtype, found.shape, found.tobytes()) == (array.dtype, array.shape, array.tobytes())


@settings(max_examples=examples(200))
@given(PLAIN)
def test_plain_values_arrive_as_they_are(value: Any) -> None:
    assert sent(value) == value


@settings(max_examples=examples(200))
@given(ARRAYS, st.booleans())
def test_arrays_arrive_with_their_dtype_and_shape(array: np.ndarray, turned: bool) -> None:
    array = array.T if turned else array

    found = sent({"a": [array, array[..., :1] if array.ndim else array]})["a"][0]

    assert same(found, array)


def test_a_number_of_an_array_arrives_as_a_number() -> None:
    found = sent([np.float32(0.5), np.int64(3), np.bool_(True)])

    assert found == [0.5, 3, True]
    assert [type(each) for each in found] == [float, int, bool]


def test_not_a_number_is_a_number() -> None:
    assert math.isnan(sent(math.nan))


def test_a_dataclass_arrives_as_a_dict_with_its_array() -> None:
    found = sent(Document("a", np.arange(3)))

    assert found["text"] == "a"
    assert same(found["vector"], np.arange(3))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int8", "bool", "complex64"])
@pytest.mark.parametrize("shape", [(), (0, 2), (2, 3)])
def test_tensors_arrive_with_their_dtype_and_shape(dtype: str, shape: tuple[int, ...]) -> None:
    torch = import_torch()
    tensor = torch.ones(shape, dtype=getattr(torch, dtype))

    found = sent([tensor])[0]

    assert (found.dtype, found.shape) == (tensor.dtype, tensor.shape)
    assert torch.equal(found, tensor)


def test_a_tensor_that_is_a_view_or_keeps_gradients_arrives() -> None:
    torch = import_torch()
    tensor = torch.arange(6.0, requires_grad=True).reshape(2, 3).T

    found = sent(tensor)

    assert torch.equal(found, tensor)
    assert not found.requires_grad


@pytest.mark.parametrize("mode", ["RGB", "L", "1", "RGBA", "P", "I;16", "F"])
def test_pictures_arrive_with_their_pixels(mode: str) -> None:
    need("PIL")
    from PIL import Image

    picture = Image.new("RGB", (5, 3), (10, 20, 30)).convert("L" if mode == "I;16" else mode)
    picture = picture.convert("I;16") if mode == "I;16" else picture

    found = sent(picture)

    expected = picture.convert("RGBA") if mode == "P" else picture
    assert (found.mode, found.size, found.tobytes()) == (expected.mode, expected.size, expected.tobytes())


def test_a_large_array_is_neither_copied_to_be_sent_nor_to_be_read() -> None:
    array = np.arange(1 << 16)

    buffers = values.encode(array)
    body = bytearray(b"".join(buffers))
    found = values.decode(memoryview(body))

    assert any(np.shares_memory(np.frombuffer(buffer, "u1"), array) for buffer in buffers)
    assert np.shares_memory(found, np.frombuffer(body, "u1"))
    assert found.ctypes.data % 8 == 0


def test_what_arrives_can_be_written_to() -> None:
    found = sent(np.zeros(3))
    found += 1

    assert found.tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (object(), "builtins.object can't be sent to another process"),
        ({"a": [lambda: 1]}, "builtins.function can't be sent"),
        (np.array([object()]), "an array of object can't be sent"),
        (np.zeros(2, [("a", "i4")]), "it holds objects or records"),
        (np.ma.masked_equal([1, 2], 2), "a masked array"),
        ((item for item in ()), "builtins.generator can't be sent"),
    ],
)
def test_what_cannot_be_sent_is_named(value: Any, message: str) -> None:
    with pytest.raises(TypeError) as raised:
        values.encode(value)

    assert message in str(raised.value)


def test_an_integer_of_more_than_64_bits_is_refused() -> None:
    with pytest.raises(OverflowError):
        values.encode([1 << 64])


@settings(max_examples=examples(300))
@given(st.data())
def test_damaged_bytes_are_refused_or_another_value(data: st.DataObject) -> None:
    body = bytearray(b"".join(values.encode({"a": np.arange(6).reshape(2, 3), "b": "text"})))
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(body)))

    with contextlib.suppress(WireError):
        values.decode(bytes(body[:cut]))


@pytest.mark.parametrize("size", [1 << 10, 1 << 17, 1 << 23])
@pytest.mark.parametrize("most", [1000, 1 << 16, 1 << 30])
def test_a_value_that_comes_in_pieces_is_the_memory_that_it_came_in(size: int, most: int) -> None:
    array = np.arange(size // 8)
    body, *parts = values.encode({"a": array})
    call = Call(VALUES, "", "", {}, bytes(body), {}, "id", inner=InnerCall(("outer",), parts))
    sent = b"".join(protocol.encode_call(7, call, False)) * 2

    decoder, frames = protocol.FrameDecoder(), []
    while sent:
        buffer = decoder.get_buffer()
        taken = min(len(buffer), most, len(sent))
        buffer[:taken] = sent[:taken]
        sent = sent[taken:]
        frames += decoder.buffer_updated(taken)

    assert [frame.number for frame in frames] == [7, 7]
    for frame in frames:
        found, _ = protocol.decode_call(frame)
        assert found.inner == InnerCall(("outer",))
        arrived = values.decode(found.body)["a"]
        assert same(arrived, array)
        arrived += 1
