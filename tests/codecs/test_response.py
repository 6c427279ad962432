"""The response that a handler makes itself, and the names of files in headers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.http import parse_options_header

from aylien_model_serving.codecs import content_disposition
from aylien_model_serving.codecs.response import Response
from aylien_model_serving.process import large_work


@pytest.mark.parametrize("status", [0, 100, 199, 600, "200", True, None, 200.0])
def test_a_status_that_no_response_can_have_is_refused(status: Any) -> None:
    with pytest.raises(ValueError, match="number from 200 to 599"):
        Response({}, status=status)


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({"X Own": "1"}, "a name and a value"),
        ({"": "1"}, "a name and a value"),
        ({"X-Own": 1}, "a name and a value"),
        ({"X-Own": "a\r\nSet-Cookie: b=1"}, "letters that no header can have"),
        ({"X-Own": "\u0141"}, "letters that no header can have"),
        ({"Content-Length": "1"}, "written by the server"),
        ([("Transfer-Encoding", "chunked")], "written by the server"),
    ],
)
def test_a_header_that_cant_be_sent_is_refused(headers: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Response({}, headers=headers)


def test_a_result_and_a_body_are_one_too_many() -> None:
    with pytest.raises(TypeError, match="leave one of them out"):
        Response({}, body=b"")
    with pytest.raises(TypeError, match="give it as json"):
        Response(body={"a": 1})  # type: ignore[arg-type]  # a mistake of a handler's


def test_a_response_says_if_encoding_it_is_large_work() -> None:
    assert large_work.is_large(Response({"a": [1.0] * 100_000}))
    assert large_work.is_large(Response(body=bytes(large_work.LARGE)))
    assert not large_work.is_large(Response({"a": 1}))


@given(st.text(min_size=1, max_size=50).filter(lambda name: name.isprintable()))
def test_any_name_comes_back_from_the_header(name: str) -> None:
    value = content_disposition.header("attachment", name)[1]

    kind, options = parse_options_header(value)
    assert value.isascii()
    assert (kind, options) == ("attachment", {"filename": name})
