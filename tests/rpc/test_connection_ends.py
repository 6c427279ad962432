"""How a connection for blocking callers ends: closed, copied by a fork, or by killing a greenlet."""

import os

import pytest

from aylien_model_serving.process import native_threads
from aylien_model_serving.rpc.connection import Connection, ReplicaLost
from tests.rpc.stub_replica import CallThread, StubReplica, a_call, eventually


def test_closing_ends_the_calls_in_flight(replica: StubReplica) -> None:
    connection = Connection(replica.path)
    caller = CallThread(lambda: connection.call(a_call("/hold", timeout=None), False))
    eventually(lambda: connection.in_flight == 1 and replica.connections and replica.only.held)

    connection.close()
    connection.close()

    assert type(caller.ended()) is ReplicaLost
    assert not connection.is_open


def test_closing_ends_a_write_that_the_replica_does_not_read(replica: StubReplica) -> None:
    connection = Connection(replica.path)
    connection.call(a_call(), False)
    with replica.only.quiet:
        caller = CallThread(lambda: connection.call(a_call(body=bytes(32 << 20)), False))
        callers = [caller, CallThread(lambda: connection.call(a_call(body=bytes(32 << 20)), False))]
        eventually(lambda: connection.in_flight == 2)

        connection.close()

        assert all(type(caller.ended()) is ReplicaLost for caller in callers)


def test_a_connection_that_made_no_call_is_closed(replica: StubReplica) -> None:
    connection = Connection(replica.path)

    connection.close()

    assert not connection.is_open
    with pytest.raises(ReplicaLost):
        connection.call(a_call(), False)


@pytest.mark.processes
@pytest.mark.filterwarnings(
    "ignore:This process:DeprecationWarning"
)  # of 3.12: it is what this test is about
def test_a_connection_belongs_to_the_process_that_made_it(connection: Connection) -> None:
    connection.call(a_call(), False)

    child = os.fork()
    if not child:
        try:
            connection.call(a_call(), False)
        except RuntimeError:
            connection.close()
            os._exit(0)
        os._exit(1)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert connection.call(a_call(body=b"goes on"), False).body == b"goes on"


@pytest.mark.skipif(not native_threads.is_patched(), reason="only a greenlet can be killed")
def test_a_greenlet_that_is_killed_has_cancelled_its_call(
    connection: Connection, replica: StubReplica
) -> None:
    import gevent

    caller = gevent.spawn(connection.call, a_call("/hold"), False)
    eventually(lambda: connection.in_flight == 1 and replica.connections and replica.only.held)

    caller.kill()

    eventually(lambda: replica.only.cancelled == replica.only.held)
    assert connection.in_flight == 0


@pytest.mark.skipif(not native_threads.is_patched(), reason="threads share writes when they happen to meet")
def test_greenlets_that_call_together_share_a_write(connection: Connection, replica: StubReplica) -> None:
    connection.call(a_call(), False)

    callers = [CallThread(lambda: connection.call(a_call(), False)) for _ in range(20)]

    assert [caller.ended().status for caller in callers] == [200] * 20
    assert len(replica.only.reads) < 20
