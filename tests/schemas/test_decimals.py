"""Decimals have the digits of the JSON numbers that were sent; all other numbers are floats."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import Any

import pydantic
import pytest

from aylien_model_serving import FlaskAppWrapper, schemas
from aylien_model_serving.codecs import decode
from aylien_model_serving.codecs.json_pieces import SIZE
from aylien_model_serving.core.messages import Call
from aylien_model_serving.errors import MalformedBody, TooManyItems
from aylien_model_serving.handlers.signatures import Signature


@dataclasses.dataclass
class Item:
    price: Decimal
    weight: float = 0.0


class Order(pydantic.BaseModel):
    price: Decimal
    weight: float = 0.0
    note: Any = None


def received(hint: Any, body: str, schema: Any = None, **keys: Any) -> Any:
    """Return the arguments that a handler of parameters `x` and `y` gets, of which x has the hint."""

    def handler(x=None, y=None): ...  # type: ignore[no-untyped-def]  # the hint is set below

    handler.__annotations__ = {"x": hint}
    chosen = schemas.choose(schema, handler, Signature.of(handler), **keys)
    call = Call("POST", "/", "", {"content-type": "application/json"}, body.encode(), {}, "id")
    return chosen.arguments(decode(call, chosen.decoders), {})


@pytest.mark.parametrize("text", ["0.1", "1.10", "-0.1234567890123456789", "1e2", "1E-30", "3", "0.30"])
@pytest.mark.parametrize("template", ["%s", '"%s"'])
def test_a_decimal_has_every_digit(text: str, template: str) -> None:
    found = received(Decimal, f'{{"x": {template % text}}}')["x"]

    assert (type(found), str(found)) == (Decimal, str(Decimal(text)))


@pytest.mark.parametrize(
    ("hint", "sent", "expected"),
    [
        (list[Decimal], "[1.10, 2]", [Decimal("1.10"), Decimal(2)]),
        (dict[str, Decimal] | None, '{"a": 1.10}', {"a": Decimal("1.10")}),
        (list[Item], '[{"price": 1.10, "weight": 2.50}]', [Item(Decimal("1.10"), 2.5)]),
        (list[Order], '[{"price": 1.10, "weight": 2.50}]', [Order(price=Decimal("1.10"), weight=2.5)]),
    ],
    ids=str,
)
def test_decimals_within_a_value_have_every_digit(hint: Any, sent: str, expected: Any) -> None:
    found = received(hint, f'{{"x": {sent}}}')["x"]

    assert repr(found) == repr(expected)


def test_numbers_of_other_fields_are_floats() -> None:
    found = received(Decimal, '{"x": 1.10, "y": {"a": [1.10, {"b": 2.5}]}}')

    assert repr(found["y"]) == "{'a': [1.1, {'b': 2.5}]}"


def test_a_model_has_decimals_where_it_names_them() -> None:
    found = received(None, '{"x": 1.10, "y": 1.10}', (pydantic.create_model("M", x=Decimal, y=Any), None))

    assert repr(found) == "{'x': Decimal('1.10'), 'y': 1.1}"


def test_a_whole_body_has_decimals_where_its_class_names_them() -> None:
    def total(order: Order) -> str:
        return f"{order.price!r} {order.weight!r} {order.note!r}"

    client = FlaskAppWrapper.create_app([{"endpoint": "/", "callable": total}]).test_client()

    body = '{"price": 1.10, "weight": 2.50, "note": [0.5]}'
    assert client.post("/", data=body).json == "Decimal('1.10') 2.5 [0.5]"


@pytest.mark.parametrize("number", ["1e400", "-1e999999999", "NaN", "Infinity", "1.", "01.5"])
def test_what_is_no_number_elsewhere_is_no_decimal(number: str) -> None:
    with pytest.raises(MalformedBody):
        received(Decimal, f'{{"x": {number}}}')


def test_a_long_body_has_decimals_and_no_duplicate_keys() -> None:
    many = ",".join(["1.10"] * (SIZE // 2))

    assert set(map(str, received(list[Decimal], f'{{"x": [{many}]}}')["x"])) == {"1.10"}
    with pytest.raises(MalformedBody, match="twice"):
        received(list[Decimal], f'{{"x": [{many}], "x": [1.5]}}')


def test_decimals_are_counted_as_items() -> None:
    with pytest.raises(TooManyItems, match="numbers included"):
        received(list[Decimal], f'{{"x": [{",".join(["1.5"] * 100)}]}}', max_items=50)
