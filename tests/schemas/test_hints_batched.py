"""Type hints of batched handlers: the fields and the result of a call are checked as items."""

from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator, Sequence
from typing import Annotated, Any, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt
import pydantic
import pytest

from aylien_model_serving import schemas
from aylien_model_serving.codecs.fields import Fields
from aylien_model_serving.errors import ConfigurationError, FieldMismatch, InvalidAnswer, SchemaMismatch
from aylien_model_serving.handlers.signatures import Signature
from aylien_model_serving.handlers.steps import Done
from aylien_model_serving.schemas import Schema
from aylien_model_serving.schemas.hints import TypeHintsSchema


class Person(pydantic.BaseModel):
    name: str


class Unknown:
    pass


T = TypeVar("T")


def schema_of(handler: Callable[..., Any]) -> Schema:
    return TypeHintsSchema(handler, Signature.of(handler), batched=True)


def taking(hint: Any, *default: Any) -> Schema:
    """Return the schema of a batched handler with one parameter `x`."""

    def handler(x): ...  # type: ignore[no-untyped-def]  # the hint is set below

    handler.__annotations__ = {"x": hint}
    handler.__defaults__ = default or None
    return schema_of(handler)


def returning(hint: Any) -> Schema:
    def handler(): ...  # type: ignore[no-untyped-def]  # the hint is set below

    handler.__annotations__ = {"return": hint}
    return schema_of(handler)


def given(schema: Schema, value: Any, *, textual: bool = False) -> Any:
    return schema.arguments(Fields({"x": value}, textual), {})["x"]


@pytest.mark.parametrize(
    ("hint", "value", "expected"),
    [
        (list[str], "a", "a"),
        (list[float], 1, 1.0),
        (Sequence[int], 3, 3),
        (Iterable[int], 3, 3),
        (tuple[int, ...], 3, 3),
        (list[list[int]], [1, 2], [1, 2]),
        (list[Person], {"name": "Ada"}, Person(name="Ada")),
        (list[str] | None, "a", "a"),
        (list[str] | None, None, None),
        (list[str | None], None, None),
        (list[int] | list[str], "a", "a"),
        (list[int] | np.ndarray, 3, 3),
        (Annotated[list[int], "of the batch"], 3, 3),
        (list[Annotated[int, msgspec.Meta(ge=1)]], 1, 1),
    ],
)
def test_a_value_that_fits_an_item_of_the_list_is_taken(hint: Any, value: Any, expected: Any) -> None:
    arrived = given(taking(hint), value)

    assert arrived == expected
    assert type(arrived) is type(expected)


@pytest.mark.parametrize(
    ("hint", "value", "message"),
    [
        (list[str], 3, "x: Expected `str`, got `int`"),
        (list[str], ["a"], "x: Expected `str`, got `array`"),
        (list[str], None, "x: Expected `str`, got `null`"),
        (Sequence[int], "3", "x: Expected `int`, got `str`"),
        (list[list[int]], [1, "a"], "x[1]: Expected `int`, got `str`"),
        (list[str] | None, 3, "x: Expected `str | null`, got `int`"),
        (list[Person], {}, "x: name: Field required"),
        (list[Annotated[int, msgspec.Meta(ge=1)]], 0, "x: Expected `int` >= 1"),
    ],
)
def test_a_value_that_does_not_is_refused_before_it_enters_a_batch(
    hint: Any, value: Any, message: str
) -> None:
    with pytest.raises(SchemaMismatch) as refused:
        given(taking(hint), value)

    assert str(refused.value) == message


def test_a_parameter_whose_default_is_none_takes_null() -> None:
    schema = taking(list[int], None)

    assert given(schema, None) is None
    assert given(schema, 3) == 3
    assert schema.arguments(Fields({}), {}) == {}


def test_text_of_a_query_string_is_read_as_an_item() -> None:
    assert given(taking(list[int]), "3", textual=True) == 3


@pytest.mark.parametrize(
    "hint",
    [
        Any,
        T,
        list,
        tuple,
        Sequence,
        list[Any],
        list[Any] | None,
        np.ndarray,
        npt.NDArray[np.float32],
        npt.NDArray[np.float32] | None,
    ],
    ids=str,
)
def test_a_list_of_anything_takes_any_value(hint: Any) -> None:
    value = object()

    assert given(taking(hint), value) is value


@pytest.mark.parametrize("hint", [Unknown, list[Unknown]])
def test_a_list_of_what_cant_be_checked_stops_the_start(hint: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"can't be checked|write list\["):
        taking(hint)


def test_a_parameter_without_a_hint_takes_any_value() -> None:
    def handler(x): ...  # type: ignore[no-untyped-def]  # a missing hint is what is tested

    assert given(schema_of(handler), 1) == 1


@pytest.mark.parametrize(
    ("hint", "default", "message"),
    [
        (str, (), "write list[str], not str"),
        (int | None, (), "write list[int] | None, not int | None"),
        (str, (None,), "write list[str] | None, not "),  # Python 3.10 names it Optional[str]
        (dict[str, int], (), "write list[dict[str, int]], not dict[str, int]"),
        (tuple[int, str], (), "write list[tuple[int, str]], not tuple[int, str]"),
        (int | str, (), "write list[int | str], not int | str"),
        (Person, (), "Person], not "),
    ],
    ids=str,
)
def test_a_hint_of_one_item_stops_the_service_and_suggests_the_list(
    hint: Any, default: Any, message: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        taking(hint, *default)

    assert "parameter 'x' of a batched handler gets a list" in str(refused.value)
    assert message in str(refused.value)


def test_names_are_checked_as_for_any_handler() -> None:
    with pytest.raises(FieldMismatch, match="Missing field 'x'"):
        taking(list[int]).arguments(Fields({}), {})


@pytest.mark.parametrize(
    "hint", [list[Person], Sequence[Person], list[Person | Exception], list[Person | ValueError]]
)
def test_each_result_is_checked_as_an_item_of_the_returned_list(hint: Any) -> None:
    schema = returning(hint)

    assert schema.check_result({"name": "Ada"}) == Person(name="Ada")
    with pytest.raises(InvalidAnswer, match="name"):
        schema.check_result({"nom": "Ada"})


@pytest.mark.parametrize("hint", [None, list, list[dict[str, str]], np.ndarray, Person, list[Exception]])
def test_other_results_pass_as_they_are(hint: Any) -> None:
    assert returning(hint).check_result({"nom": "Ada"}) == {"nom": "Ada"}


def test_a_schema_of_its_own_describes_one_call_of_a_batched_handler() -> None:
    def handler(name: str) -> None: ...

    schema = schemas.choose((Person, None), handler, Signature.of(handler), batched=True)

    assert schema.arguments(Fields({"name": "Ada"}), {}) == {"name": "Ada"}


def test_without_batches_a_list_is_a_list() -> None:
    def handler(x: list[int]) -> None: ...

    schema = schemas.choose(None, handler, Signature.of(handler))

    assert schema.arguments(Fields({"x": [1]}), {}) == {"x": [1]}


@pytest.mark.parametrize(
    "hint",
    [
        Iterator[list[int | Done]],
        AsyncIterator[Sequence[int]],
        Generator[list[int | Done | Exception], None, None],
    ],
    ids=str,
)
def test_a_stream_of_lists_is_described_by_an_item_of_a_list(hint: Any) -> None:
    described = returning(hint).describe("")

    assert (described.form, described.result) == ("items", {"type": "integer"})


@pytest.mark.parametrize(
    "hint", [Iterator, Iterator[list[Any]], Iterator[list[Done]], Iterator[Any]], ids=str
)
def test_a_stream_of_lists_of_anything_is_described_as_that(hint: Any) -> None:
    described = returning(hint).describe("")

    assert (described.form, described.result) == ("items", {})
