"""Schemas of type hints: what is checked, what is converted, what passes unchanged."""

import dataclasses
import datetime as dt
import enum
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict

import msgspec
import numpy as np
import numpy.typing as npt
import pydantic
import pytest

from aylien_model_serving.codecs.fields import Fields
from aylien_model_serving.errors import ConfigurationError, SchemaMismatch
from aylien_model_serving.handlers.signatures import Signature
from aylien_model_serving.schemas.hints import TypeHintsSchema

if TYPE_CHECKING:
    from nowhere import Missing  # type: ignore[import-not-found]  # a name that only type checkers see


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Box:
    width: float
    label: str = "box"


class Point(TypedDict):
    x: int


class Person(pydantic.BaseModel):
    name: str
    age: int = 0


class Unknown:
    pass


def schema_of(handler: Callable[..., Any]) -> TypeHintsSchema:
    return TypeHintsSchema(handler, Signature.of(handler))


def taking(hint: Any, *default: Any) -> TypeHintsSchema:
    """Return the schema of a handler with one parameter `x`."""

    def handler(x): ...  # type: ignore[no-untyped-def]  # the hint is set below

    handler.__annotations__ = {"x": hint}
    handler.__defaults__ = default or None
    return schema_of(handler)


def given(schema: TypeHintsSchema, value: Any, *, textual: bool = False) -> Any:
    return schema.arguments(Fields({"x": value}, textual), {})["x"]


@pytest.mark.parametrize(
    ("hint", "value", "expected"),
    [
        (int, 3, 3),
        (float, 3, 3.0),
        (str, "a", "a"),
        (bool, True, True),
        (str | None, None, None),
        (int | None, 3, 3),
        (list[float], [1, 2.5], [1.0, 2.5]),
        (dict[str, int], {"a": 1}, {"a": 1}),
        (tuple[int, str], [1, "a"], (1, "a")),
        (set[int], [1, 1], {1}),
        (Literal["a", "b"], "b", "b"),
        (Colour, "red", Colour.RED),
        (Box, {"width": 1}, Box(1.0)),
        (Point, {"x": 1}, {"x": 1}),
        (Person, {"name": "Ada"}, Person(name="Ada")),
        (Person | None, None, None),
        (list[Person], [{"name": "Ada", "age": 3}], [Person(name="Ada", age=3)]),
        (dt.date, "2020-01-02", dt.date(2020, 1, 2)),
        (Annotated[int, msgspec.Meta(ge=1)], 1, 1),
        (bytes, "YWJj", b"abc"),
        (Any, {"a": [1]}, {"a": [1]}),
        (int | str, "a", "a"),
    ],
)
def test_a_value_that_fits_its_hint_arrives_as_the_hint_says(hint: Any, value: Any, expected: Any) -> None:
    arrived = given(taking(hint), value)

    assert arrived == expected
    assert type(arrived) is type(expected)


@pytest.mark.parametrize(
    ("hint", "value", "message"),
    [
        (int, "3", "x: Expected `int`, got `str`"),
        (int, True, "x: Expected `int`, got `bool`"),
        (int, 1.5, "x: Expected `int`, got `float`"),
        (int, None, "x: Expected `int`, got `null`"),
        (bool, 1, "x: Expected `bool`, got `int`"),
        (str, 3, "x: Expected `str`, got `int`"),
        (str | None, 3, "x: Expected `str | null`, got `int`"),
        (list[float], [1, "a"], "x[1]: Expected `float`, got `str`"),
        (list[list[int]], [[1, "a"]], "x[0][1]: Expected `int`, got `str`"),
        (Literal["a", "b"], "c", "x: Invalid enum value 'c'"),
        (Literal["a"], "c - at `$.y`", "x: Invalid enum value 'c - at `$.y`'"),
        (Colour, "blue", "x: Invalid enum value 'blue'"),
        (Box, {"width": "wide"}, "x.width: Expected `float`, got `str`"),
        (Box, {}, "x: Object missing required field `width`"),
        (Point, {"x": "a"}, "x.x: Expected `int`, got `str`"),
        (dt.date, "soon", "x: Invalid RFC3339 encoded date"),
        (Annotated[int, msgspec.Meta(ge=1)], 0, "x: Expected `int` >= 1"),
        (Person, {"age": 3}, "x: name: Field required"),
        (list[Person], [{"name": "Ada"}, {"name": 1}], "x[1]: name: Input should be a valid string"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_by_the_fields_name(hint: Any, value: Any, message: str) -> None:
    with pytest.raises(SchemaMismatch) as refused:
        given(taking(hint), value)

    assert str(refused.value) == message


@pytest.mark.parametrize("hint", [int, str, list[int], Box, Person, Literal["a"]])
def test_a_parameter_whose_default_is_none_takes_null(hint: Any) -> None:
    assert given(taking(hint, None), None) is None


def test_a_parameter_whose_default_is_none_is_checked_all_the_same() -> None:
    with pytest.raises(SchemaMismatch, match=r"x: Expected `int \| null`, got `str`"):
        given(taking(int, None), "3")


def test_another_default_does_not_allow_null() -> None:
    with pytest.raises(SchemaMismatch):
        given(taking(int, 3), None)


@pytest.mark.parametrize(
    ("hint", "text", "expected"),
    [
        (int, "3", 3),
        (float, "1.5", 1.5),
        (bool, "true", True),
        (bool, "0", False),
        (str, "3", "3"),
        (int | None, "null", None),
        (list[float], "1.5", [1.5]),
        (list[float], ["1", "2"], [1.0, 2.0]),
        (list[float] | None, "1.5", [1.5]),
        (Annotated[list[int], msgspec.Meta(min_length=1)], "1", [1]),
        (tuple[int, ...], "1", (1,)),
        (set[str], "a", {"a"}),
        (list[str], "a", ["a"]),
        (Literal[1, 2], "2", 2),
        (bytes, b"\x00", b"\x00"),
        (dt.date, "2020-01-02", dt.date(2020, 1, 2)),
    ],
)
def test_text_of_a_query_string_is_read_as_the_hint_says(hint: Any, text: Any, expected: Any) -> None:
    assert given(taking(hint), text, textual=True) == expected


@pytest.mark.parametrize(
    ("hint", "text"), [(int, "many"), (list[int], "many"), (list[int], ["1", "x"]), (int, ["1", "2"])]
)
def test_text_that_stands_for_no_such_value_is_refused(hint: Any, text: Any) -> None:
    with pytest.raises(SchemaMismatch, match=r"^x"):
        given(taking(hint), text, textual=True)


@pytest.mark.parametrize("name", ["x", "return"])
def test_a_hint_that_names_what_is_not_there_stops_the_start(name: str) -> None:
    def handler(x: Any, n: int) -> None: ...

    handler.__annotations__[name] = "Missing"

    with pytest.raises(ConfigurationError, match="can't be resolved: name 'Missing' is not defined; import"):
        schema_of(handler)


def test_a_hint_that_names_what_is_not_there_does_not_matter_where_no_field_has_it() -> None:
    def handler(*args: "Missing", n: "int") -> None: ...

    with pytest.raises(SchemaMismatch, match=r"^n: "):
        schema_of(handler).arguments(Fields({"n": "a"}), {})


@pytest.mark.parametrize(
    ("hint", "dtype"),
    [
        (np.ndarray, np.int64),
        (npt.NDArray[np.float32], np.float32),
        (npt.NDArray[Any], np.int64),
        (npt.NDArray[np.integer[Any]], np.int64),
    ],
)
def test_an_array_is_built_of_a_list(hint: Any, dtype: Any) -> None:
    arrived = given(taking(hint), [[1, 2], [3, 4]])

    assert isinstance(arrived, np.ndarray)
    assert arrived.dtype == dtype
    assert arrived.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("hint", "value"),
    [
        *(
            (np.ndarray, value)
            for value in ([[1], [1, 2]], {"a": 1}, [None], [{}], None, "abc", ["1"], [[1], ["1"]])
        ),
        *((npt.NDArray[np.float32], value) for value in ("1", ["1"], [[1.5, None]], [[[1], [True, "1"]]])),
        (npt.NDArray[np.float64], None),
        (npt.NDArray[np.float64], {"a": 1}),
        (npt.NDArray[np.int8], [300]),
    ],
    ids=repr,
)
def test_what_makes_no_array_is_refused(hint: Any, value: Any) -> None:
    with pytest.raises(SchemaMismatch, match=r"^x: "):
        given(taking(hint), value)


@pytest.mark.parametrize(
    ("hint", "text", "expected"),
    [
        (np.ndarray, "3", [3]),
        (np.ndarray, ["1", "2"], [1, 2]),
        (np.ndarray, ["1", "2.5"], [1.0, 2.5]),
        (npt.NDArray[np.float32], "3", [3.0]),
        (npt.NDArray[np.str_], ["a", "b"], ["a", "b"]),
    ],
)
def test_an_array_is_built_of_the_texts_of_a_query(hint: Any, text: Any, expected: list[Any]) -> None:
    assert given(taking(hint), text, textual=True).tolist() == expected


@pytest.mark.parametrize("text", ["many", ["1", "nan"], "1e999"])
def test_texts_that_are_no_numbers_make_no_array(text: Any) -> None:
    with pytest.raises(SchemaMismatch, match="x: Expected an array of numbers"):
        given(taking(np.ndarray), text, textual=True)


def test_an_array_of_texts_has_its_own_dtype() -> None:
    assert given(taking(npt.NDArray[np.str_]), ["a", "bc"]).tolist() == ["a", "bc"]
    assert given(taking(npt.NDArray[np.datetime64]), ["2020-01-02"]).dtype.kind == "M"


@pytest.mark.parametrize("text", ["nan", "NaN", "inf", "-inf", "Infinity"])
@pytest.mark.parametrize("hint", [float, float | None, list[float]])
def test_a_number_of_a_query_is_finite_as_in_json(hint: Any, text: str) -> None:
    with pytest.raises(SchemaMismatch, match="x: a finite number is expected"):
        given(taking(hint), text, textual=True)


def test_a_word_of_a_query_may_be_nan() -> None:
    assert given(taking(str), "nan", textual=True) == "nan"
