"""What does not fit a pydantic model makes few errors, however large it is."""

import datetime as dt
import ipaddress
import uuid
from decimal import Decimal
from typing import Any

import pydantic
import pytest

from aylien_model_serving import schemas
from aylien_model_serving.codecs.fields import Fields
from aylien_model_serving.errors import SchemaMismatch
from aylien_model_serving.handlers.signatures import Signature
from aylien_model_serving.schemas import model_validators
from aylien_model_serving.schemas.models import ModelMismatch, sent
from tests.schemas.test_hints import given, taking

Several = int | float | bool | dt.date | dt.datetime | uuid.UUID | Decimal | ipaddress.IPv4Address


class Row(pydantic.BaseModel):
    type: str
    name: str
    amount: int
    note: bytes


class Tree(pydantic.BaseModel):
    a: "list[int | float | str | Tree]"


class Fitting(pydantic.BaseModel):
    numbers: list[int | float]
    rows: dict[str, Row]
    texts: list[str]


def holding(hint: Any) -> type[pydantic.BaseModel]:
    return pydantic.create_model("Holding", a=(hint, ...))


@pytest.mark.parametrize(
    ("model", "items"),
    [
        (holding(list[Several]), [[]] * 10_000),
        (holding(set[Several]), [[]] * 10_000),
        (holding(tuple[Several, ...]), [[]] * 10_000),
        (holding(list[list[int | float]]), [[[]]] * 10_000),
        (holding(dict[str, Several]), {str(number): [] for number in range(10_000)}),
        (holding(list[Several] | None), [[]] * 10_000),
        (holding(list[Row]), [{}] * 10_000),
        (holding(list[tuple[int, int, int, int]]), [[]] * 10_000),
        (Tree, [[]] * 10_000),
        (Tree, [{"a": [[]] * 100}] * 100),
    ],
)
def test_items_that_fail_in_several_ways_end_with_the_first(
    model: type[pydantic.BaseModel], items: Any
) -> None:
    with pytest.raises(ModelMismatch, match=r"^a\.0") as refused:
        sent(model, {"a": items})

    assert isinstance(refused.value.__cause__, pydantic.ValidationError)
    assert refused.value.__cause__.error_count() <= 12


def test_hints_that_pydantic_checks_are_bounded_like_models() -> None:
    with pytest.raises(SchemaMismatch, match=r"^x\.0\.int: .*; x\.0\.") as refused:
        given(taking(list[int | float | uuid.UUID | pydantic.AnyHttpUrl]), [[]] * 10_000)

    assert "x.1" not in str(refused.value)


def test_items_that_fail_in_one_way_are_told_one_by_one() -> None:
    assert model_validators.validator_of(holding(list[int])) is None
    with pytest.raises(ModelMismatch) as refused:
        sent(holding(list[int]), {"a": ["x", 1, "y"]})

    assert str(refused.value).count("; ") == 1


def test_what_fits_is_what_pydantic_makes_of_it() -> None:
    fitting = {
        "numbers": [1, 2.5],
        "rows": {"a": {"type": "t", "name": "n", "amount": "3", "note": "YWJj"}},
        "texts": ["a"],
    }

    found = sent(Fitting, fitting)

    assert found == Fitting(
        numbers=[1, 2.5], rows={"a": Row(type="t", name="n", amount=3, note=b"abc")}, texts=["a"]
    )
    assert type(found) is Fitting
    assert type(found.rows["a"]) is Row


def test_a_route_names_the_first_item_that_does_not_fit() -> None:
    def handler(a: Any) -> None: ...

    schema = schemas.choose((holding(list[int | bool]), None), handler, Signature.of(handler))

    with pytest.raises(SchemaMismatch) as refused:
        schema.arguments(Fields({"a": [1, "x", "y"]}), {})

    assert "a.1.int" in str(refused.value)
    assert "a.2" not in str(refused.value)
