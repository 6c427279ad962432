"""The connection for event loops, against a socket that answers like a replica."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, asynccontextmanager, closing
from typing import Any

import pytest
import uvloop

from aylien_model_serving.core.messages import Reply
from aylien_model_serving.errors import DeadlineExceeded
from aylien_model_serving.process import native_threads
from aylien_model_serving.rpc import protocol
from aylien_model_serving.rpc.connection_async import AsyncConnection
from aylien_model_serving.rpc.in_flight import ReplicaDraining, ReplicaLost, ReplicaUnresponsive
from tests.rpc.stub_replica import StubReplica, a_call

pytestmark = pytest.mark.skipif(
    native_threads.is_patched(), reason="a service under gevent has no event loop of asyncio's"
)

Test = Callable[[AsyncConnection, StubReplica], Awaitable[None]]


@pytest.fixture
def replica() -> Iterator[StubReplica]:
    with closing(StubReplica()) as replica:
        yield replica


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest, replica: StubReplica) -> Callable[[Test], None]:
    """Run a test on an event loop with a connection to the replica."""

    async def main(test: Test) -> None:
        async with connected(replica) as connection:
            await asyncio.wait_for(test(connection, replica), 60)

    return lambda test: (uvloop.run if request.param == "uvloop" else asyncio.run)(main(test))


@asynccontextmanager
async def connected(replica: StubReplica) -> AsyncIterator[AsyncConnection]:
    connection = await AsyncConnection.connect(replica.path)
    try:
        yield connection
    finally:
        connection.close()
        await eventually(lambda: not connection.is_open)
        await asyncio.sleep(0)  # asyncio closes its socket at the end of that iteration


async def eventually(condition: Callable[[], object]) -> None:
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until
        await asyncio.sleep(0.002)


def test_a_call_is_answered(run: Callable[[Test], None]) -> None:
    async def test(connection: AsyncConnection, replica: StubReplica) -> None:
        reply = await connection.call(a_call(body=b"text"), True)

        assert reply == Reply(200, b"text", "text/plain", [("x-a", "b")])
        assert len(replica.only.suspects) == 1
        assert connection.in_flight == 0
        assert connection.is_open

    run(test)


def test_calls_of_one_iteration_share_writes(run: Callable[[Test], None]) -> None:
    async def test(connection: AsyncConnection, replica: StubReplica) -> None:
        replies = await asyncio.gather(*(connection.call(a_call(body=b"%d" % n), False) for n in range(20)))

        assert [reply.body for reply in replies] == [b"%d" % n for n in range(20)]
        assert sum(replica.only.reads) == 20
        assert len(replica.only.reads) < 10

    run(test)


def test_the_first_calls_are_on_their_way_before_the_loop_has_made_the_last(
    run: Callable[[Test], None],
) -> None:
    async def test(connection: AsyncConnection, replica: StubReplica) -> None:
        await connection.call(a_call(), False)  # so that the replica has the connection
        made = asyncio.gather(*(connection.call(a_call(), False) for _ in range(20)))
        arrived: list[int] = []

        def hold_up() -> None:
            until = time.monotonic() + 20
            while sum(replica.only.reads) < 1 + 18 and time.monotonic() < until:
                time.sleep(0.002)
            arrived.append(sum(replica.only.reads))

        asyncio.get_running_loop().call_soon(hold_up)  # after the calls, and before what follows them
        await made

        assert arrived == [1 + 18]

    run(test)


def test_many_tasks_get_their_own_answers(run: Callable[[Test], None]) -> None:
    async def test(connection: AsyncConnection, replica: StubReplica) -> None:
        async def many(who: int) -> None:
            for n in range(50):
                assert (await connection.call(a_call(body=b"%d %d" % (who, n)), False)).body == b"%d %d" % (
                    who,
                    n,
                )

        await asyncio.gather(*(many(who) for who in range(16)))

    run(test)


def test_replies_come_in_any_order(run: Callable[[Test], None]) -> None:
    async def test(connection: AsyncConnection, replica: StubReplica) -> None:
        calls = [asyncio.ensure_future(connection.call(a_call("/hold"), False)) for _ in range(3)]
        await eventually(lambda: len(replica.only.held) == 3)
        first, second, third = replica.only.held

        replica.only.release(third, first, second)

        assert [reply.body for reply in await asyncio.gather(*calls)] == [
            b"released %d" % number for number in (first, second, third)
        ]

    run(test)


def test_each_call_in_flight_fails_when_the_replica_dies(run: Callable[[Test], None]) -> None:
    async def test(connection: AsyncConnection, replica: StubReplica) -> None:
        calls = [asyncio.ensure_future(connection.call(a_call("/hold"), False)) for _ in range(3)]
        await eventually(lambda: len(replica.only.held) == 3)

        replica.die()

        lost: list[Any] = await asyncio.gather(*calls, return_exceptions=True)
        assert [error.number for error in lost] == replica.only.held
        assert not connection.is_open
        with pytest.raises(ReplicaLost):
            await connection.call(a_call(), False)

    run(test)


def test_the_deadline_ends_the_wait_and_cancels_the_call(run: Callable[[Test], None]) -> None:
    async def test(connection: AsyncConnection, replica: StubReplica) -> None:
        patient = asyncio.ensure_future(connection.call(a_call("/hold"), False))
        hasty = [connection.call(a_call("/hold", timeout=seconds), False) for seconds in (0.1, 0.05, -1)]

        outcomes = await asyncio.gather(*hasty, return_exceptions=True)

        assert [type(outcome) for outcome in outcomes] == [DeadlineExceeded] * 3
        await eventually(lambda: len(replica.only.cancelled) == 3)
        assert set(replica.only.cancelled) == set(replica.only.held[1:])
        replica.only.release(*replica.only.held)
        assert (await patient).status == 200

    run(test)


def test_a_task_that_is_cancelled_has_cancelled_its_call(run: Callable[[Test], None]) -> None:
    async def test(connection: AsyncConnection, replica: StubReplica) -> None:
        call = asyncio.ensure_future(connection.call(a_call("/hold"), False))
        await eventually(lambda: connection.in_flight and replica.only.held)

        call.cancel()

        await eventually(lambda: replica.only.cancelled == replica.only.held)
        assert call.cancelled()
        assert connection.in_flight == 0
        replica.only.release(*replica.only.held)
        assert (await connection.call(a_call(body=b"after"), False)).body == b"after"

    run(test)


def test_a_draining_replica_refuses_a_call(run: Callable[[Test], None]) -> None:
    async def test(connection: AsyncConnection, replica: StubReplica) -> None:
        with pytest.raises(ReplicaDraining):
            await connection.call(a_call("/drain"), False)

    run(test)


def test_what_a_suspended_replica_has_not_begun_is_given_back_and_cancelled(
    run: Callable[[Test], None],
) -> None:
    async def test(connection: AsyncConnection, replica: StubReplica) -> None:
        calls = [asyncio.ensure_future(connection.call(a_call("/hold"), False)) for _ in range(3)]
        await eventually(lambda: len(replica.only.held) == 3)
        begun, *waiting = replica.only.held

        connection.suspend({begun})
        await eventually(lambda: replica.only.cancelled == waiting)
        with pytest.raises(ReplicaUnresponsive):
            await connection.call(a_call(), False)
        replica.only.release(begun)

        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [Reply, ReplicaUnresponsive, ReplicaUnresponsive]

    run(test)


def test_a_connection_that_is_resumed_takes_calls_unless_it_has_ended(run: Callable[[Test], None]) -> None:
    async def test(connection: AsyncConnection, replica: StubReplica) -> None:
        connection.suspend(())
        connection.resume()
        assert (await connection.call(a_call(body=b"text"), False)).body == b"text"

        connection.close()
        await eventually(lambda: not connection.is_open)
        connection.resume()
        with pytest.raises(ReplicaLost):
            await connection.call(a_call(), False)

    run(test)


@pytest.mark.parametrize("path", ["/garbage", "/wrong"])
def test_an_invalid_frame_ends_the_connection(
    run: Callable[[Test], None], path: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(connection: AsyncConnection, replica: StubReplica) -> None:
        with pytest.raises(ReplicaLost):
            await connection.call(a_call(path), False)

        assert not connection.is_open

    run(test)
    assert "sent an invalid frame" in caplog.text


def test_a_stream_comes_item_by_item(run: Callable[[Test], None]) -> None:
    async def test(connection: AsyncConnection, replica: StubReplica) -> None:
        chunks = (await connection.call(a_call("/stream", query="100"), False)).chunks
        assert chunks is not None

        assert [item async for item in chunks] == [b"%d" % n for n in range(100)]

        assert connection.in_flight == 0
        chunks.close()
        with pytest.raises(TypeError, match="event loop"):
            iter(chunks)
        await connection.call(a_call(), False)
        assert replica.only.cancelled == []

    run(test)


def test_a_stream_runs_no_further_ahead_than_its_credit(run: Callable[[Test], None]) -> None:
    async def test(connection: AsyncConnection, replica: StubReplica) -> None:
        chunks = (await connection.call(a_call("/endless"), False)).chunks
        assert chunks is not None
        async with aclosing(aiter(chunks)) as items:  # type: ignore[type-var]  # a generator, in truth
            for _ in range(7):
                await anext(items)
            await connection.call(a_call(), False)
            assert replica.only.sent == protocol.STREAM_CREDIT
            await anext(items)

            await eventually(lambda: replica.only.sent == protocol.STREAM_CREDIT * 3 // 2)
            assert replica.only.credits == [protocol.STREAM_CREDIT // 2]

        await eventually(lambda: len(replica.only.cancelled) == 1)
        assert connection.in_flight == 0

    run(test)


def test_closing_a_stream_that_nobody_reads_cancels_it_once(run: Callable[[Test], None]) -> None:
    async def test(connection: AsyncConnection, replica: StubReplica) -> None:
        chunks = (await connection.call(a_call("/endless"), False)).chunks
        assert chunks is not None

        chunks.close()
        chunks.close()

        await connection.call(a_call(), False)
        assert len(replica.only.cancelled) == 1

    run(test)


def test_a_task_that_is_cancelled_while_it_waits_for_an_item_has_closed_the_stream(
    run: Callable[[Test], None],
) -> None:
    async def test(connection: AsyncConnection, replica: StubReplica) -> None:
        chunks = (await connection.call(a_call("/waiting"), False)).chunks
        assert chunks is not None
        items = aiter(chunks)
        item = asyncio.ensure_future(anext(items, b""))
        await asyncio.sleep(0)

        item.cancel()

        await eventually(lambda: len(replica.only.cancelled) == 1)

    run(test)


def test_a_stream_that_its_replica_does_not_end_raises(run: Callable[[Test], None]) -> None:
    async def test(connection: AsyncConnection, replica: StubReplica) -> None:
        chunks = (await connection.call(a_call("/broken"), False)).chunks
        assert chunks is not None
        items = aiter(chunks)

        assert [await anext(items), await anext(items)] == [b"0", b"1"]
        with pytest.raises(ReplicaLost):
            await anext(items)

    run(test)


def test_large_bodies_cross_both_ways_and_small_calls_beside_them(run: Callable[[Test], None]) -> None:
    body = os.urandom(1 << 20) * 64

    async def test(connection: AsyncConnection, replica: StubReplica) -> None:
        calls = [a_call(body=body), a_call(body=b"small"), a_call(body=body[: 1 << 20])]

        replies = await asyncio.gather(*(connection.call(call, False) for call in calls))

        assert [reply.body == call.body for reply, call in zip(replies, calls, strict=True)] == [True] * 3

    run(test)


def test_closing_ends_the_calls_in_flight(run: Callable[[Test], None]) -> None:
    async def test(connection: AsyncConnection, replica: StubReplica) -> None:
        call = asyncio.ensure_future(connection.call(a_call("/hold", timeout=None), False))
        await eventually(lambda: connection.in_flight and replica.only.held)

        connection.close()
        connection.close()

        with pytest.raises(ReplicaLost):
            await call

    run(test)


def test_without_a_listener_there_is_no_connection(tmp_path: Any) -> None:
    with pytest.raises(OSError, match="No such file"):
        asyncio.run(AsyncConnection.connect(str(tmp_path / "nobody.sock")))
