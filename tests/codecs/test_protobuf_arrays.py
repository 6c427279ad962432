"""Arrays in protobuf bodies: what is extracted and appended equals what protobuf itself parses and writes."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from google.protobuf.message import DecodeError
from hypothesis import example, given
from hypothesis import strategies as st

from aylien_model_serving.codecs import protobuf, protobuf_arrays
from aylien_model_serving.errors import MalformedBody
from tests.schemas.proto_files import descriptor_of, message_class

SCHEMA = """
    message M
      repeated double doubles
      repeated float floats
      repeated fixed32 fixed32s
      repeated fixed64 fixed64s
      repeated sfixed32 sfixed32s
      repeated sfixed64 sfixed64s
      repeated int64 varints
      repeated bool switches
      string text
      repeated string texts
      M inner
"""
M: Any = message_class(SCHEMA, "M")
FIELDS = descriptor_of(M).fields_by_name
DTYPES = {
    "doubles": "f8",
    "floats": "f4",
    "fixed32s": "u4",
    "fixed64s": "u8",
    "sfixed32s": "i4",
    "sfixed64s": "i8",
    "varints": "i8",
    "switches": "?",
}
UNPACKED: Any = message_class(f"syntax proto2\n{SCHEMA}", "M")

NUMBERS = {
    "doubles": st.floats(),
    "floats": st.floats(width=32),
    "fixed32s": st.integers(0, 2**32 - 1),
    "fixed64s": st.integers(0, 2**64 - 1),
    "sfixed32s": st.integers(-(2**31), 2**31 - 1),
    "sfixed64s": st.integers(-(2**63), 2**63 - 1),
    "varints": st.integers(-(2**63), 2**63 - 1),
    "switches": st.booleans(),
}
VALUES = st.fixed_dictionaries(
    {},
    optional={
        **{name: st.lists(numbers, max_size=5) for name, numbers in NUMBERS.items()},
        "text": st.text(max_size=3),
        "texts": st.lists(st.text(max_size=3), max_size=3),
        "inner": st.just({"doubles": [1.0]}),
    },
)
#: Numbers and lengths with more bytes than they need, groups, unknown fields and mere noise.
ODDITIES = st.sampled_from(
    [
        b"\x8a\x00\x08" + bytes(8),
        b"\x8a\x80\x80\x80\x00\x08" + bytes(8),
        b"\x8a\x80\x80\x80\x80\x00\x08" + bytes(8),
        b"\x0a\x88\x80\x80\x80\x00" + bytes(8),
        b"\x0a\x88\x80\x80\x80\x80\x00" + bytes(8),
        b"\x0a\x00",
        b"\x0a\x09" + bytes(9),
        b"\x08\x01",
        b"\x0d" + bytes(4),
        b"\xa3\x06\x08\x01\xa4\x06",
        b"\xa0\x06\x96\x01",
        b"\xa1\x06" + bytes(8),
        b"\xa2\x06\x02\x0a\x08",
        b"\x00",
        b"\x0f",
        b"\xff" * 10 + b"\x01",
    ]
)


def message_bytes(kind: Any) -> st.SearchStrategy[bytes]:
    return VALUES.map(lambda values: kind(**values).SerializeToString())


def bodies() -> st.SearchStrategy[bytes]:
    """Messages one after another, which protobuf reads as one, their fields packed and unpacked."""
    parts = st.one_of(message_bytes(M), message_bytes(M), message_bytes(UNPACKED), ODDITIES)
    joined = st.lists(parts, max_size=4).map(b"".join)
    return st.one_of(joined, joined, st.builds(lambda body, end: body[:end], joined, st.integers(0, 40)))


def arrays_of(values: dict[str, Any]) -> dict[str, np.ndarray]:
    return {name: np.asarray(values[name], dtype) for name, dtype in DTYPES.items() if name in values}


def parsed(body: bytes) -> Any:
    """Return the message that protobuf makes of the bytes, or its refusal."""
    try:
        return M.FromString(body)
    except DecodeError as error:
        return error


@given(bodies())
@example(b"\x8a\x80\x80\x80\x80\x00\x08" + bytes(8))
@example(b"\x0a\x88\x80\x80\x80\x80\x00" + bytes(8))
@example(b"\xa0\x06\x01" * 200 + M(doubles=[1.0]).SerializeToString())
def test_arrays_are_read_as_protobuf_itself_reads_them(body: bytes) -> None:
    decode = protobuf.decoder(M, arrays=frozenset(DTYPES))
    message = parsed(body)
    if isinstance(message, DecodeError):
        with pytest.raises(MalformedBody, match=f": {re.escape(str(message))}$"):
            decode(body, "")
        return

    fields = decode(body, "")

    found = arrays_of(fields.values)
    assert found.keys() == {name for name in DTYPES if getattr(message, name)}
    assert found.keys() <= fields.proven
    for name, array in found.items():
        np.testing.assert_array_equal(array, np.array(list(getattr(message, name)), DTYPES[name]))
        message.ClearField(name)
    rest = {name: value for name, value in fields.values.items() if name not in DTYPES}
    assert rest == protobuf.decoder(M)(message.SerializeToString(), "").values


def test_a_packed_field_is_read_without_a_copy() -> None:
    values = np.arange(1000.0)
    body = M(text="a", doubles=values, texts=["b"]).SerializeToString()

    rest, found = protobuf_arrays.extract_arrays(body, {FIELDS["doubles"].number: FIELDS["doubles"]})

    assert M.FromString(rest) == M(text="a", texts=["b"])
    assert found["doubles"].tolist() == values.tolist()
    assert np.shares_memory(found["doubles"], np.frombuffer(body, "u1"))


@pytest.mark.parametrize(
    "body",
    [
        M(doubles=[1.0]).SerializeToString() * 2,
        UNPACKED(doubles=[1.0]).SerializeToString(),
        b"\x0a\x00",
        b"\x0a\x04" + bytes(4),
        b"\x0a\x09" + bytes(8),
        M(doubles=[1.0]).SerializeToString() + b"\xa3\x06\xa4\x06",
        M(doubles=[1.0], texts=["a"] * 1000).SerializeToString(),
    ],
    ids=["twice", "unpacked", "empty", "half a number", "cut short", "a group", "many records"],
)
def test_what_is_not_there_once_and_packed_is_left_to_protobuf(body: bytes) -> None:
    assert protobuf_arrays.extract_arrays(body, {FIELDS["doubles"].number: FIELDS["doubles"]}) == (body, {})


@given(VALUES, st.sampled_from([M, UNPACKED]), st.sampled_from("<>"), st.integers(1, 2))
def test_arrays_are_written_as_protobuf_reads_them(
    values: dict[str, Any], message: Any, order: str, step: int
) -> None:
    arrays = {
        name: array.astype(array.dtype.newbyteorder(order)) for name, array in arrays_of(values).items()
    }
    arrays = {name: np.repeat(array, step)[::step] for name, array in arrays.items() if is_finite(array)}
    rest = {name: value for name, value in values.items() if name not in DTYPES}

    body = protobuf.encoder(message).encode({**rest, **arrays})

    expected = {name: array.tolist() for name, array in arrays.items()}
    assert message.FromString(body) == message(**rest, **expected)


def is_finite(array: np.ndarray) -> bool:
    return bool(np.isfinite(array).all())


def test_an_empty_array_takes_no_bytes() -> None:
    assert protobuf.encoder(M).encode({"doubles": np.array([])}) == b""


def test_fields_that_are_declared_unpacked_are_written_so() -> None:
    body = protobuf.encoder(UNPACKED).encode({"doubles": np.array([1.0, 2.0])})

    assert body == UNPACKED(doubles=[1.0, 2.0]).SerializeToString()


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("doubles", np.array([1.0, -np.finfo("f8").max])),
        ("doubles", np.array([1.0], "f2")),
        ("doubles", np.array([2**64 - 1], "u8")),
        ("floats", np.array([np.finfo("f4").max], "f8")),
        ("fixed32s", np.array([0, 2**32 - 1])),
        ("sfixed64s", np.array([-(2**63)])),
        ("fixed64s", np.array([2**64 - 1], "u8")),
        ("switches", np.array([True])),
        ("varints", np.array([], "i4")),
    ],
    ids=repr,
)
def test_numpy_proves_that_an_array_fits(name: str, array: np.ndarray) -> None:
    assert protobuf_arrays.array_fits(FIELDS[name], array)


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("doubles", np.array([1.0, np.nan])),
        ("doubles", np.array([np.inf])),
        ("doubles", np.array([[1.0]])),
        ("doubles", np.array(1.0)),
        ("doubles", np.array([1.0], np.longdouble)),
        ("doubles", np.array([True])),
        ("doubles", np.array(["1"])),
        ("doubles", np.array([None])),
        ("doubles", np.array([1j])),
        ("doubles", np.ma.array([1.0, 2.0], mask=[True, False])),
        ("doubles", [1.0]),
        ("doubles", np.float64(1)),
        ("floats", np.array([np.nextafter(np.finfo("f4").max, np.inf, dtype="f8")])),
        ("floats", np.array([1])),
        ("fixed32s", np.array([2**32])),
        ("fixed32s", np.array([-1])),
        ("sfixed64s", np.array([2**63], "u8")),
        ("sfixed32s", np.array([1.0])),
        ("varints", np.array([1], "M8[s]")),
        ("switches", np.array([1])),
        ("text", np.array([1.0])),
        ("texts", np.array([1.0])),
        ("inner", np.array([1.0])),
    ],
    ids=repr,
)
def test_what_numpy_can_not_prove_is_left_to_parse_dict(name: str, array: Any) -> None:
    assert not protobuf_arrays.array_fits(FIELDS[name], array)
