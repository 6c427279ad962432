"""Clients of an ASGI server that disconnect, or receive slowly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

from tests.contracts.adapters import series_of
from tests.contracts.cases import post
from tests.web.asgi_client import NEEDS_A_LOOP, Client, Gate, counted, run, send_request, service, until

pytestmark = NEEDS_A_LOOP

HELLO = {"text": "hello"}


def test_a_client_that_disconnects_in_the_queue_never_reaches_the_handler(gate: Gate) -> None:
    app = service(gate)

    async def scenario() -> None:
        first = Client(app, post("/", {"text": "first"}))
        await until(lambda: gate.entered)
        second, third = (Client(app, post("/", {"text": text})) for text in ("second", "third"))
        await asyncio.sleep(0)
        second.leave()
        await second.end()
        gate.open.set()
        await asyncio.gather(first.end(), third.end())

        assert second.sent == []
        assert (first.status, third.status) == (200, 200)

    run(scenario())

    assert gate.entered == ["first", "third"]
    assert (counted(app, 200), counted(app, 499), counted(app, 500)) == (2, 1, 0)


def test_a_client_that_disconnects_while_its_call_runs_gets_no_response(gate: Gate) -> None:
    app = service(gate)

    async def scenario() -> None:
        client = Client(app, post("/", HELLO))
        await until(lambda: gate.entered)
        client.leave()
        await client.end()

        assert client.sent == []

    run(scenario())

    assert counted(app, 499) == 1
    assert not any("exceptions" in name for name in series_of(app))


def test_a_client_that_disconnects_before_its_body_is_complete_is_counted_as_499(gate: Gate) -> None:
    app = service(gate)

    async def scenario() -> None:
        client = Client(app, post("/", HELLO))
        client.leave(early=True)
        await client.end()

        assert client.status == 400  # granian shows a body with broken chunks so, whose client is still there

    run(scenario())

    assert (gate.entered, counted(app, 499)) == ([], 1)


def test_an_async_handler_is_cancelled_when_its_client_disconnects() -> None:
    events: list[str] = []

    async def wait(text: str) -> None:
        events.append("entered")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            events.append("cancelled")
            raise

    app = service(wait)

    async def scenario() -> None:
        client = Client(app, post("/", HELLO))
        await until(lambda: events)
        client.leave()
        await client.end()
        await until(lambda: len(events) == 2)

    run(scenario())

    assert events == ["entered", "cancelled"]
    assert counted(app, 499) == 1


def test_a_waiter_for_an_equal_request_gets_a_response_although_the_first_disconnects(
    gate: Gate,
) -> None:
    app = service(gate, cache=True)

    async def scenario() -> None:
        first = Client(app, post("/", HELLO))
        await until(lambda: gate.entered)
        second = Client(app, post("/", HELLO))
        await asyncio.sleep(0)
        first.leave()
        await first.end()
        gate.open.set()
        await second.end()

        assert (second.status, second.body) == (200, b'{"text":"hello"}')

    run(scenario())


def test_a_stream_is_closed_when_its_client_disconnects() -> None:
    events: list[str] = []

    def count(text: str) -> Iterator[int]:
        try:
            number = 0
            while True:
                yield (number := number + 1)
        finally:
            events.append("closed")

    app = service(count)

    async def scenario() -> None:
        client = Client(app, post("/", HELLO))
        await client.received(5)
        client.leave()
        await client.end()
        follower = Client(app, post("/", HELLO))
        await follower.received(2)
        follower.leave()
        await follower.end()

    run(scenario())

    assert events == ["closed", "closed"]


def test_a_stream_that_waits_for_its_next_item_ends_at_once_when_its_client_disconnects() -> None:
    events: list[str] = []

    async def count(text: str) -> AsyncIterator[int]:
        try:
            yield 1
            await asyncio.Event().wait()
        finally:
            events.append("closed")

    async def scenario() -> None:
        client = Client(service(count), post("/", HELLO))
        await client.received(1)
        client.leave()
        await asyncio.wait_for(client.end(), 5)

    run(scenario())

    assert events == ["closed"]


def test_a_stream_is_produced_no_faster_than_its_client_receives_it() -> None:
    made: list[int] = []

    def count(text: str) -> Iterator[int]:
        for number in range(3):
            made.append(number)
            yield number

    app = service(count)

    async def scenario() -> None:
        client = Client(app, post("/", HELLO), slow=True)
        client.take()
        await client.received(1)
        await until(lambda: made == [0])
        client.take()
        await client.received(2)
        await until(lambda: made == [0, 1])
        for _ in range(4):
            client.take()
        await client.end()

        assert client.body == b"0\n1\n2\n"

    run(scenario())


def test_a_stream_that_waits_for_its_client_does_not_hold_up_the_loop() -> None:
    def count(text: str) -> Iterator[int]:
        yield from range(3)

    app = service(count)

    async def scenario() -> None:
        for _ in range(3):  # by then the handler is known to be quick
            await send_request(app, post("/", HELLO))
        first = Client(app, post("/", HELLO), slow=True)
        first.take()
        await first.received(1)
        second = Client(app, post("/", HELLO))
        await asyncio.sleep(0)
        for _ in range(5):
            first.take()
        await asyncio.gather(first.end(), second.end())

        assert first.body == second.body == b"0\n1\n2\n"

    run(scenario())


def test_a_stream_that_comes_when_its_client_has_left_gives_the_handlers_slot_back(gate: Gate) -> None:
    def prepare(text: str) -> Iterator[str]:
        gate(text)
        return iter_text(text)

    def iter_text(text: str) -> Iterator[str]:
        yield text

    app = service(prepare, threads=1)

    async def scenario() -> None:
        client = Client(app, post("/", {"text": "lost"}))
        await until(lambda: gate.entered)
        client.leave()
        await client.end()
        gate.open.set()

        assert (await send_request(app, post("/", {"text": "next"}))).status == 200

    run(scenario())
