"""The places of those who wait: how many there are, and when one is free again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from aylien_model_serving.core.messages import Reply
from aylien_model_serving.errors import Unavailable
from aylien_model_serving.executors.waiters import PLACES, Waiters
from aylien_model_serving.process import native_threads, server_threads
from tests.web.asgi_client import NEEDS_A_LOOP


@pytest.fixture(autouse=True)
def sixteen_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_threads, "_threads", {})
    monkeypatch.setattr(native_threads, "is_patched", lambda: False)
    server_threads.announce(16)


class Chunks:
    """A body of two chunks, which notes that it was closed."""

    def __init__(self) -> None:
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        yield from (b"a", b"b")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"a"
        yield b"b"

    def close(self) -> None:
        self.closed += 1


def places(waiters: Waiters, *, holds_thread: bool) -> int:
    """Return how many places are free, and take them."""
    for count in range(10_000):
        try:
            waiters.enter(holds_thread=holds_thread)
        except Unavailable:
            return count
    raise AssertionError("there is no end")


@pytest.mark.parametrize(("threads", "expected"), [(16, 8), (5, 2), (4, 2), (3, 1), (1, 1)])
def test_those_who_hold_threads_leave_half_of_them_to_others(threads: int, expected: int) -> None:
    server_threads.announce(threads)

    assert places(Waiters(), holds_thread=True) == expected


@pytest.mark.parametrize(("connections", "expected"), [(None, 750), (100, 75), (1, 1), (10_000, PLACES)])
def test_greenlets_leave_a_quarter_of_the_connections_to_others(
    monkeypatch: pytest.MonkeyPatch, connections: int | None, expected: int
) -> None:
    monkeypatch.setattr(server_threads, "_connections", {})
    monkeypatch.setattr(native_threads, "is_patched", lambda: True)
    if connections is not None:
        server_threads.announce_connections(connections)

    assert places(Waiters(), holds_thread=True) == expected
    assert places(Waiters(), holds_thread=False) == expected


def test_of_a_server_that_nobody_knows_few_threads_are_assumed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_threads, "_threads", {})

    assert places(Waiters(), holds_thread=True) == server_threads.ASSUMED // 2


def test_those_who_hold_no_thread_have_many_places_of_their_own() -> None:
    waiters = Waiters()
    places(waiters, holds_thread=True)

    assert places(waiters, holds_thread=False) == PLACES


@pytest.mark.parametrize("holds_thread", [True, False])
def test_the_operator_may_say_how_many_there_are(holds_thread: bool) -> None:
    assert places(Waiters(3), holds_thread=holds_thread) == 3


def test_a_place_that_is_left_twice_is_one_place() -> None:
    waiters = Waiters(2)
    place = waiters.enter(holds_thread=True)
    waiters.enter(holds_thread=True)

    place.leave()
    place.leave()

    assert places(waiters, holds_thread=True) == 1


def test_a_stream_has_a_place_until_it_is_closed() -> None:
    waiters, chunks = Waiters(1), Chunks()
    reply = Reply(200, b"", chunks=chunks)

    waiters.admit(reply, holds_thread=True)

    assert reply.chunks is not None
    assert list(reply.chunks) == [b"a", b"b"]
    with pytest.raises(Unavailable):
        waiters.enter(holds_thread=True)
    reply.chunks.close()
    assert chunks.closed == 1
    assert places(waiters, holds_thread=True) == 1


@NEEDS_A_LOOP
def test_a_stream_on_a_loop_has_a_place_until_it_ends() -> None:
    waiters = Waiters(1)
    reply = Reply(200, b"", chunks=Chunks())
    waiters.admit(reply, holds_thread=False)

    async def read() -> list[bytes]:
        assert reply.chunks is not None
        return [piece async for piece in reply.chunks]

    assert asyncio.run(read()) == [b"a", b"b"]
    assert places(waiters, holds_thread=False) == 1


def test_a_stream_that_is_forgotten_leaves_its_place() -> None:
    waiters = Waiters(1)
    reply = Reply(200, b"", chunks=Chunks())
    waiters.admit(reply, holds_thread=True)

    reply.chunks = None

    assert places(waiters, holds_thread=True) == 1


def test_a_stream_without_a_place_is_closed() -> None:
    chunks = Chunks()
    waiters = Waiters(1)
    waiters.enter(holds_thread=True)

    with pytest.raises(Unavailable):
        waiters.admit(Reply(200, b"", chunks=chunks), holds_thread=True)

    assert chunks.closed == 1
