"""Numbers that msgspec reads slowly are read as quickly as others, and are the same numbers."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest

from aylien_model_serving.codecs.json import decode
from aylien_model_serving.errors import MalformedBody

SLOW = ("1e308", "-3E+300", "5e-324", "1e-320", "2.2250738585072014e-308", "12345678901234567890e-320")


def body_of(number: str, size: int = 100_000) -> bytes:
    return b'{"values": [' + b", ".join([number.encode()] * (size // (len(number) + 2))) + b"]}"


def cpu_seconds(function: Callable[[], object]) -> float:
    found = []
    for _ in range(5):
        began = time.process_time()
        function()
        found.append(time.process_time() - began)
    return min(found)


@pytest.mark.parametrize("number", SLOW)
def test_numbers_near_the_limits_of_doubles_take_no_longer_than_python_takes_for_them(number: str) -> None:
    body = body_of(number)

    ours, pythons = cpu_seconds(lambda: decode(body)), cpu_seconds(lambda: json.loads(body))

    assert ours < 8 * pythons  # without the other decoder it is up to 50 times as long
    assert decode(body).values == json.loads(body)


@pytest.mark.parametrize("number", ["1e309", "-1e400", "1E+999"])
def test_numbers_beyond_the_limits_of_doubles_are_refused_in_large_bodies_too(number: str) -> None:
    for size in (100, 100_000):
        with pytest.raises(MalformedBody, match="out of range"):
            decode(body_of(number, size))


@pytest.mark.parametrize("text", ['"e300"', '"1e-300"', "1.5", "7", '"2E+308, 3"'])
def test_a_text_that_only_looks_like_it_is_read_alike(text: str) -> None:
    body = body_of(text)

    assert decode(body).values == json.loads(body)
