"""The message about a value that is refused is that of `ParseDict` about the whole of it."""

from random import Random
from typing import Any, cast

import pytest
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message

from aylien_model_serving.schemas import compiled_suspects
from aylien_model_serving.schemas.compiled_suspects import Suspects
from tests.costs.messages import ITEM
from tests.schemas.proto_files import descriptor_of
from tests.schemas.proto_strategies import random_type
from tests.schemas.proto_values import Values
from tests.selection import examples


def refusal(kind: type[Message], values: object) -> str | None:
    """Return the message of `ParseDict`, or None for what it accepts."""
    try:
        ParseDict(cast("dict[str, Any]", values), kind())
    except Exception as error:
        return str(error)
    return None


def shortened_refusal(kind: type[Message], values: dict[str, Any]) -> str | None:
    suspects = Suspects(descriptor_of(kind), values)
    found = refusal(kind, suspects.values)
    return None if found is None else suspects.in_terms_of_all(found)


@pytest.mark.parametrize("seed", range(examples(90)))
def test_random_values_get_the_verdict_and_the_message_that_they_get_whole(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled_suspects, "MAX_SHORT", 0)
    random = Random(seed)
    _, kind = random_type(random)
    for _ in range(50):
        values = Values(random).message(descriptor_of(kind))
        if type(values) is dict:
            assert shortened_refusal(kind, values) == refusal(kind, values)


@pytest.mark.parametrize(
    "values",
    [
        {"items": [*[{}] * 100, {"x": 1}]},
        {"items": [{"items": [*[{"ints": [1]}] * 100, {"ints": [*[1] * 50, None]}]}, {}]},
        {"items": [*[{}] * 50, {"items": [*[{}] * 50, {"times": ["x"]}]}]},
        {"enums": [*["C1"] * 100, "C9"], "ints": ["x"]},
        {"ints": [*["1"] * 100, "1e3", "1.5"]},
        {"ints": [*["1"] * 100, "1e3"]},
        {"texts": [*["a"] * 100, "\ud83d"]},
        {"values": [*[{"a": 1}] * 100, {"a": [[float("nan")]]}]},
        {"anys": [*[{}] * 100, {"@type": "nowhere/costs.Nothing"}]},
        {"map": {"a": 1, "b": "x"}},
    ],
)
def test_a_late_mistake_is_told_where_it_is(values: dict[str, Any]) -> None:
    assert shortened_refusal(ITEM, values) == refusal(ITEM, values)


def test_items_that_are_certain_to_fit_are_left_out() -> None:
    values = {"items": [*[{}] * 100, {"texts": [*["a"] * 100, 1]}, *[{}] * 100]}

    assert Suspects(descriptor_of(ITEM), values).values == {"items": [{"texts": [1]}]}
