"""Arrays: of a shape and a dtype, and of long lists, which are converted some items at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import pytest

from aylien_model_serving import DType, Shape, schemas
from aylien_model_serving.codecs.fields import Fields
from aylien_model_serving.errors import ConfigurationError, InvalidAnswer, SchemaMismatch
from aylien_model_serving.handlers.signatures import Signature
from aylien_model_serving.schemas import arrays
from aylien_model_serving.schemas.hints import TypeHintsSchema
from tests.schemas.proto_files import message_class
from tests.schemas.test_hints import given, schema_of, taking

LENGTH = 70_000

LISTS: dict[str, list[Any]] = {
    "floats": [1.5] * LENGTH,
    "rows": [[1, 2]] * LENGTH,
    "integers, then a float": [*[1] * LENGTH, 2.5],
    "integers, then a large one": [*[1] * LENGTH, 2**63],
    "texts of two lengths": [*["ab"] * LENGTH, "abcd"],
    "booleans, then an integer": [*[True] * LENGTH, 3],
}


@pytest.mark.parametrize("name", LISTS)
def test_a_long_list_becomes_the_array_that_numpy_makes_of_it(name: str) -> None:
    expected = np.asarray(LISTS[name])

    array = arrays.build(np.ndarray, LISTS[name])

    assert array.dtype == expected.dtype
    assert np.array_equal(array, expected)


def test_a_long_list_gets_the_type_that_is_hinted() -> None:
    array = arrays.build(npt.NDArray[np.float32], LISTS["rows"])

    assert (array.dtype, array.shape) == (np.float32, (LENGTH, 2))


@pytest.mark.parametrize("last", [0, [1], [1, 2, 3], [[1, 2]]])
@pytest.mark.parametrize("length", [2 * arrays._AT_ONCE, LENGTH])
def test_items_of_different_shapes_are_refused_wherever_they_are(last: Any, length: int) -> None:
    with pytest.raises(ValueError, match="shape"):
        arrays.build(np.ndarray, [*[[1, 2]] * length, last])


Image = Annotated[np.ndarray, Shape(None, 2), DType("float32")]


@pytest.mark.parametrize(
    ("sent", "problem"),
    [
        ([[1, 2, 3]], r"x: Expected an array of shape \(any, 2\), got \(1, 3\)"),
        ([1, 2], r"x: Expected an array of shape \(any, 2\), got \(2\)"),
        (3, r"x: Expected an array of shape \(any, 2\), got \(\)"),
        ([[1, "2"]], "x: Expected an array of numbers"),
        ([[1, None]], "x: Expected an array of numbers"),
        ("12", "x: Expected an array of numbers"),
        (None, "x: Expected an array of numbers"),
    ],
)
def test_what_is_no_array_of_the_shape_is_refused(sent: Any, problem: str) -> None:
    with pytest.raises(SchemaMismatch, match=f"^{problem}"):
        given(taking(Image), sent)


def test_an_array_may_stand_beside_null_and_in_lists() -> None:
    assert given(taking(Image | None), None) is None
    assert [each.dtype for each in given(taking(list[Image]), [[[1, 2]], [[3, 4]]])] == [np.float32] * 2
    with pytest.raises(SchemaMismatch, match=r"^x\[1\]: Expected an array of shape"):
        given(taking(list[Image]), [[[1, 2]], [[3]]])


def test_each_call_of_a_batched_handler_has_an_array_of_its_own() -> None:
    def handler(x: list[Image]) -> list[Image]: ...

    schema = TypeHintsSchema(handler, Signature.of(handler), batched=True)

    assert np.array_equal(given(schema, [[1, 2]]), [[1, 2]])
    with pytest.raises(SchemaMismatch, match=r"^x: Expected an array of shape"):
        given(schema, [1, 2])
    with pytest.raises(InvalidAnswer, match="float64"):
        schema.check_result(np.zeros((1, 2)))


@pytest.mark.parametrize(
    ("result", "problem"),
    [
        (np.zeros((1, 2)), "expected items of type float32, got float64"),
        (np.zeros(2, np.float32), r"expected an array of shape \(any, 2\), got \(2\)"),
        ([[1, 2]], "expected an array, got a list"),
        (None, "expected an array, got a NoneType"),
    ],
)
@pytest.mark.parametrize("hint", [Image, Iterator[Image]])
def test_a_result_of_another_kind_does_not_fit(hint: Any, result: Any, problem: str) -> None:
    def handler(): ...  # type: ignore[no-untyped-def]  # the hint is set below

    handler.__annotations__ = {"return": hint}

    with pytest.raises(InvalidAnswer, match=f"does not fit Annotated.*: {problem}"):
        schema_of(handler).check_result(result)


@pytest.mark.parametrize("length", [0, 3])
def test_a_result_that_fits_is_answered_as_it_is(length: int) -> None:
    def handler() -> Image: ...

    array = np.zeros((length, 2), np.float32)

    assert schema_of(handler).check_result(array) is array


def test_a_protobuf_field_has_the_shape_that_the_hint_says() -> None:
    message = message_class("message M\nrepeated double numbers", "M")

    def handler(numbers: Annotated[np.ndarray, Shape(2)]) -> None: ...

    schema = schemas.choose((message, None), handler, Signature.of(handler))

    assert schema.arguments(Fields({"numbers": [1, 2]}), {})["numbers"].tolist() == [1, 2]
    with pytest.raises(SchemaMismatch, match=r"^numbers: Expected an array of shape \(2\), got \(3\)"):
        schema.arguments(Fields({"numbers": [1, 2, 3]}), {})


@dataclass
class Holder:
    image: Image


@pytest.mark.parametrize(
    ("hint", "reason"),
    [
        (Annotated[int, Shape(1)], "names none"),
        (Annotated[np.ndarray, Shape(1), Shape(2)], "once"),
        (Annotated[np.ndarray, DType("float33")], "numpy has no dtype 'float33'"),
        (Annotated[np.ndarray, DType("object")], "objects"),
        (Annotated[npt.NDArray[np.int8], DType("float32")], "names int8, and DType 'float32'"),
        (Holder, "not in the fields of a class"),
    ],
    ids=str,
)
def test_what_makes_no_sense_of_an_array_stops_the_start(hint: Any, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=f"the type hint of parameter 'x': .*{reason}"):
        taking(hint)


@pytest.mark.parametrize("size", [-1, 1.5, "2", True])
def test_a_shape_takes_lengths_alone(size: Any) -> None:
    with pytest.raises(ConfigurationError, match="a length or None"):
        Shape(size)
