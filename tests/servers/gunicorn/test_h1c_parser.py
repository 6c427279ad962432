"""Gunicorn's parser in C keeps what follows a request until its worker lets go of that, and no longer."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aylien_model_serving.servers.gunicorn.h1c_parser import MAX_TAIL, is_bounded, with_longer_tail
from tests.with_packages import need


@pytest.fixture(scope="module", autouse=True)
def parser_in_c() -> None:
    need("gunicorn_h1c")


def request(body: bytes) -> bytes:
    return b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def parser(on_body: Callable[[bytes], None] | None = None) -> Any:
    from gunicorn_h1c import H1CProtocol

    return with_longer_tail(H1CProtocol)(on_headers_complete=lambda: False, on_body=on_body)


@pytest.mark.parametrize("size", [65_536, 1_000_000, MAX_TAIL])
def test_a_long_request_that_comes_early_is_kept_whole(size: int) -> None:
    later = request(b"x" * 2_000_000)
    begun = parser()
    stream = request(b"first") + later

    for start in range(0, len(stream), size):
        begun.feed(stream[start : start + size])

    assert begun.remaining() == later
    assert not begun.remaining_truncated


def test_what_follows_is_gone_once_the_next_request_begins() -> None:
    begun = parser()
    begun.feed(request(b"first"))
    begun.feed(request(b"second"))

    begun.reset()

    assert begun.remaining() == b""
    assert not begun.is_complete


def test_a_client_can_not_fill_the_memory_with_what_follows() -> None:
    begun = parser()
    begun.feed(request(b"first"))

    for _ in range(100):
        begun.feed(b"x" * 100_000)

    assert begun.remaining_truncated
    assert len(begun.remaining()) < 5_000_000


class Connection:
    """What owns a parser whose callbacks are its own methods, as Gunicorn's protocol does."""

    def __init__(self) -> None:
        self.parser = parser(self.take)
        self.parser.feed(request(b"x" * 300_000))

    def take(self, body: bytes) -> None: ...


def test_the_parser_of_a_connection_that_is_gone_is_collected() -> None:
    connections = weakref.WeakSet(Connection() for _ in range(10))

    gc.collect()

    assert not list(connections)


def test_the_parser_that_is_installed_is_one_that_can_be_used() -> None:
    from gunicorn_h1c import H1CProtocol

    assert is_bounded(H1CProtocol)


@given(
    st.lists(st.binary(max_size=200), min_size=1, max_size=5),
    st.lists(st.integers(min_value=1, max_value=300), min_size=1, max_size=10),
)
def test_requests_come_out_as_they_were_however_their_bytes_are_cut(
    bodies: list[bytes], sizes: list[int]
) -> None:
    stream = b"".join(map(request, bodies))
    pieces = list(cut(stream, sizes))
    body = bytearray()
    reading = parser(body.extend)
    found = []

    while len(found) < len(bodies):
        while pieces and (not reading.is_complete or len(pieces) % 2):  # some come before the worker lets go
            reading.feed(pieces.pop(0))
        found.append(bytes(body))
        body.clear()
        tail = reading.remaining()
        reading.reset()
        if tail:
            reading.feed(tail)

    assert found == bodies


def cut(stream: bytes, sizes: list[int]) -> list[bytes]:
    """Return a stream in pieces of the given sizes, over and over."""
    pieces = []
    while stream:
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(stream[:size])
        stream = stream[size:]
    return pieces
