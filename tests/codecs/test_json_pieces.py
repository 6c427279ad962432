"""Long JSON, decoded in pieces: the same value, or the same refusal, as of the whole."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aylien_model_serving.codecs import json as codec
from aylien_model_serving.codecs.json_pieces import SIZE, Whole, pieces
from aylien_model_serving.errors import MalformedBody, TooManyItems
from tests.codecs.test_json import VALUES

SMALL = st.integers(1, 60)

#: What is put into a text to break it.
MARKS = st.sampled_from(
    [b'"', b"[", b"]", b"{", b"}", b",", b":", b"\\", b"1", b" ", b'"a":1,', b"\xff", b"\\u003a"]
)


def read_whole(body: bytes) -> Any:
    return codec._loads(body, body)


def read_in_pieces(body: bytes, size: int) -> Any:
    whole = Whole()
    for piece in pieces(body, size):
        whole.add(piece, codec._loads(piece.text, body, piece.shift))
    return whole.value


def verdict(read: Any, *arguments: Any) -> str:
    """Return what a reader makes of a text; the order of keys counts."""
    try:
        return json.dumps(read(*arguments))
    except MalformedBody:
        return "refused"


@given(VALUES, SMALL, st.sampled_from([None, 1]), st.booleans())
def test_pieces_make_the_value_of_the_whole(value: Any, size: int, indent: int | None, plain: bool) -> None:
    body = json.dumps(value, indent=indent, ensure_ascii=plain).encode()

    assert verdict(read_in_pieces, body, size) == json.dumps(value)


@given(VALUES, SMALL, st.floats(0, 1), st.floats(0, 1), MARKS)
def test_what_is_no_json_is_refused_as_before(
    value: Any, size: int, begin: float, end: float, mark: bytes
) -> None:
    body = json.dumps(value).encode()
    first, last = sorted((int(begin * len(body)), int(end * len(body))))
    for broken in (body[:first] + mark + body[first:], body[:first] + body[last:], body[first:last] + body):
        assert verdict(read_in_pieces, broken, size) == verdict(read_whole, broken)


@pytest.mark.parametrize(
    "body",
    [
        b"[,1,2,3]",
        b"[1,2,3,]",
        b"[1,,2,3]",
        b'{,"a":1,"b":2}',
        b'{"a":1,"b":2,}',
        b'{"a":,"b":2}',
        b"[1,2],[3,4]",
    ],
)
@pytest.mark.parametrize("size", [1, 3])
def test_a_comma_where_no_value_may_end_or_begin_is_refused(body: bytes, size: int) -> None:
    with pytest.raises(MalformedBody):
        read_in_pieces(body, size)


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": [1, 2], "b": 3, "a": [4, 5]}',
        b'{"a": {"b": 1, "c": [0, 0], "b": 2}, "d": 1}',
        b'{"a": 1, "b": "\\u003a, \\u003a", "a": 2}',
    ],
)
@pytest.mark.parametrize("size", [1, 8, 30])
def test_a_key_that_is_given_twice_is_found_in_whichever_piece(body: bytes, size: int) -> None:
    with pytest.raises(MalformedBody, match="is given twice"):
        read_in_pieces(body, size)


@pytest.mark.parametrize("depth", [64, 65])
def test_the_depth_is_that_of_the_whole(depth: int) -> None:
    body = b"[0, " * depth + b"0, 0" + b"]" * depth

    assert (verdict(read_in_pieces, body, 10) == "refused") is (depth > 64)


def test_a_place_is_that_in_the_whole() -> None:
    body = b"[" + b"[1.5,2.5]," * 100_000 + b"oops]"

    with pytest.raises(MalformedBody, match=rf"invalid character \(byte {body.index(b'oops')}\)"):
        codec.loads(body)


def test_what_is_wrong_within_a_piece_names_no_place_of_the_piece() -> None:
    body = b'{"a": [' + b"1," * SIZE + b"1e999]}"

    with pytest.raises(MalformedBody, match=r"Number out of range$"):
        codec.loads(body)


LONG_TEXTS = {
    "numbers": b"[" + b"1," * 999_999 + b"1]",
    "arrays": b"[" + b"[1.5,2.5]," * 99_999 + b"[]]",
    "deep arrays": b"[" + (b"[" * 60 + b"]" * 60 + b",") * 9_999 + b"0]",
    "keys": b"{" + b",".join(b'"%06x":0' % number for number in range(100_000)) + b"}",
    "texts that look like arrays": b"[" + b'"[[[,]",' * 99_999 + b"0]",
    "texts of escapes": b"[" + b'"' + b'\\\\\\"' * 99 + b'",' + b'"\\"",' * 99_999 + b"0]",
}


@pytest.mark.parametrize("name", LONG_TEXTS)
def test_no_piece_is_long(name: str) -> None:
    found = list(pieces(LONG_TEXTS[name]))

    assert len(found) > 2
    assert max(len(piece.text) for piece in found) < 2 * SIZE


class Sliced(bytes):
    """A text that counts the bytes which are copied from it."""

    copied = 0

    def __getitem__(self, key: Any) -> Any:
        found = super().__getitem__(key)
        self.copied += len(found) if type(key) is slice else 1
        return found


@pytest.mark.parametrize(
    "unit",
    [b'{"":', b'["",', b'"" ', b'"', b"\\", b'\\"', b", ", b"[", b'{"a":"b"},', b'"' + b"a" * 100 + b'",'],
)
def test_a_text_is_copied_a_few_times_whatever_it_holds(unit: bytes) -> None:
    for head in (b"[", b'["'):
        body = Sliced(head + unit * (400_000 // len(unit)))

        list(pieces(body))

        assert body.copied < 40 * len(body)


def test_a_long_text_is_in_one_piece() -> None:
    body = b'{"a": 1, "b": "' + b'\\",' * SIZE + b'", "c": [1, 2]}'

    assert read_in_pieces(body, 1000) == json.loads(body)


def test_a_body_has_a_number_of_fields() -> None:
    body = b"{" + b",".join(b'"%d":0' % number for number in range(codec.MAX_FIELDS)) + b"}"

    assert len(codec.decode(body).values) == codec.MAX_FIELDS
    with pytest.raises(TooManyItems, match="more than 100,000 fields"):
        codec.decode(body.replace(b"{", b'{"one more":0,'))
