"""An argument that is a stream, in the replica: items that have come, and how they end."""

import asyncio
import threading
from typing import Any

import pytest

from aylien_model_serving.core.cancellation import Cancelled
from aylien_model_serving.errors import InvalidRequest
from aylien_model_serving.replicas.replica.input_items import InputItems
from aylien_model_serving.rpc import protocol, values
from tests.web.asgi_client import NEEDS_A_LOOP

NUMBER = 1 << 63


class Caller:
    """The other end, which notes the frames that it gets."""

    def __init__(self) -> None:
        self.items = InputItems(NUMBER, self.note)
        self.frames: list[tuple[int, Any]] = []
        self._decoder = protocol.FrameDecoder()

    def note(self, buffers: Any) -> None:
        data = b"".join(buffers)
        self._decoder.get_buffer()[: len(data)] = data
        self.frames += [(frame.kind, frame.header) for frame in self._decoder.buffer_updated(len(data))]

    def send(self, *items: Any) -> None:
        for item in items:
            body = b"".join(values.encode(item))
            self.items.receive(protocol.Frame(protocol.ITEM, NUMBER, None, body))

    def end(self, kind: int = protocol.END) -> None:
        self.items.receive(protocol.Frame(kind, NUMBER, None, b""))


@pytest.fixture
def caller() -> Caller:
    return Caller()


async def collected(items: InputItems) -> list[Any]:
    return [item async for item in items]


def test_items_are_taken_in_order_up_to_the_end(caller: Caller) -> None:
    caller.send("a", 2, None)
    caller.end()

    assert list(caller.items) == ["a", 2, None]


@NEEDS_A_LOOP
def test_items_are_awaited_too(caller: Caller) -> None:
    threading.Timer(0.05, lambda: (caller.send("a", "b"), caller.end())).start()

    assert asyncio.run(collected(caller.items)) == ["a", "b"]


def test_nothing_is_asked_for_before_the_first_item_is(caller: Caller) -> None:
    assert caller.frames == []
    caller.send(1)
    next(caller.items)

    assert caller.frames == [(protocol.CREDIT, protocol.STREAM_CREDIT)]


def test_credit_is_renewed_as_items_are_taken(caller: Caller) -> None:
    caller.send(*range(protocol.STREAM_CREDIT))
    for _ in range(protocol.STREAM_CREDIT):
        next(caller.items)

    half = (protocol.CREDIT, protocol.STREAM_CREDIT // 2)
    assert caller.frames == [(protocol.CREDIT, protocol.STREAM_CREDIT), half, half]


def test_a_caller_that_fails_is_told_after_its_items(caller: Caller) -> None:
    caller.send(1)
    caller.end(protocol.CANCEL)

    assert next(caller.items) == 1
    with pytest.raises(InvalidRequest):
        next(caller.items)


def test_whoever_waits_for_an_abandoned_stream_goes_on(caller: Caller) -> None:
    threading.Timer(0.05, caller.items.abandon).start()

    with pytest.raises(Cancelled):
        next(caller.items)
    assert caller.frames[-1] == (protocol.CANCEL, None)


def test_a_stream_that_has_ended_is_not_cancelled(caller: Caller) -> None:
    caller.end()
    caller.items.close()

    assert caller.frames == []
