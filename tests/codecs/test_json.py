"""JSON bodies, compared with Python's own parser as the oracle."""

import gzip
import json
import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aylien_model_serving.codecs import json as codec
from aylien_model_serving.errors import MalformedBody

TEXTS = st.text(st.characters(codec="utf-8") | st.sampled_from('":{}[]\\,'))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner),
    max_leaves=20,
)


def refuse_constant(name: str) -> None:
    raise ValueError(name)


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("duplicate")
    return dict(pairs)


def read_by_python(body: bytes) -> Any:
    """Return what a strict reader finds; ValueError for what RFC 8259 does not know, duplicates included."""
    text = body.removeprefix(b"\xef\xbb\xbf").decode()
    return json.loads(text, parse_constant=refuse_constant, object_pairs_hook=unique)


def assert_same_verdict(body: bytes) -> None:
    try:
        expected = read_by_python(body)
    except ValueError:
        with pytest.raises(MalformedBody):
            codec.loads(body)
    else:
        assert codec.loads(body) == expected


@st.composite
def written_with_duplicates(draw: st.DrawFn, depth: int = 3) -> str:
    """A JSON text whose objects are lists of pairs, so that equal keys stand at any depth."""
    if depth == 0 or draw(st.booleans()):
        return draw(st.sampled_from(["1", "null", '"a:b"', '"\\u003a"', '"{"', '"\\"["', "[]", "{}", "1.5"]))
    inner = draw(st.lists(written_with_duplicates(depth - 1), max_size=3))
    if draw(st.booleans()):
        return f"[{', '.join(inner)}]"
    keys = st.sampled_from(['"a"', '"b"', '"a:"', '"\\u0061"', '"b\\u003A"', '"b:"', '"\\""'])
    return "{" + ",".join(f"{draw(keys)} :{item}" for item in inner) + "}"


@given(written_with_duplicates())
@example('{"a": 1, "a": 1}')
@example('[{"a": {"b": 1, "b": 2}}]')
@example('{"a": 1, "\\u0061": 2}')
@example('{"a": ":", "b": "\\u003a"}')
@example('[[":"], {"a": 1, "a": ""}]')
@example('{"a": [1, 2, {"a": ":", "a": ""}]}')
def test_a_key_that_is_given_twice_is_refused_at_any_depth(text: str) -> None:
    assert_same_verdict(text.encode())


@given(VALUES, st.booleans(), st.sampled_from([None, 1, "\t"]))
def test_what_python_writes_is_read_as_python_reads_it(value: Any, ascii_only: bool, indent: Any) -> None:
    body = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode()

    assert_same_verdict(body)


@given(VALUES, st.data())
def test_a_body_that_was_damaged_is_accepted_only_where_python_accepts_it(
    value: Any, data: st.DataObject
) -> None:
    body = bytearray(json.dumps({"text": value}).encode())
    place = data.draw(st.integers(0, len(body) - 1))
    damage = data.draw(st.sampled_from([b"", b",", b'"', b"}", b"]", b"\\", b" ", b"\x00", b"\xff", b"0"]))

    body[place : place + 1] = damage

    if b"\\" not in body and not math.isinf(sum(map(abs, numbers_of(bytes(body))))):
        assert_same_verdict(bytes(body))


def numbers_of(body: bytes) -> list[float]:
    """Return the numbers of a text that Python can read; one that is infinite is out of JSON's range."""
    found: list[float] = []

    def note(text: str) -> float:
        found.append(float(text))
        return found[-1]

    try:
        json.loads(body.decode(), parse_float=note, parse_int=note)
    except ValueError:
        return []
    return found


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "The body is empty"),
        (b" \n", "it is truncated"),
        (b'{"a": 1', "it is truncated"),
        (b'{"a": NaN}', "not valid JSON"),
        (b'{"a": -Infinity}', "not valid JSON"),
        (b'{"a": 1e400}', "out of range"),
        (b'{"a": 01}', "not valid JSON"),
        (b"{'a': 1}", "not valid JSON"),
        (b'{"a": 1,}', "trailing comma"),
        (
            gzip.compress(b'{"a": 1}', mtime=0),
            "it is compressed: say so by the header Content-Encoding: gzip",
        ),
        (b'{"a": 1} {}', "trailing characters"),
        (b'{"a": "\xff"}', "not UTF-8"),
        (b'{"a": "\xed\xa0\x80"}', "not UTF-8"),
        ('{"a": 1}'.encode("utf-16"), "not valid JSON"),
        (b'{"a": 1, "a": 1}', "The key 'a' is given twice"),
        (b'{"a": "\\ud83d"}', r"\\ud83d is a lone surrogate, half a character \(byte 7\)"),
        (b'{"a": "\\\\ \\ud83d and text behind it"}', r"\\ud83d is a lone surrogate"),
        (b'{"a": "\\ud83d\\ud83d"}', r"\\ud83d is a lone surrogate"),
        (b'{"a": "\\ude00"}', r"\\ude00 is a lone surrogate"),
        (b'{"a": "\\ud83d\\ude00', "it is truncated"),
        (b'{"a": "\\\\ud83d', "it is truncated"),
        (b"[1]", "not an array"),
        (b'"text"', "not a string"),
        (b"1", "not a number"),
        (b"1.5", "not a number"),
        (b"true", "not a boolean"),
        (b"null", "not null"),
        (b"\xef\xbb\xbf" * 5000 + b"{}", "not valid JSON"),
    ],
)
def test_a_body_that_is_no_json_object_is_refused_with_the_reason(body: bytes, message: str) -> None:
    with pytest.raises(MalformedBody, match=message):
        codec.decode(body)


def test_a_byte_order_mark_is_passed_over() -> None:
    assert codec.decode(b'\xef\xbb\xbf{"a": 1}').values == {"a": 1}


def test_integers_keep_all_their_digits() -> None:
    assert codec.decode(b'{"a": 123456789012345678901234567890}').values == {
        "a": 123456789012345678901234567890
    }


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
@pytest.mark.parametrize("depth", [1, codec.MAX_DEPTH - 1])
def test_a_body_may_be_nested_up_to_the_limit(opening: bytes, depth: int) -> None:
    closing = b"]" if opening == b"[" else b"}"

    codec.decode(b'{"a": ' + opening * depth + b"1" + closing * depth + b"}")


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'[[],{"a":'])
@pytest.mark.parametrize("depth", [codec.MAX_DEPTH, 100, 990, 100_000])
def test_a_body_that_is_nested_deeper_is_refused(opening: bytes, depth: int) -> None:
    closing = {b"[": b"]", b'{"a":': b"}", b'[[],{"a":': b"}]"}[opening]

    with pytest.raises(MalformedBody, match="nested more than 64 levels deep"):
        codec.decode(b'{"a": ' + opening * depth + b"1" + closing * depth + b"}")


@pytest.mark.parametrize("depth", range(940, 1000, 3))
def test_depth_that_hides_behind_a_duplicate_key_is_refused_too(depth: int) -> None:
    with pytest.raises(MalformedBody):
        codec.decode(b'{"a":' + b"[" * depth + b"]" * depth + b',"a":1}')
