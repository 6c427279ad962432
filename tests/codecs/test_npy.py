"""Arrays in numpy's own format: those of numpy alone are read, and nothing is made of what is none."""

from __future__ import annotations

import contextlib
import io
import pickle
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aylien_model_serving import FlaskAppWrapper
from aylien_model_serving.codecs import npy
from aylien_model_serving.errors import InvalidAnswer, MalformedBody


def saved(array: Any) -> bytes:
    written = io.BytesIO()
    np.save(written, array)
    return written.getvalue()


def with_header(header: str, data: bytes = b"", version: int = 1) -> bytes:
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H", len(header)) + header.encode() + data


def read(body: bytes) -> Any:
    return npy.decode(body, "", name="x").values["x"]


@pytest.mark.parametrize("dtype", ["?", "i1", "<i8", ">i8", "u2", "f2", "<f4", ">f8", "c8"])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3), (2, 0, 3)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_an_array_that_numpy_has_saved_is_read(dtype: str, shape: Any, order: Any) -> None:
    array = np.asarray(np.arange(np.prod(shape, dtype=int)).reshape(shape), dtype, order=order)

    found = read(saved(array))

    np.testing.assert_array_equal(found, array)
    assert (found.dtype.newbyteorder("="), found.shape) == (array.dtype.newbyteorder("="), array.shape)
    assert found.dtype.isnative
    assert found.flags.writeable


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "does not begin"),
        (b"\x93NUMPY", "does not begin"),
        (b"\x93NUMPY\x01\x00", "ends within"),
        (b"PK\x03\x04", "does not begin"),
        (pickle.dumps([1]), "does not begin"),
        (saved(np.arange(3))[:-1], "declares 24 bytes of data, and it has 23"),
        (saved(np.arange(3)) + b"x", "declares 24 bytes"),
        (saved(np.array(["a"])), "no numbers"),
        (saved(np.array([(1, 2)], "i4,i4")), "no numbers"),
        (saved(np.array(["2020"], "M8[s]")), "no numbers"),
        (with_header("{'descr': '|O', 'fortran_order': False, 'shape': ()}"), "no numbers"),
        (
            with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000000,)}"),
            "declares",
        ),
        (with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}"), "no shape"),
        (with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (True,)}"), "no shape"),
        (with_header("{'descr': '<f8', 'fortran_order': 0, 'shape': ()}"), "no shape"),
        (with_header(f"{{'descr': '<f8', 'fortran_order': False, 'shape': {(0,) * 65}}}"), "no shape"),
        (with_header("{'descr': '<f4', 'fortran_order': False, 'shape': (0, 2**61)}"), "no literal"),
        (with_header(f"{{'descr': '<f4', 'fortran_order': False, 'shape': (0, {2**61}, 9)}}"), "can have"),
        (with_header(f"{{'descr': '<f4', 'fortran_order': False, 'shape': {(2**61,) * 60}}}"), "more bytes"),
        (with_header("{'descr': '(2,f4', 'fortran_order': False, 'shape': ()}"), "no numbers"),
        (with_header("{'descr': '(,)i', 'fortran_order': False, 'shape': ()}"), "no numbers"),
        (with_header("{'descr': '<f3', 'fortran_order': False, 'shape': ()}"), "no numbers"),
        (with_header("{'descr': '<f8'}"), "lacks"),
        (with_header("[]"), "lacks"),
        (with_header("__import__('os')"), "no literal"),
        (with_header("(" * 5000), "no literal"),
        (with_header("{}", version=9), "does not begin"),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\xff", "too long"),
    ],
    ids=range(28),
)
def test_what_is_no_array_of_numbers_is_refused(body: bytes, problem: str) -> None:
    with pytest.raises(MalformedBody, match=problem):
        read(body)


@given(st.binary(max_size=40), st.integers(0, 120))
def test_bytes_that_are_changed_are_an_array_or_refused(noise: bytes, at: int) -> None:
    body = bytearray(saved(np.arange(4)))
    body[at : at + len(noise)] = noise

    with contextlib.suppress(MalformedBody):
        assert isinstance(read(bytes(body)), np.ndarray)


@pytest.mark.parametrize("result", [[1], None, "a", np.array(["a"]), np.array([None])], ids=repr)
def test_what_is_no_array_of_numbers_is_no_answer(result: Any) -> None:
    with pytest.raises(InvalidAnswer, match="no array of numbers"):
        npy.encode(result)


def test_the_mask_of_an_array_is_not_lost() -> None:
    with pytest.raises(InvalidAnswer, match="fill it"):
        npy.encode(np.ma.masked_equal([1, 2], 2))


def test_a_handler_takes_and_returns_arrays_in_this_format() -> None:
    def twice(x: np.ndarray) -> np.ndarray:
        return x * 2

    client = FlaskAppWrapper.create_app([{"endpoint": "/", "callable": twice}]).test_client()
    kinds = {"Content-Type": npy.MEDIA_TYPE, "Accept": npy.MEDIA_TYPE}

    answer = client.post("/", data=saved(np.arange(3, dtype="f4")), headers=kinds)

    assert answer.content_type == npy.MEDIA_TYPE
    found = np.load(io.BytesIO(answer.data), allow_pickle=False)
    assert (found.tolist(), found.dtype) == ([0, 2, 4], np.float32)
    assert client.post("/", data=saved(np.arange(3)), headers=kinds | {"Accept": "*/*"}).json == [0, 2, 4]
    assert client.post("/", data=b"abc", headers=kinds).status_code == 400
    operation = client.get("/openapi.json").json["paths"]["/"]["post"]
    assert npy.MEDIA_TYPE in operation["requestBody"]["content"]
    assert npy.MEDIA_TYPE in operation["responses"]["200"]["content"]
