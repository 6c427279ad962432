"""Rates in words: what is read, and what is refused in which words."""

from __future__ import annotations

import pytest

from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.limiting.rates import Rate, parse, parse_setting


@pytest.mark.parametrize(
    ("text", "rates"),
    [
        ("100/minute", [Rate(100, 60, "minute")]),
        ("1 per second", [Rate(1, 1, "second")]),
        ("10 per 5 Minutes", [Rate(10, 300, "5-minute")]),
        ("1000/day;5/second", [Rate(5, 1, "second"), Rate(1000, 86400, "day")]),
    ],
)
def test_a_rate_is_read_in_the_notation_of_limits(text: str, rates: list[Rate]) -> None:
    assert list(parse(text)) == rates


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("100", "a rate like '100/minute'"),
        ("", "a rate like '100/minute'"),
        (100, "a rate like '100/minute'"),
        ("5/fortnight", "a rate like '100/minute'"),
        ("-1/minute", "a rate like '100/minute'"),
        ("0/minute", "1 to 2,147,483,648 calls are expected; these are 0"),
        ("9999999999/minute", "these are 9,999,999,999"),
        ("1/9 years", "a window of a second to a year"),
        ("1/minute;2/60 seconds", "two of the rates are of the same window"),
        ("1/second;1/minute;1/hour;1/day;1/month", "at most 4 rates"),
    ],
)
def test_what_is_no_rate_is_refused_with_what_is_expected(text: object, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message.replace("(", r"\(")):
        parse(text)


def test_a_rate_says_in_words_what_it_is() -> None:
    assert [str(parse(text)[0]) for text in ("1/minute", "2000/5 minutes")] == [
        "1 call per minute",
        "2,000 calls per 5 minutes",
    ]


def test_an_operator_sets_rates_for_all_routes_and_for_one() -> None:
    found = parse_setting(["100/minute", "slow = 5/minute", "free=off"], ["slow", "free", "other"])

    assert found == {"": parse("100/minute"), "slow": parse("5/minute"), "free": ()}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["solw=5/minute"], "no route is named 'solw'; there are free, slow"),
        (["5/second", "100/hour"], "two rates are set for all routes: join them by ';'"),
        (["slow=5"], "a rate like '100/minute'"),
    ],
)
def test_an_operators_mistake_is_refused(words: list[str], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        parse_setting(words, ["slow", "free"])
