"""What only the WSGI adapter does: reads a body from WSGI, closes streams, and can be switched off."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from typing import Any

import pytest

from aylien_model_serving.app_factory import FlaskAppWrapper
from aylien_model_serving.errors import BodyTooLarge, MalformedBody
from aylien_model_serving.web.adapters.wsgi import read_body
from tests.contracts.adapters import ServiceByAdapter, environ_of
from tests.contracts.cases import get, post

LIMIT = 10


def environ(body: bytes, length: str | None = None, *, terminated: bool = False) -> Any:
    found: dict[str, Any] = {"wsgi.input": io.BytesIO(body)}
    if length is not None:
        found["CONTENT_LENGTH"] = length
    if terminated:
        found["wsgi.input_terminated"] = True
    return found


def test_a_declared_body_is_read_to_its_length_and_no_further() -> None:
    found = environ(b"hello, next request", "5")

    assert read_body(found, LIMIT) == b"hello"
    assert found["wsgi.input"].read(6) == b", next"


def test_a_body_of_the_largest_size_is_read() -> None:
    assert read_body(environ(bytes(LIMIT), str(LIMIT)), LIMIT) == bytes(LIMIT)


def test_a_body_that_is_declared_too_large_is_refused_unread() -> None:
    found = environ(bytes(LIMIT + 1), str(LIMIT + 1))

    with pytest.raises(BodyTooLarge, match="10 bytes"):
        read_body(found, LIMIT)

    assert found["wsgi.input"].tell() == 0


def test_a_body_that_ends_early_is_refused() -> None:
    with pytest.raises(MalformedBody, match="ends after 3 of 5"):
        read_body(environ(b"abc", "5"), LIMIT)


def test_without_a_length_a_body_is_read_where_the_server_ends_it() -> None:
    assert read_body(environ(b"hello", terminated=True), LIMIT) == b"hello"
    assert read_body(environ(b"hello", "", terminated=True), None) == b"hello"


class SlowStream(io.BytesIO):
    """A body whose bytes cost time, as chunks of one byte do; remembers how much was asked for at once."""

    def __init__(self, body: bytes, seconds_of_a_kilobyte: float) -> None:
        super().__init__(body)
        self._pace = seconds_of_a_kilobyte / 1024
        self.asked: list[int] = []

    def read(self, size: int | None = -1) -> bytes:
        piece = super().read(size)
        self.asked.append(size or 0)
        time.sleep(self._pace * len(piece))
        return piece


@pytest.mark.parametrize(("pace", "longest"), [(0.0, 1024 * 1024), (0.01, 4096)])
def test_without_a_length_a_body_is_read_in_steps_that_take_a_moment(pace: float, longest: int) -> None:
    body = bytes(range(256)) * (40 if pace else 40_000)
    stream = SlowStream(body, pace)

    assert read_body({"wsgi.input": stream, "wsgi.input_terminated": True}, None) == body
    assert len(stream.asked) > 2
    assert max(stream.asked) <= longest


def test_without_a_length_or_an_end_there_is_no_body() -> None:
    assert read_body(environ(b"hello"), LIMIT) == b""


def test_without_a_length_a_body_is_read_no_further_than_the_limit() -> None:
    found = environ(bytes(1000), terminated=True)

    with pytest.raises(BodyTooLarge):
        read_body(found, LIMIT)

    assert found["wsgi.input"].tell() == LIMIT


def echo(text: str) -> dict[str, Any]:
    return {"text": text}


def test_the_fast_path_is_taken_unless_the_operator_switches_it_off() -> None:
    by_adapter = ServiceByAdapter(
        lambda: FlaskAppWrapper.create_app([{"endpoint": "/", "callable": echo}]), {}
    )
    request = (post("/", {"text": "a"}),)

    assert by_adapter.send_all("wsgi", request).path == [("wsgi",)]
    assert by_adapter.send_all("flask", request).path == [("flask",)]


def test_a_server_that_closes_a_stream_closes_the_generator() -> None:
    events: list[str] = []

    def count(upto: int) -> Iterator[int]:
        try:
            yield from range(upto)
        finally:
            events.append("closed")

    app = FlaskAppWrapper.create_app([{"endpoint": "/", "callable": count, "methods": ["GET"]}])

    body = app(environ_of(get("/?upto=9")), lambda *_: None)
    first = next(iter(body))
    body.close()

    assert (first, events) == (b"0\n", ["closed"])


@pytest.mark.parametrize("length", ["-5", "+5", "5.0", "\u00b2", "9" * 5000, "0" * 5000])
def test_a_length_that_is_no_number_of_bytes_is_refused(length: str) -> None:
    with pytest.raises(MalformedBody, match="Content-Length"):
        read_body(environ(b"hello", length, terminated=True), LIMIT)
