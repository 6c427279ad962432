"""Lists are checked as a whole, without a Python call for each item, and one bad item is still found."""

from __future__ import annotations

import sys

import pytest

from aylien_model_serving.schemas.compiled import compile_accepts
from tests.schemas.fuzz_compiled import Trial
from tests.schemas.proto_files import message_class

LISTS = """
message M
  repeated double doubles
  repeated float floats
  repeated int64 integers
  repeated bool bools
  repeated string texts
  repeated Color names
  ListValue values
  Struct struct
enum Color RED=0
"""


@pytest.fixture(scope="module")
def trial() -> Trial:
    return Trial(LISTS, message_class(LISTS, "M"))


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("doubles", [0.5] * 100_000),
        ("doubles", [0.5, 1] * 50_000),
        ("doubles", [1e308] * 100_000),
        ("floats", [0.5] * 100_000),
        ("integers", [2**62] * 100_000),
        ("bools", [True, False] * 50_000),
        ("texts", ["ascii"] * 100_000),
        ("names", ["RED"] * 100_000),
        ("values", [0.5] * 100_000),
        ("struct", {"a": ["b"] * 100_000}),
    ],
    ids=lambda part: part if isinstance(part, str) else "",
)
def test_long_lists_are_checked_without_a_python_call_for_each_item(name: str, values: object) -> None:
    accepts = compile_accepts(message_class(LISTS, "M").DESCRIPTOR)
    accepts({name: values})
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    try:
        accepted = accepts({name: values})
    finally:
        sys.setprofile(None)

    assert accepted
    assert calls < 20


@pytest.mark.parametrize(
    "value",
    [
        {"doubles": [0.5, float("nan"), 1.0]},
        {"doubles": [float("inf"), float("-inf")]},
        {"doubles": [1, 0.5, float("nan")]},
        {"doubles": [10**400, 0.5]},
        {"doubles": [float("nan"), 10**400]},
        {"floats": [0.5, float("nan")]},
        {"floats": [1, float("inf")]},
        {"floats": [0.5, 1e39]},
        {"integers": [1, 2**63]},
        {"integers": [-(2**63) - 1, 0]},
        {"integers": [1, 2.5]},
        {"integers": [1, True]},
        {"bools": [True, 1]},
    ],
    ids=ascii,
)
def test_one_bad_item_spoils_a_list(trial: Trial, value: object) -> None:
    assert trial.judge(value)["refused"] == 1


def test_sums_that_overflow_do_not_spoil_a_list(trial: Trial) -> None:
    assert trial.judge({"doubles": [1.7e308, 1.7e308, -1.0]})["accepted"] == 1
    assert trial.judge({"floats": [3.4e38] * 10})["accepted"] == 1
