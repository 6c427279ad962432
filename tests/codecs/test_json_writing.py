"""JSON responses: what models return, as a client receives it."""

import dataclasses
import datetime as dt
import decimal
import enum
import json
import uuid
from typing import Any

import numpy as np
import pydantic
import pytest
from hypothesis import given

from aylien_model_serving.codecs import json as codec
from aylien_model_serving.codecs import json_keys
from aylien_model_serving.errors import InvalidAnswer
from examples import example_schema_pb2
from tests.codecs.test_json import VALUES


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


@dataclasses.dataclass
class Box:
    label: str
    corners: Any


class Person(pydantic.BaseModel):
    name: str
    born: dt.date


class Picture(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(alias_generator=str.title, populate_by_name=True)
    pixels: Any
    raw: bytes


@pytest.mark.parametrize(
    ("value", "received"),
    [
        (np.float32(1.5), 1.5),
        (np.float64(2.5), 2.5),
        (np.float16(0.5), 0.5),
        (np.int64(-3), -3),
        (np.uint8(3), 3),
        (np.bool_(True), True),
        (np.longdouble(1.5), 1.5),
        (np.array([1.5, np.nan], np.longdouble), [1.5, None]),
        (np.str_("a"), "a"),
        (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
        (np.array(7), 7),
        (np.zeros(0), []),
        (np.array([1.0, np.nan, np.inf, -np.inf]), [1.0, None, None, None]),
        (np.array([None, {"a": np.int8(1)}], dtype=object), [None, {"a": 1}]),
        (np.datetime64("2020-01-02"), "2020-01-02"),
        (np.array(["2020-01-02T03:04:05"], dtype="M8[ns]"), ["2020-01-02T03:04:05"]),
        (np.timedelta64(90, "s"), "PT90S"),
        (np.timedelta64(90_000_000_000, "ns"), "PT90S"),
        (float("nan"), None),
        (np.float64("nan"), None),
        (float("-inf"), None),
        (dt.datetime(2020, 1, 2, 3, 4, 5, tzinfo=dt.timezone.utc), "2020-01-02T03:04:05Z"),
        (dt.date(2020, 1, 2), "2020-01-02"),
        (dt.timedelta(seconds=90), "PT90S"),
        (uuid.UUID(int=5), "00000000-0000-0000-0000-000000000005"),
        (decimal.Decimal("1.10"), "1.10"),
        (Colour.RED, "red"),
        (Level.HIGH, 3),
        (Box("a", np.ones((1, 2))), {"label": "a", "corners": [[1.0, 1.0]]}),
        (Person(name="Ada", born=dt.date(1815, 12, 10)), {"name": "Ada", "born": "1815-12-10"}),
        (Picture(pixels=np.eye(2), raw=b"\xff"), {"Pixels": [[1.0, 0.0], [0.0, 1.0]], "Raw": "/w=="}),
        (Picture(pixels=np.float32(1.5), raw=b"abc"), {"Pixels": 1.5, "Raw": "YWJj"}),
        (example_schema_pb2.Value(body="text"), {"body": "text"}),
        (b"abc", "YWJj"),
        ((1, 2), [1, 2]),
        (range(3), [0, 1, 2]),
        ({4}, [4]),
        (frozenset({4}), [4]),
        (2**70, 2**70),
        ("ünï\n\u2028", "ünï\n\u2028"),
    ],
    ids=repr,
)
def test_what_models_return_is_encoded(value: Any, received: Any) -> None:
    assert json.loads(codec.encode(value)) == received
    assert json.loads(codec.encode({"inside": [value]})) == {"inside": [received]}


def test_a_protobuf_message_shows_the_defaults_of_its_fields_and_leaves_out_what_is_absent() -> None:
    answer = example_schema_pb2.Response(language="en")

    assert json.loads(codec.encode(answer)) == {"version": "", "language": "en", "confidence": 0.0}


@pytest.mark.parametrize(
    ("key", "received"),
    [
        (1, "1"),
        (None, "null"),
        (True, "true"),
        (np.int64(3), "3"),
        (np.bool_(False), "false"),
        (Colour.RED, "red"),
        (uuid.UUID(int=0), "00000000-0000-0000-0000-000000000000"),
    ],
    ids=repr,
)
def test_the_keys_of_an_answer_are_written_as_text(key: Any, received: str) -> None:
    assert json.loads(codec.encode({key: 1})) == {received: 1}


CIRCLE: list[Any] = []
CIRCLE.append(CIRCLE)


@pytest.mark.parametrize(
    "value",
    [
        object(),
        iter(()),
        1j,
        np.array([1j]),
        {(1, 2): 3},
        "\ud800",
        CIRCLE,
        ValueError("no"),
        Person,
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_answer_that_json_cant_express_is_refused(value: Any) -> None:
    with pytest.raises(InvalidAnswer, match="can't be written as JSON"):
        codec.encode({"answer": value})


@pytest.mark.parametrize(
    ("value", "cause"),
    [
        ({(1, 2): 3}, "a key of a dict is a tuple, but has to be a text"),
        ({frozenset(): 3}, "a key of a dict is a frozenset"),
        (iter([1]), "it holds a list_iterator: return a list, or yield the items"),
        (object(), "it holds a object"),
    ],
    ids=["a tuple as a key", "a frozenset as a key", "an iterator", "an object"],
)
def test_the_log_says_what_json_cant_express(value: Any, cause: str) -> None:
    with pytest.raises(InvalidAnswer, match=cause):
        codec.encode({"answer": [value]})


@given(VALUES)
def test_an_answer_is_received_as_it_was_given(value: Any) -> None:
    assert json.loads(codec.encode(value)) == value
    assert codec.as_received(value) == value


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": b"abc"}, {"a": "YWJj"}),
        ({"a": float("nan")}, {"a": None}),
        ({"a": float("inf")}, {"a": float("-inf")}),
        ({"a": 1}, {"a": 1.0}),
        ({"a": 1}, {"a": True}),
        ({"a": 1}, {"a": "1"}),
        ({"a": 2**70}, {"a": 2**70 + 1}),
        ({"a": {"b": 1}}, {"a": {"b": 1, "c": None}}),
        ({"a": [1, 2]}, {"a": [2, 1]}),
        (["a", "bc"], ["ab", "c"]),
        ({1: 2.5}, {"1": 2.5}),
        ({1: 2, 2: 3}, {1: 3, 2: 2}),
        ({(1, 2): 0}, {(1, 3): 0}),
        ([2**70, b"abc", float("nan")], [2**70, "YWJj", None]),
    ],
)
def test_values_that_differ_have_different_keys(one: Any, other: Any) -> None:
    assert json_keys.encode_canonical(one) != json_keys.encode_canonical(other)


@pytest.mark.parametrize("size", [1, 2**70, {1: 2, "3": 4}])
def test_the_order_of_names_makes_no_other_key(size: Any) -> None:
    one = {"a": 1, "b": {"c": size, "d": [1]}}
    other = {"b": {"d": [1], "c": dict(reversed(size.items())) if isinstance(size, dict) else size}, "a": 1}

    assert json_keys.encode_canonical(one) == json_keys.encode_canonical(other)
