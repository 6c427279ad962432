"""Numbers and times of Python's in messages: what is not finite, durations, points in time."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

import numpy as np
import pytest

from aylien_model_serving import schemas
from aylien_model_serving.codecs import JSON, json, protobuf
from aylien_model_serving.errors import InvalidAnswer
from aylien_model_serving.handlers.signatures import Signature
from aylien_model_serving.schemas import Schema
from tests.schemas.proto_files import message_class

MESSAGE = message_class(
    """
    message Inner
    double d
    message M
    double d
    float f
    repeated double ds
    map<string,double> m
    DoubleValue w
    Inner inner
    repeated Inner inners
    string s
    Duration length
    Timestamp at
    repeated Duration lengths
    """.replace("\n    ", "\n").strip(),
    "M",
)


def schema() -> Schema:
    def handler(s: str = "") -> None: ...

    return schemas.choose((None, MESSAGE), handler, Signature.of(handler))


def answered(result: Any) -> tuple[Any, Any]:
    """Return the message and the JSON that a result becomes."""
    checked = schema().check_result(result)
    return MESSAGE.FromString(protobuf.encoder(MESSAGE).encode(checked)), json.decoded(JSON.encode(checked))


NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("result", "in_json"),
    [
        ({"d": NAN}, {"d": None}),
        ({"d": -INF, "f": INF}, {"d": None, "f": None}),
        ({"f": np.float32("nan")}, {"f": None}),
        ({"ds": [NAN, 1.0]}, {"ds": [None, 1.0]}),
        ({"ds": [NAN, *[1.0] * 200]}, {"ds": [None, *[1.0] * 200]}),
        ({"ds": np.array([1.0, INF])}, {"ds": [1.0, None]}),
        ({"m": {"a": NAN}}, {"m": {"a": None}}),
        ({"w": NAN}, {"w": None}),
        ({"inner": {"d": NAN}, "inners": [{"d": INF}]}, {"inner": {"d": None}, "inners": [{"d": None}]}),
        ({"d": NAN, "s": "null"}, {"d": None, "s": "null"}),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_what_is_not_finite_is_a_number_in_a_message_and_null_in_json(result: Any, in_json: Any) -> None:
    message, written = answered(result)

    assert written == in_json
    found = protobuf.decoder(MESSAGE)(message.SerializeToString(), "").values
    assert repr(found) == repr(json_values(result))


def json_values(result: Any) -> Any:
    """Return a result with lists for arrays and Python's numbers for numpy's."""
    if isinstance(result, dict):
        return {name: json_values(item) for name, item in result.items()}
    return result.tolist() if hasattr(result, "tolist") else result


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (dt.timedelta(seconds=90), "90s"),
        (dt.timedelta(seconds=-1.5), "-1.500000s"),
        (dt.timedelta(microseconds=1), "0.000001s"),
        (dt.timedelta(days=3), "259200s"),
        (np.timedelta64(90, "s"), "90s"),
        ("90s", "90s"),
    ],
    ids=str,
)
def test_a_duration_is_answered_for_a_field_of_durations(length: Any, text: str) -> None:
    message, written = answered({"length": length, "lengths": [length]})

    assert written == {"length": text, "lengths": [text]}
    expected = length if isinstance(length, dt.timedelta) else dt.timedelta(seconds=90)
    assert message.length.ToTimedelta() == message.lengths[0].ToTimedelta() == expected


@pytest.mark.parametrize(
    "at",
    [
        dt.datetime(2020, 1, 2, 3, 4, 5),
        dt.datetime(2020, 1, 2, 3, 4, 5, tzinfo=dt.timezone.utc),
        dt.datetime(2020, 1, 2, 5, 4, 5, tzinfo=dt.timezone(dt.timedelta(hours=2))),
        np.datetime64("2020-01-02T03:04:05"),
    ],
    ids=str,
)
def test_a_datetime_is_answered_for_a_field_of_timestamps(at: Any) -> None:
    message, written = answered({"at": at})

    assert message.at.ToJsonString() == "2020-01-02T03:04:05Z"
    assert dt.datetime.fromisoformat(written["at"].replace("Z", "+00:00")) == dt.datetime(
        2020, 1, 2, 3, 4, 5, tzinfo=dt.timezone.utc
    )


@pytest.mark.parametrize(
    "result",
    [
        {"length": "soon"},
        {"length": dt.datetime(2020, 1, 1)},
        {"at": dt.timedelta(1)},
        {"d": "a"},
    ],
    ids=repr,
)
def test_what_does_not_fit_is_refused_with_protobufs_own_words(result: Any) -> None:
    with pytest.raises(InvalidAnswer, match=r"The answer does not fit its schema: .*Failed to parse"):
        answered(result)
