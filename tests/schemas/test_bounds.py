"""Values that would cost more than in proportion to their length are refused."""

import datetime as dt
import json
import uuid
from collections import OrderedDict, deque
from collections.abc import Callable
from decimal import Decimal
from typing import Any, get_origin

import numpy as np
import numpy.typing as npt
import pydantic
import pytest

from aylien_model_serving import MediaFile, schemas
from aylien_model_serving.codecs.fields import Fields
from aylien_model_serving.errors import SchemaMismatch, TooManyItems
from aylien_model_serving.handlers.signatures import Signature
from tests.schemas.test_hints import given, taking


class Numbers(pydantic.BaseModel):
    inner: dict[str, set[int]]


class Keyed(pydantic.BaseModel):
    inner: "dict[int, str] | Later"


class Later(pydantic.BaseModel):
    """Is named before it is defined."""


class Tagged(pydantic.BaseModel):
    inner: frozenset[uuid.UUID] | None = None


@pytest.mark.parametrize("hint", [set[int], frozenset[int] | None, list[set[int]], set[Any] | deque[int]])
def test_integers_that_may_collide_in_a_set_are_refused(hint: Any) -> None:
    colliding = [[2**64, 1]] if "list" in repr(hint) else [2**64, 1]

    with pytest.raises(SchemaMismatch, match="x: Integers in sets and keys have at most 64 bits"):
        given(taking(hint), colliding)


@pytest.mark.parametrize("hint", [dict[int, str], list[dict[int, str]], OrderedDict[int, str], Keyed])
@pytest.mark.parametrize("key", [str(2**64), str(-(2**80)), f"+{2**64}", f"{2**64}.0", f"{10**20:_}"])
def test_integers_that_may_collide_as_keys_are_refused(hint: Any, key: str) -> None:
    value: Any = {"inner": {key: ""}} if hint is Keyed else {key: ""}

    with pytest.raises(SchemaMismatch, match="x: Integers in sets and keys have at most 64 bits"):
        given(taking(hint), [value] if "list" in repr(hint) else value)


@pytest.mark.parametrize(
    ("hint", "nest"),
    [
        (set[int], lambda texts: texts),
        (set[Any], lambda texts: texts),
        (set[int] | None, lambda texts: texts),
        (list[set[int]], lambda texts: [texts[:600], texts[600:]]),
        (dict[str, set[int]], lambda texts: {"a": texts}),
        (dict[int, list[str]], lambda texts: {"1": texts}),
        (Numbers, lambda texts: {"inner": {"a": texts}}),
    ],
    ids=["items", "anything", "optional", "nested", "values", "keys", "model"],
)
def test_few_texts_are_taken_that_may_collide_as_integers(hint: Any, nest: Callable[[Any], Any]) -> None:
    schema, texts = taking(hint), [str(number << 64) for number in range(1, 1002)]

    with pytest.raises(SchemaMismatch, match="x: At most 1,000 texts are accepted that are integers"):
        schema.arguments(Fields({"x": nest(texts)}, textual=True), {})
    assert schema.arguments(Fields({"x": nest(texts[:1000])}, textual=True), {})


@pytest.mark.parametrize("hint", [set[int], list[set[int]], dict[str, set[int]]], ids=str)
def test_few_texts_are_taken_from_the_json_of_a_form_either(hint: Any) -> None:
    texts = [str(number << 64) for number in range(1, 1002)]
    sent = json.dumps({set: texts, list: [texts], dict: {"a": texts}}[get_origin(hint)])

    with pytest.raises(SchemaMismatch, match="x: At most 1,000 texts are accepted that are integers"):
        taking(hint).arguments(Fields({"x": sent}, textual=True), {})


def test_a_models_set_takes_few_decimals_that_are_long_integers() -> None:
    decimals = [Decimal(number << 64) for number in range(1, 1002)]

    with pytest.raises(SchemaMismatch, match="x: At most 1,000 texts"):
        given(taking(Numbers), {"inner": {"a": decimals}})


def test_account_numbers_may_be_as_many_as_one_likes_beside_no_integers() -> None:
    numbers = [str(10**25 + number) for number in range(2000)]

    assert given(taking(list[str]), numbers) == numbers
    assert len(given(taking(set[str]), numbers)) == 2000


def test_keys_that_are_texts_may_be_long_numbers() -> None:
    assert given(taking(dict[str, int]), {str(2**64): 1}) == {str(2**64): 1}


@pytest.mark.parametrize(
    ("hint", "items"),
    [
        (set[uuid.UUID], [str(uuid.UUID(int=number)) for number in range(1001)]),
        (set[Decimal], [str(number) for number in range(1001)]),
        (set[tuple[int, int]], [[number, 0] for number in range(1001)]),
        (set[dt.timedelta], [f"PT{number}S" for number in range(1001)]),
        (dict[uuid.UUID, int], {str(uuid.UUID(int=number)): 0 for number in range(1001)}),
        (dict[Decimal, int], {str(number): 0 for number in range(1001)}),
        (Tagged, {"inner": [str(uuid.UUID(int=number)) for number in range(1001)]}),
    ],
    ids=str,
)
def test_of_what_else_may_collide_few_are_taken(hint: Any, items: Any) -> None:
    schema = taking(hint)

    with pytest.raises(SchemaMismatch, match="x: At most 1,000 items"):
        given(schema, items)
    if isinstance(items, list):
        assert len(given(schema, items[:1000])) == 1000


def test_integers_of_64_bits_may_be_in_a_set_and_longer_ones_in_a_list() -> None:
    assert given(taking(set[int]), [2**64 - 1, -(2**63)]) == {2**64 - 1, -(2**63)}
    assert given(taking(list[int]), [2**64]) == [2**64]


def test_a_models_sets_hold_no_long_integers_either() -> None:
    def handler(inner: Any) -> None: ...

    schema = schemas.choose((Numbers, None), handler, Signature.of(handler))

    assert schema.arguments(Fields({"inner": {"a": [1]}}), {}) == {"inner": {"a": {1}}}
    with pytest.raises(SchemaMismatch, match="inner: Integers in sets"):
        schema.arguments(Fields({"inner": {"a": [2**64]}}), {})


def test_a_model_that_is_a_type_hint_is_bounded_like_a_schema() -> None:
    schema = taking(Numbers)
    schema.limit_items(10)

    with pytest.raises(SchemaMismatch, match="x: Integers in sets"):
        given(schema, {"inner": {"a": [2**64]}})
    with pytest.raises(TooManyItems, match="more than 10 values, numbers included"):
        schema.decoders[""](b'{"x": {"inner": {"a": [1, 2, 3, 4, 5, 6, 7, 8, 9]}}}', "")


def test_a_model_that_json_schema_cant_describe_is_served_all_the_same() -> None:
    class Described(pydantic.BaseModel, arbitrary_types_allowed=True):
        text: str
        array: np.ndarray[Any, Any] | None = None

    def handler(text: str, array: Any) -> None: ...

    schema = schemas.choose((Described, None), handler, Signature.of(handler))

    assert schema.arguments(Fields({"text": "a"}), {})["text"] == "a"


@pytest.mark.parametrize("hint", [npt.NDArray[np.str_], npt.NDArray[np.bytes_]])
def test_texts_of_very_different_lengths_are_no_array(hint: Any) -> None:
    uneven = ["a" * 50_000, *[""] * 1000]

    with pytest.raises(SchemaMismatch, match="x: The texts differ too much in length"):
        given(taking(hint), uneven)
    with pytest.raises(SchemaMismatch, match="x: The texts differ too much in length"):
        given(taking(hint), [uneven, uneven])


def test_texts_of_any_length_are_an_array_where_that_is_small() -> None:
    assert given(taking(npt.NDArray[np.str_]), ["a" * 5000, *["b"] * 100]).shape == (101,)
    assert given(taking(npt.NDArray[np.str_]), ["label"] * 100_000).nbytes == 4 * 5 * 100_000


def test_a_list_holds_no_more_files_than_a_form() -> None:
    assert len(given(taking(list[MediaFile]), ["AAAA"] * 1000)) == 1000
    with pytest.raises(TooManyItems, match="more than 1,000 files"):
        given(taking(list[MediaFile]), ["AAAA"] * 1001)


def test_the_field_of_a_file_shows_the_beginning_of_a_long_key() -> None:
    found = given(taking(dict[str, list[MediaFile]]), {"k" * 10_000: ["AAAA"]})

    (files,) = found.values()
    assert files[0]._field == f"x[{'k' * 80}][0]"


def test_the_first_errors_of_a_model_are_told_and_no_more() -> None:
    def handler(inner: Any) -> None: ...

    schema = schemas.choose((Numbers, None), handler, Signature.of(handler))

    with pytest.raises(SchemaMismatch) as refused:
        schema.arguments(Fields({"inner": {"a": ["x"] * 10_000}}), {})
    assert str(refused.value).count("; ") == 4
    assert str(refused.value).startswith("inner.a.0: Input should be a valid integer")
