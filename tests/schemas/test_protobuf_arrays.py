"""Protobuf schemas of handlers that take and return numpy arrays."""

from __future__ import annotations

import json
from typing import Any, Optional

import numpy as np
import numpy.typing as npt
import pytest
from google.protobuf.json_format import MessageToDict, ParseDict, ParseError
from hypothesis import example, given
from hypothesis import strategies as st

from aylien_model_serving import schemas
from aylien_model_serving.codecs import JSON, protobuf
from aylien_model_serving.codecs.fields import Fields
from aylien_model_serving.errors import FieldMismatch, InvalidAnswer, SchemaMismatch
from aylien_model_serving.handlers.signatures import Signature
from aylien_model_serving.schemas import Schema
from tests.schemas.proto_files import message_class

BOTH = pytest.mark.parametrize(
    "media_type", ["application/json", protobuf.MEDIA_TYPE], ids=["json", "protobuf"]
)
DOUBLES = "repeated double x"


def schema_of(field: str, hint: Any, *default: Any, batched: bool = False) -> Schema:
    """Return the schema of a handler with one parameter `x`, and of a message with the field and a title."""

    def handler(x, title=""): ...  # type: ignore[no-untyped-def]  # the hint is set below

    handler.__annotations__ = {"x": hint}
    handler.__defaults__ = (*default, "")
    message = message_class(f"message M\n{field}\nstring title", "M")
    signature = Signature.of(handler)
    return schemas.choose((message, message), handler, signature, frozenset({"title"}), batched=batched)


def arguments(
    schema: Schema, field: str, media_type: str, values: dict[str, Any], **path: Any
) -> dict[str, Any]:
    """Return the arguments for values that a client sends as JSON, or as the message of them."""
    body = json.dumps(values).encode()
    if media_type == protobuf.MEDIA_TYPE:
        message = message_class(f"message M\n{field}\nstring title", "M")
        body = ParseDict(values, message()).SerializeToString()
    return schema.arguments(schema.decoders[media_type](body, media_type), path)


def arrived(field: str, hint: Any, media_type: str, value: Any) -> Any:
    return arguments(schema_of(field, hint), field, media_type, {"x": value})["x"]


@BOTH
@pytest.mark.parametrize(
    ("field", "hint", "dtype"),
    [
        (DOUBLES, np.ndarray, np.float64),
        (DOUBLES, npt.NDArray[Any], np.float64),
        (DOUBLES, npt.NDArray[np.floating[Any]], np.float64),
        (DOUBLES, npt.NDArray[np.float32], np.float32),
        (DOUBLES, npt.NDArray[np.float32] | None, np.float32),
        (DOUBLES, Optional[np.ndarray], np.float64),  # noqa: UP045 as older handlers write it
        (DOUBLES, npt.NDArray[np.int16], np.int16),
        ("repeated float x", np.ndarray, np.float32),
        ("repeated float x", npt.NDArray[np.float64], np.float64),
        ("repeated int32 x", np.ndarray, np.int32),
        ("repeated int64 x", np.ndarray, np.int64),
        ("repeated uint64 x", np.ndarray, np.uint64),
        ("repeated fixed32 x", np.ndarray, np.uint32),
        ("repeated sfixed64 x", npt.NDArray[np.int8], np.int8),
    ],
    ids=repr,
)
def test_a_parameter_that_is_hinted_as_an_array_gets_one(
    field: str, hint: Any, dtype: Any, media_type: str
) -> None:
    found = arrived(field, hint, media_type, [1, 2, 3])

    assert type(found) is np.ndarray
    assert found.dtype == dtype
    assert found.dtype.isnative
    assert found.tolist() == [1, 2, 3]


@BOTH
def test_an_array_holds_the_numbers_of_the_message(media_type: str) -> None:
    found = arrived("repeated float x", npt.NDArray[np.float64], media_type, [0.1])

    assert found.tolist() == [float(np.float32(0.1))]


@BOTH
def test_a_handler_may_write_into_its_array(media_type: str) -> None:
    schema = schema_of(DOUBLES, np.ndarray)
    body = bytearray(b'{"x": [1.0, 2.0]}')
    if media_type == protobuf.MEDIA_TYPE:
        body = bytearray(b"\x0a\x10" + np.array([1.0, 2.0]).tobytes())
    before = bytes(body)

    fields = schema.decoders[media_type](body, media_type)
    schema.arguments(fields, {})["x"] += 1

    assert bytes(body) == before
    assert schema.arguments(fields, {})["x"].tolist() == [1.0, 2.0]


@BOTH
@pytest.mark.parametrize("hint", [list[float], list, Any, np.ndarray | list])
def test_any_other_parameter_gets_a_list(hint: Any, media_type: str) -> None:
    found = arrived(DOUBLES, hint, media_type, [1.0] * 200)

    assert type(found) is list


@BOTH
def test_an_array_that_was_not_sent_is_empty_where_it_has_no_default(media_type: str) -> None:
    if media_type == protobuf.MEDIA_TYPE:
        found = arguments(schema_of(DOUBLES, np.ndarray), DOUBLES, media_type, {"title": "a"})
        assert (found["x"].tolist(), found["x"].dtype) == ([], np.float64)
    else:
        with pytest.raises(FieldMismatch, match="Missing field 'x'"):
            arguments(schema_of(DOUBLES, np.ndarray), DOUBLES, media_type, {"title": "a"})

    assert arguments(schema_of(DOUBLES, np.ndarray | None, None), DOUBLES, media_type, {}) == {}


@BOTH
def test_an_empty_array_has_the_dtype_of_the_hint(media_type: str) -> None:
    found = arrived(DOUBLES, npt.NDArray[np.float32], media_type, [])

    assert (found.tolist(), found.dtype) == ([], np.float32)


@BOTH
def test_nan_and_infinities_stay_in_an_array(media_type: str) -> None:
    found = arrived(DOUBLES, npt.NDArray[np.float32], media_type, ["NaN", "Infinity", "-Infinity", 1e300])

    np.testing.assert_array_equal(found, [np.nan, np.inf, -np.inf, np.inf])


@pytest.mark.parametrize("length", [1, 200])
def test_nan_in_a_list_is_a_number_where_the_message_has_one(length: int) -> None:
    values = ["NaN", "-Infinity", *[1.0] * length]

    assert arrived(DOUBLES, list, "application/json", values) == values
    found = arrived(DOUBLES, list, protobuf.MEDIA_TYPE, values)
    np.testing.assert_array_equal(found, [np.nan, -np.inf, *[1.0] * length])


@BOTH
@pytest.mark.parametrize(
    ("field", "hint", "value"),
    [
        ("repeated int32 x", npt.NDArray[np.int8], [1, 300]),
        ("repeated sfixed32 x", npt.NDArray[np.int8], [1, 300]),
        (DOUBLES, npt.NDArray[np.int64], [1e300]),
        (DOUBLES, npt.NDArray[np.int64], ["NaN"]),
        ("ListValue x", np.ndarray, [[1, 2], [3]]),
        ("ListValue x", np.ndarray, [{"a": 1}]),
        ("map<string,int32> x", np.ndarray, {"a": 1}),
        ("repeated string x", npt.NDArray[np.float32], ["a"]),
    ],
    ids=repr,
)
def test_what_makes_no_such_array_is_a_mistake_of_the_client(
    field: str, hint: Any, value: Any, media_type: str
) -> None:
    with pytest.raises(SchemaMismatch, match=r"^x: "):
        arrived(field, hint, media_type, value)


@BOTH
@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("ListValue x", [[1, 2], [3, 4]], [[1, 2], [3, 4]]),
        ("repeated ListValue x", [[1, 2], [3, 4]], [[1, 2], [3, 4]]),
        ("repeated string x", ["a", "b"], ["a", "b"]),
        ("double x", 3, 3),
        ("int64 x", "3", 3),
        ("repeated int64 x", ["9007199254740993", 1], [9007199254740993, 1]),
        ("repeated int64 x", ["1e3", 2.0], [1000, 2]),
    ],
    ids=repr,
)
def test_an_array_is_made_of_whatever_the_field_holds(
    field: str, value: Any, expected: Any, media_type: str
) -> None:
    found = arrived(field, np.ndarray, media_type, value)

    assert type(found) is np.ndarray
    assert found.tolist() == expected


def test_null_is_none_where_the_hint_allows_it() -> None:
    assert arrived(DOUBLES, np.ndarray | None, "application/json", None) is None
    with pytest.raises(SchemaMismatch, match="x: Expected an array"):
        arrived(DOUBLES, np.ndarray, "application/json", None)


def test_text_of_a_form_makes_an_array_too() -> None:
    found = schema_of(DOUBLES, np.ndarray).arguments(Fields({"x": ["1", "2.5"]}, textual=True), {})

    assert found["x"].tolist() == [1.0, 2.5]


@pytest.mark.parametrize("value", [["a"], [None], 1.0, {"a": 1}, [[1.0]], [1.0, True, "x"]], ids=repr)
def test_values_that_do_not_fit_are_refused_as_they_are_without_an_array(value: Any) -> None:
    with pytest.raises(ParseError) as parsers:
        ParseDict({"x": value}, message_class(f"message M\n{DOUBLES}\nstring title", "M")())

    with pytest.raises(SchemaMismatch) as refused:
        arrived(DOUBLES, np.ndarray, "application/json", value)

    assert str(refused.value) == str(parsers.value)


@BOTH
def test_values_of_the_path_are_checked_beside_an_array(media_type: str) -> None:
    schema = schema_of(DOUBLES, np.ndarray)

    found = arguments(schema, DOUBLES, media_type, {"x": [1.0]}, title="a")
    assert (found["x"].tolist(), found["title"]) == ([1.0], "a")
    with pytest.raises(SchemaMismatch, match="Failed to parse title field"):
        arguments(schema, DOUBLES, media_type, {"x": [1.0]}, title=3)
    with pytest.raises(FieldMismatch, match="given in the path"):
        arguments(schema, DOUBLES, media_type, {"x": [1.0]}, x=[2.0])


@BOTH
def test_a_batched_handler_gets_a_list_of_arrays(media_type: str) -> None:
    schema = schema_of(DOUBLES, list[npt.NDArray[np.float32]], batched=True)

    found = arguments(schema, DOUBLES, media_type, {"x": [1.0, 2.0]})["x"]

    assert (found.dtype, found.tolist()) == (np.float32, [1.0, 2.0])


def test_an_array_is_made_without_a_request_message_too() -> None:
    def handler(x: np.ndarray, n: int) -> None: ...

    schema = schemas.choose(
        (None, message_class(f"message M\n{DOUBLES}", "M")), handler, Signature.of(handler)
    )

    found = schema.arguments(Fields({"x": [1, 2], "n": "any"}), {})

    assert (found["x"].tolist(), found["n"]) == ([1, 2], "any")


ANSWERS = message_class(
    """
    message M
      repeated double doubles
      repeated float floats
      repeated int32 ints
      repeated fixed64 fixed
      repeated bool switches
      repeated string texts
      repeated double many_values
      string title
    """,
    "M",
)


def answering() -> Schema:
    def handler() -> None: ...

    return schemas.choose((None, ANSWERS), handler, Signature.of(handler))


def verdict(result: dict[str, Any]) -> tuple[str, Any]:
    """Return what a client gets as JSON and as a message, or how the answer is refused."""
    schema = answering()
    try:
        answer = schema.check_result(result)
    except InvalidAnswer as error:
        return str(error), None
    message = ANSWERS.FromString(schema.encoder(protobuf.MEDIA_TYPE).encode(answer))
    return JSON.encode(answer).decode(), MessageToDict(message)


NUMBERS = [st.floats(), st.floats(width=32), st.floats(-3.5e38, 3.5e38), st.integers(0, 2**32), st.booleans()]
ARRAYS = st.builds(
    lambda values, dtype: np.array(values).astype(dtype),
    st.one_of(*(st.lists(numbers, max_size=4) for numbers in NUMBERS)),
    st.sampled_from(["f2", "f4", "f8", ">f8", "i1", "i4", "i8", "u8", "?"]),
)
NAMES = st.sampled_from([*(field.name for field in ANSWERS.DESCRIPTOR.fields), "manyValues", "unknown"])


@pytest.mark.filterwarnings("ignore:(overflow|invalid value) encountered in cast")
@example({"many_values": np.array([1.0]), "manyValues": np.array([2.0])})
@given(st.dictionaries(NAMES, ARRAYS | st.just(["a"]) | st.just("a"), max_size=4))
def test_an_array_in_a_result_is_validated_and_sent_as_its_list(result: dict[str, Any]) -> None:
    listed = {name: value.tolist() if hasattr(value, "tolist") else value for name, value in result.items()}

    assert verdict(result) == verdict(listed)


def test_an_array_that_fits_stays_one_in_its_place() -> None:
    array = np.arange(3.0)

    answer = answering().check_result({"title": "a", "doubles": array, "texts": np.array(["b"])})

    assert list(answer) == ["title", "doubles", "texts"]
    assert answer["doubles"] is array
    assert answer["texts"] == ["b"]


@pytest.mark.parametrize(
    "result",
    [
        {"floats": np.array([1e39])},
        {"ints": np.array([2**31])},
        {"ints": np.array([0.5])},
        {"doubles": np.array([[1.0]])},
        {"doubles": np.array([1.0]), "unknown": 1},
    ],
    ids=repr,
)
def test_an_array_that_does_not_fit_is_refused_as_its_list_is(result: dict[str, Any]) -> None:
    with pytest.raises(InvalidAnswer) as refused:
        answering().check_result(result)
    with pytest.raises(InvalidAnswer) as refused_lists:
        answering().check_result({name: np.asarray(value).tolist() for name, value in result.items()})

    assert str(refused.value) == str(refused_lists.value)
