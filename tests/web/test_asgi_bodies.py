"""The body of a request under an ASGI server that comes in many pieces."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from aylien_model_serving.errors import BodyTooLarge
from aylien_model_serving.web.adapters.connection import ASGIConnection, read_body
from aylien_model_serving.web.adapters.request_info import ScopeHeaders
from tests.web.asgi_client import NEEDS_A_LOOP

pytestmark = NEEDS_A_LOOP

PIECES = 50_000


def connection_with(pieces: int) -> ASGIConnection:
    """Return a connection whose server has all pieces of one byte already."""
    left: Iterator[int] = iter(range(pieces))

    async def receive() -> Any:
        number = next(left)
        return {"type": "http.request", "body": b"a", "more_body": number < pieces - 1}

    async def send(_: Any) -> None: ...

    return ASGIConnection({"type": "http"}, ScopeHeaders([]), receive, send)


def test_others_have_their_turn_while_a_body_comes_in_pieces_of_one_byte() -> None:
    turns = 0

    async def take_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def read() -> bytes:
        others = asyncio.ensure_future(take_turns())
        try:
            return await read_body(connection_with(PIECES), None)
        finally:
            others.cancel()

    assert asyncio.run(read()) == b"a" * PIECES
    assert turns > 10


def test_a_body_in_pieces_is_read_no_further_than_the_limit() -> None:
    with pytest.raises(BodyTooLarge):
        asyncio.run(read_body(connection_with(PIECES), 100))
