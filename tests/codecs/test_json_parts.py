"""A large result, written part by part: the same bytes as at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given

from aylien_model_serving import codecs
from aylien_model_serving.codecs import json as codec
from aylien_model_serving.codecs import json_parts
from aylien_model_serving.errors import InvalidAnswer
from tests.codecs.test_json import VALUES

LARGE: dict[str, Any] = {
    "numbers": {"rows": [1.5] * 300_000},
    "arrays": {"rows": [[1.5, 2.5]] * 100_000},
    "objects": [{"a": 1, "é": '"'}] * 50_000,
    "fields": {f"{number:06}": number for number in range(100_000)},
    "numbers as keys": {"a": dict.fromkeys(range(50_000), 0)},
    "first short, then long": [*[1] * 10_000, *["a" * 20_000] * 100],
    "deep": [[[[[[[0] * 100_000]]]]]],
    "numpy": {"array": np.zeros(100_000), "rows": [np.zeros(3)] * 1000},
}


@given(VALUES)
def test_parts_are_the_bytes_of_the_whole(value: Any) -> None:
    assert codec.encode_in_parts(value) == codec.encode(value)


@pytest.mark.parametrize("name", LARGE)
def test_parts_of_large_values_are_the_bytes_of_the_whole(name: str) -> None:
    assert codec.encode_in_parts(LARGE[name]) == codec.encode(LARGE[name])


@pytest.mark.parametrize("name", ["numbers", "arrays", "objects", "fields"])
def test_no_part_is_long(name: str) -> None:
    assert max(map(len, json_parts.parts(LARGE[name], codec.encode))) < 2 * json_parts.SIZE


def test_what_json_cant_express_is_refused_in_any_part() -> None:
    with pytest.raises(InvalidAnswer):
        codec.encode_in_parts({"rows": [*[1] * 10_000, object()]})


def test_only_json_is_written_in_parts() -> None:
    other = codecs.Encoder("text/plain", lambda _: b"")

    assert codecs.JSON.in_parts().encode is codec.encode_in_parts
    assert other.in_parts() is other


def test_an_object_may_grow_while_it_is_written() -> None:
    shared = {str(number): number for number in range(50_000)}
    written = json_parts.parts(shared, codec.encode)

    begun = [next(written) for _ in range(6)]
    shared["later"] = 0

    assert b"".join((*begun, *written)).count(b":") == 50_000
