"""The connection that threads and greenlets share, against a socket that answers like a replica."""

import os
import time
from contextlib import closing
from typing import Any

import pytest

from aylien_model_serving.core.messages import Reply
from aylien_model_serving.errors import DeadlineExceeded
from aylien_model_serving.rpc import protocol
from aylien_model_serving.rpc.connection import (
    Connection,
    ReplicaDraining,
    ReplicaLost,
    ReplicaUnresponsive,
)
from tests.rpc.stub_replica import CallThread, StubReplica, a_call, eventually

pytestmark = pytest.mark.filterwarnings("error")


def test_a_call_is_answered(connection: Connection) -> None:
    assert connection.call(a_call(body=b"text"), False) == Reply(200, b"text", "text/plain", [("x-a", "b")])
    assert connection.in_flight == 0
    assert connection.is_open


def test_the_replica_learns_of_a_suspect(connection: Connection, replica: StubReplica) -> None:
    connection.call(a_call(), True)

    assert len(replica.only.suspects) == 1


def test_many_threads_get_their_own_answers(connection: Connection) -> None:
    def many(who: int) -> Reply:
        answers = {(n, connection.call(a_call(body=b"%d %d" % (who, n)), False).body) for n in range(50)}
        assert answers == {(n, b"%d %d" % (who, n)) for n in range(50)}
        return Reply(200, b"")

    callers = [CallThread(lambda who=who: many(who)) for who in range(16)]  # type: ignore[misc]

    assert [caller.ended() for caller in callers] == [Reply(200, b"")] * 16
    assert connection.in_flight == 0


def test_replies_come_in_any_order(connection: Connection, replica: StubReplica) -> None:
    callers = [CallThread(lambda: connection.call(a_call("/hold"), False)) for _ in range(3)]
    eventually(lambda: len(replica.only.held) == 3)
    assert connection.in_flight == 3

    replica.only.release(*reversed(replica.only.held))

    bodies = {caller.ended().body for caller in callers}
    assert bodies == {b"released %d" % number for number in replica.only.held}


def test_each_call_in_flight_fails_when_the_replica_dies(
    connection: Connection, replica: StubReplica
) -> None:
    callers = [CallThread(lambda: connection.call(a_call("/hold"), False)) for _ in range(3)]
    eventually(lambda: len(replica.only.held) == 3)

    replica.die()

    assert {caller.ended().number for caller in callers} == set(replica.only.held)
    assert all(type(caller.outcome) is ReplicaLost for caller in callers)
    assert not connection.is_open
    with pytest.raises(ReplicaLost):
        connection.call(a_call(), False)


def test_the_deadline_ends_the_wait_and_cancels_the_call(
    connection: Connection, replica: StubReplica
) -> None:
    with pytest.raises(DeadlineExceeded):
        connection.call(a_call("/hold", timeout=0.05), False)

    eventually(lambda: replica.only.cancelled == replica.only.held)
    replica.only.release(*replica.only.held)
    assert connection.call(a_call(body=b"after"), False).body == b"after"
    assert connection.in_flight == 0


def test_a_draining_replica_refuses_a_call(connection: Connection) -> None:
    with pytest.raises(ReplicaDraining):
        connection.call(a_call("/drain"), False)

    assert connection.in_flight == 0


def test_what_a_suspended_replica_has_not_begun_is_given_back_and_cancelled(
    connection: Connection, replica: StubReplica
) -> None:
    callers = [CallThread(lambda: connection.call(a_call("/hold"), False)) for _ in range(3)]
    eventually(lambda: len(replica.only.held) == 3)
    begun, *waiting = replica.only.held

    connection.suspend({begun})
    eventually(lambda: sorted(replica.only.cancelled) == sorted(waiting))
    with pytest.raises(ReplicaUnresponsive):
        connection.call(a_call(), False)
    in_flight = connection.in_flight
    replica.only.release(begun)

    outcomes = [caller.ended() for caller in callers]
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["ReplicaUnresponsive"] * 2 + ["Reply"]
    assert in_flight == 1
    assert connection.is_open


def test_a_connection_that_is_resumed_takes_calls(connection: Connection) -> None:
    connection.suspend(())

    connection.resume()

    assert connection.call(a_call(body=b"text"), False).body == b"text"


def test_a_connection_that_has_ended_is_not_resumed(connection: Connection) -> None:
    connection.close()

    connection.suspend(())
    connection.resume()

    with pytest.raises(ReplicaLost):
        connection.call(a_call(), False)


@pytest.mark.parametrize("path", ["/garbage", "/wrong"])
def test_an_invalid_frame_ends_the_connection(
    connection: Connection, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ReplicaLost):
        connection.call(a_call(path), False)

    assert not connection.is_open
    assert "sent an invalid frame" in caplog.text


def test_a_stream_comes_item_by_item(connection: Connection, replica: StubReplica) -> None:
    reply = connection.call(a_call("/stream", query="100"), False)

    assert reply.media_type == "text/event-stream"
    assert reply.chunks is not None
    assert list(reply.chunks) == [b"%d" % n for n in range(100)]
    assert connection.in_flight == 0
    reply.chunks.close()
    assert connection.call(a_call(body=b"after"), False).body == b"after"
    assert replica.only.cancelled == []


def test_a_stream_runs_no_further_ahead_than_its_credit(connection: Connection, replica: StubReplica) -> None:
    chunks = connection.call(a_call("/endless"), False).chunks
    assert chunks is not None
    items = iter(chunks)

    taken = [next(items) for _ in range(7)]
    connection.call(a_call(), False)
    assert replica.only.sent == protocol.STREAM_CREDIT
    taken.append(next(items))

    eventually(lambda: replica.only.sent == protocol.STREAM_CREDIT + protocol.STREAM_CREDIT // 2)
    assert replica.only.credits == [protocol.STREAM_CREDIT // 2]
    assert taken == [b"%d" % n for n in range(8)]
    chunks.close()
    assert list(items) == []


@pytest.mark.parametrize("taken", [0, 3])
def test_closing_a_stream_cancels_it_once(connection: Connection, replica: StubReplica, taken: int) -> None:
    chunks = connection.call(a_call("/endless"), False).chunks
    assert chunks is not None
    items = iter(chunks)
    for _ in range(taken):
        next(items)

    chunks.close()
    chunks.close()

    connection.call(a_call(), False)
    assert len(replica.only.cancelled) == 1
    assert connection.in_flight == 0


def test_a_reader_that_stops_closes_the_stream(connection: Connection, replica: StubReplica) -> None:
    chunks = connection.call(a_call("/endless"), False).chunks
    assert chunks is not None

    for _ in chunks:
        break

    eventually(lambda: len(replica.only.cancelled) == 1)


def test_a_thread_that_waits_for_an_item_goes_on_when_the_stream_is_closed(connection: Connection) -> None:
    chunks = connection.call(a_call("/waiting"), False).chunks
    assert chunks is not None
    taker = CallThread(lambda: Reply(200, b"".join(chunks)))

    chunks.close()

    assert taker.ended() == Reply(200, b"")


def test_a_stream_that_its_replica_does_not_end_raises(connection: Connection) -> None:
    chunks = connection.call(a_call("/broken"), False).chunks
    assert chunks is not None
    items = iter(chunks)

    assert [next(items), next(items)] == [b"0", b"1"]
    with pytest.raises(ReplicaLost):
        next(items)
    chunks.close()


def test_a_stream_of_a_blocking_connection_is_not_for_event_loops(connection: Connection) -> None:
    chunks = connection.call(a_call("/stream", query="1"), False).chunks
    assert chunks is not None

    with pytest.raises(TypeError, match="AsyncConnection"):
        aiter(chunks)
    chunks.close()


def test_a_large_body_crosses_both_ways(connection: Connection) -> None:
    body = os.urandom(1 << 20) * 64

    assert connection.call(a_call(body=body), False).body == body


def test_nobody_waits_behind_a_write_that_the_replica_does_not_read(replica: StubReplica) -> None:
    with closing(Connection(replica.path)) as connection:
        connection.call(a_call(), False)
        with replica.only.quiet:  # its answer to the first call keeps it from reading on
            stuck = [
                CallThread(lambda: connection.call(a_call(body=bytes(32 << 20)), False)) for _ in range(2)
            ]
            start = time.monotonic()
            with pytest.raises(DeadlineExceeded):
                connection.call(a_call(timeout=0.05), False)
            assert time.monotonic() - start < 10
        assert all(len(caller.ended().body) == 32 << 20 for caller in stuck)
        assert connection.call(a_call(body=b"after"), False).body == b"after"


def test_without_a_listener_there_is_no_connection(tmp_path: Any) -> None:
    with pytest.raises(OSError, match="No such file"):
        Connection(str(tmp_path / "nobody.sock"))


def test_connections_number_their_calls_differently(replica: StubReplica) -> None:
    with closing(Connection(replica.path)) as one, closing(Connection(replica.path)) as other:
        for connection in (one, other):
            with pytest.raises(DeadlineExceeded):
                connection.call(a_call("/hold", timeout=0.01), False)

        eventually(lambda: all(len(accepted.cancelled) == 1 for accepted in replica.connections))

    [[first], [second]] = [accepted.cancelled for accepted in replica.connections]
    assert first != second
    assert max(first, second) < 1 << 64
