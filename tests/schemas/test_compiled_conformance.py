"""The cases of protobuf's conformance suite: the predicate compared with `ParseDict`."""

from __future__ import annotations

import json

import pytest

from tests.schemas.conformance_cases import ACCEPTED, ALL_TYPES, LEFT_TO_PARSE_DICT, REFUSED
from tests.schemas.fuzz_compiled import Trial
from tests.schemas.proto_files import message_class


@pytest.fixture(scope="module")
def trial() -> Trial:
    """Return the type of all fields beside `ParseDict`."""
    return Trial(ALL_TYPES, message_class(ALL_TYPES, "All"))


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in ACCEPTED.items()])
def test_the_predicate_accepts_what_parse_dict_accepts(trial: Trial, text: str) -> None:
    verdicts = trial.judge(json.loads(text))

    assert verdicts["accepted"] == 1


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in LEFT_TO_PARSE_DICT.items()])
def test_the_predicate_leaves_oddities_that_are_accepted_to_parse_dict(trial: Trial, text: str) -> None:
    verdicts = trial.judge(json.loads(text))

    assert verdicts["left to ParseDict"] == 1


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in REFUSED.items()])
def test_the_predicate_accepts_nothing_that_parse_dict_refuses(trial: Trial, text: str) -> None:
    verdicts = trial.judge(json.loads(text))

    assert verdicts["refused"] == 1


def test_a_closed_enum_refuses_numbers_that_it_does_not_know() -> None:
    text = "syntax proto2\nenum Color RED=1 BLUE=5\nmessage M\n  optional Color a\n  repeated Color b"
    trial = Trial(text, message_class(text, "M"))

    accepted = [
        trial.judge(value)["accepted"] for value in ({"a": 1}, {"a": 5}, {"b": [1, 5]}, {"b": ["RED"]})
    ]
    refused = [
        trial.judge(value)["refused"] for value in ({"a": 2}, {"b": [1, 2]}, {"b": ["RED", 0]}, {"a": "a"})
    ]

    assert accepted == refused == [1, 1, 1, 1]
