"""The pool of one process: which replicas get calls, as the supervisor announces them."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from aylien_model_serving.core.call_scope import CallScope
from aylien_model_serving.core.cancellation import Cancellable, Cancelled
from aylien_model_serving.core.messages import Reply
from aylien_model_serving.errors import DeadlineExceeded, Unavailable
from aylien_model_serving.process import native_threads
from aylien_model_serving.replicas.client.replica_pool import ReplicaPool
from aylien_model_serving.replicas.client.supervisor_client import SupervisorClient
from aylien_model_serving.rpc.connection import ReplicaUnresponsive
from aylien_model_serving.rpc.connection_async import AsyncConnection
from aylien_model_serving.rpc.control_messages import Replica, State
from aylien_model_serving.rpc.flight_recorder import FlightRecorder
from aylien_model_serving.rpc.spec import Spec
from tests.rpc.stub_replica import CallThread, StubReplica, a_call, eventually


@pytest.fixture
def stubs() -> Iterator[tuple[StubReplica, StubReplica]]:
    with closing(StubReplica()) as first, closing(StubReplica()) as second:
        yield first, second


class Announced:
    """A pool, and the replicas that are announced to it.

    Args:
        stubs: the replicas.
        record: path of the first one's flight recorder.
    """

    def __init__(self, stubs: tuple[StubReplica, ...], record: str = "") -> None:
        self.pool = ReplicaPool(Spec(name="model", target="a:b", replicas=2), lambda number: None)
        self._paths = [stub.path for stub in stubs]
        self._record = record

    def announce(self, *states: State) -> None:
        """Announce the replicas in these states."""
        self.pool.update(
            [
                Replica(
                    number=number,
                    incarnation=number,
                    socket=path,
                    record=self._record if number == 0 else "",
                    pid=1,
                    device="cpu",
                    state=state,
                    restarts=0,
                    error="",
                    version="v",
                )
                for number, (path, state) in enumerate(zip(self._paths, states, strict=True))
            ]
        )

    def number(self) -> int:
        """Return the number of the replica that gets a call."""
        return self.pool.acquire(None)[1].number

    async def number_async(self) -> int:
        return (await self.pool.acquire_async(None))[1].number

    def close(self) -> None:
        self.announce("failed", "failed")


@pytest.fixture
def announced(stubs: tuple[StubReplica, StubReplica], tmp_path: Path) -> Iterator[Announced]:
    with closing(Announced(stubs, str(tmp_path / "record"))) as announced:
        announced.announce("ready", "ready")
        yield announced


def test_an_unresponsive_replica_gets_no_calls_until_it_is_ready_again(announced: Announced) -> None:
    before = announced.number()

    announced.announce("unresponsive", "ready")
    meanwhile = announced.number()
    announced.announce("ready", "ready")
    connection, replica = announced.pool.acquire(None)

    assert (before, meanwhile, replica.number) == (0, 1, 0)
    assert connection.call(a_call(body=b"text"), False).body == b"text"


@pytest.mark.parametrize("states", [("unresponsive", "unresponsive"), ("unresponsive", "failed")])
def test_calls_are_refused_while_no_replica_may_be_ready_soon(
    announced: Announced, states: tuple[State, State]
) -> None:
    announced.announce(*states)

    with pytest.raises(Unavailable):
        announced.number()
    if not native_threads.is_patched():  # a service under gevent has no event loop of asyncio's
        with pytest.raises(Unavailable):
            asyncio.run(announced.number_async())


def test_a_call_waits_for_the_next_start_of_an_unresponsive_replica_that_was_lost(
    announced: Announced,
) -> None:
    _, replica = announced.pool.acquire(None)
    announced.announce("unresponsive", "failed")
    announced.pool.remove(replica)

    with pytest.raises(DeadlineExceeded):
        announced.pool.acquire(time.monotonic() + 0.05)


def test_a_call_that_is_abandoned_waits_for_no_replica(announced: Announced) -> None:
    waited_for = Cancellable()
    announced.announce("starting", "failed")
    threading.Timer(0.02, waited_for.abandon).start()

    with pytest.raises(Cancelled):
        announced.pool.acquire(time.monotonic() + 30, CallScope(calls=(waited_for,)))


def test_calls_that_an_unresponsive_replica_has_not_begun_are_given_back(
    announced: Announced, stubs: tuple[StubReplica, StubReplica], tmp_path: Path
) -> None:
    connection, _ = announced.pool.acquire(None)
    callers = [CallThread(lambda: connection.call(a_call("/hold"), False)) for _ in range(3)]
    eventually(lambda: stubs[0].connections and len(stubs[0].only.held) == 3)
    begun = stubs[0].only.held[0]
    with closing(FlightRecorder(str(tmp_path / "record"), slots=1, capacity=1)) as recorder:
        recorder.begin_run([begun])

        announced.announce("unresponsive", "ready")
        eventually(lambda: len(stubs[0].only.cancelled) == 2)
        announced.announce("ready", "ready")
        stubs[0].only.release(begun)
    outcomes = [caller.ended() for caller in callers]

    assert begun not in stubs[0].only.cancelled
    assert sum(type(outcome) is ReplicaUnresponsive for outcome in outcomes) == 2


async def answered(connection: AsyncConnection) -> Reply:
    """Return the reply to a call, which is refused until the loop has taken over what was announced."""
    while True:
        try:
            return await connection.call(a_call(body=b"text"), False)
        except ReplicaUnresponsive:
            await asyncio.sleep(0)


@pytest.mark.skipif(
    native_threads.is_patched(), reason="a service under gevent has no event loop of asyncio's"
)
def test_the_connections_of_a_loop_are_suspended_and_resumed_on_it(
    announced: Announced, stubs: tuple[StubReplica, StubReplica]
) -> None:
    async def ask() -> tuple[object, int, bytes]:
        connection, _ = await announced.pool.acquire_async(None)
        waiting = asyncio.ensure_future(connection.call(a_call("/hold"), False))
        while not (stubs[0].connections and stubs[0].only.held):
            await asyncio.sleep(0.002)
        announced.announce("unresponsive", "ready")
        [given_back] = await asyncio.gather(waiting, return_exceptions=True)
        other = await announced.number_async()
        announced.announce("ready", "ready")
        reply = await answered(connection)
        for stub in stubs:
            stub.die()
        return given_back, other, reply.body

    given_back, other, body = asyncio.run(asyncio.wait_for(ask(), 60))

    assert type(given_back) is ReplicaUnresponsive
    assert (other, body) == (1, b"text")


def test_calls_that_meet_an_idle_runner_have_it_loaded_once(
    announced: Announced, monkeypatch: pytest.MonkeyPatch
) -> None:
    woken: list[str] = []
    monkeypatch.setattr(SupervisorClient, "wake", lambda self, key: woken.append(key))
    announced.announce("idle", "idle")

    for _ in range(3):
        with pytest.raises(DeadlineExceeded):
            announced.pool.acquire(time.monotonic() + 0.02)

    assert len(woken) == 1


def test_a_call_that_has_a_runner_loaded_gets_its_replica(
    announced: Announced, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The announcement comes before the call waits for it."""
    monkeypatch.setattr(SupervisorClient, "wake", lambda self, key: announced.announce("idle", "ready"))
    announced.announce("idle", "idle")

    async def number() -> int:
        connection, replica = await announced.pool.acquire_async(None)
        connection.close()
        return replica.number

    assert announced.number() == 1
    if not native_threads.is_patched():  # a service under gevent has no event loop of asyncio's
        announced.announce("idle", "idle")
        assert asyncio.run(number()) == 1
