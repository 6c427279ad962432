"""What lies in unions within unions is tried a bounded number of times."""

from typing import Any, Literal

import pydantic
import pytest

from aylien_model_serving import schemas
from aylien_model_serving.codecs.fields import Fields
from aylien_model_serving.errors import SchemaMismatch
from aylien_model_serving.handlers.signatures import Signature
from aylien_model_serving.schemas import model_validators
from aylien_model_serving.schemas.models import ModelMismatch, sent
from aylien_model_serving.schemas.union_attempts import LimitedValidator
from tests.schemas.test_hints import given, taking


class Add(pydantic.BaseModel):
    op: Literal["add"]
    args: "list[Add | Multiply | float]"


class Multiply(pydantic.BaseModel):
    op: Literal["multiply"]
    args: "list[Add | Multiply | float]"


class Link(pydantic.BaseModel):
    next: "Link | int | str"


class Either(pydantic.BaseModel):
    one: Add | Link
    other: Link | Multiply


Add.model_rebuild()


def nested(levels: int, leaf: Any = 1.0) -> Any:
    for _ in range(levels):
        leaf = {"op": "multiply", "args": [leaf]}
    return leaf


@pytest.mark.parametrize("leaf", [1.0, "x"])
def test_what_lies_too_deep_is_refused(leaf: Any) -> None:
    with pytest.raises(SchemaMismatch, match="more attempts than are made"):
        sent(Multiply, nested(28, leaf))


def test_a_route_refuses_it_as_a_mistake_of_the_client() -> None:
    def handler(**fields: Any) -> None: ...

    schema = schemas.choose((Multiply, None), handler, Signature.of(handler))

    with pytest.raises(SchemaMismatch, match="more attempts than are made"):
        schema.arguments(Fields(nested(28)), {})


@pytest.mark.parametrize("hint", [Multiply, Add | Multiply, list[Add | Multiply]])
def test_a_hint_is_limited_like_a_model(hint: Any) -> None:
    as_sent = (lambda value: [value]) if hint == list[Add | Multiply] else (lambda value: value)
    schema = taking(hint)

    with pytest.raises(SchemaMismatch, match="more attempts than are made"):
        given(schema, as_sent(nested(28)))
    assert given(schema, as_sent(nested(3)))


def test_what_fits_is_what_pydantic_makes_of_it() -> None:
    assert isinstance(model_validators.validator_of(Multiply), LimitedValidator)
    for levels in range(1, 9):
        assert sent(Multiply, nested(levels)) == Multiply.model_validate(nested(levels))


def test_a_large_tree_may_be_some_levels_deep() -> None:
    branch = {"op": "add", "args": [nested(3), 2.5, nested(2, 3)]}

    found = sent(Multiply, {"op": "multiply", "args": [branch] * 5000})

    assert found == Multiply.model_validate({"op": "multiply", "args": [branch] * 5000})


def test_each_value_has_attempts_of_its_own() -> None:
    for _ in range(4):
        sent(Multiply, nested(11))


def test_a_union_within_a_union_makes_one_error() -> None:
    with pytest.raises(ModelMismatch, match=r"args\.0: Input fits none of the types") as found:
        sent(Multiply, nested(8, "x"))

    assert isinstance(found.value.__cause__, pydantic.ValidationError)
    assert found.value.__cause__.error_count() <= 4


def test_where_one_type_alone_holds_itself_nothing_is_counted() -> None:
    link: Any = 1
    for _ in range(60):
        link = {"next": link}

    assert not isinstance(model_validators.validator_of(Link), LimitedValidator)
    assert sent(Link, link) == Link.model_validate(link)
    assert sent(Either, {"one": link, "other": nested(3)}).model_dump()["one"] == link
