"""The pool of a runner's replicas in one process: which are ready, and the connections to them.

The supervisor announces replicas; a call goes to the one with the fewest of this process's calls in flight,
and waits for one that starts. Knows nothing of what a call is for, and nothing of it survives a fork.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
import weakref
from collections.abc import Callable, Container, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from aylien_model_serving.core.messages import Call
from aylien_model_serving.errors import DeadlineExceeded, ServingError, Unavailable
from aylien_model_serving.executors import STATUS
from aylien_model_serving.replicas.client.supervisor_client import Replica, SupervisorClient
from aylien_model_serving.replicas.client.waiting_calls import WaitingCalls
from aylien_model_serving.rpc import flight_recorder, protocol
from aylien_model_serving.rpc.connection import (
    Connection,
    ReplicaDraining,
    ReplicaLost,
    ReplicaUnresponsive,
)
from aylien_model_serving.rpc.connection_async import AsyncConnection

if TYPE_CHECKING:
    from aylien_model_serving.rpc.spec import Spec

#: Seconds that a call waits for a replica that died right after its start; its next start may be far off.
_CRASH_LOOP_WAIT = 2.0

#: States of replicas that take calls, or may do so again.
_BUILT = ("ready", "unresponsive")

#: What is done with a connection.
_Act = Callable[[Connection | AsyncConnection], None]


class ReplicaPool:
    """One process's connections to the replicas of a runner.

    Args:
        spec: what they host.
        on_waiting: called with the number of calls that wait for a replica, whenever it changes.
    """

    def __init__(self, spec: Spec, on_waiting: Callable[[int], None]) -> None:
        self.pid = os.getpid()
        self._name = spec.name
        self._start_timeout = spec.start_timeout
        self._waiting = WaitingCalls(spec.name, spec.max_queue * spec.replicas, on_waiting)
        self._replicas: Sequence[Replica] | None = None
        self._ready: Sequence[Replica] = ()
        self._lost: set[str] = set()
        self._suspended: set[str] = set()
        self._changed = threading.Condition()
        self._connections: dict[str, Connection] = {}
        self._async_connections: dict[str, asyncio.Future[AsyncConnection]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._async_waiters: set[asyncio.Future[None]] = set()

    def host(self, spec: Spec) -> None:
        """Have the replicas hosted; this pool is updated for as long as something refers to it."""
        reference = weakref.ref(self)

        def on_update(replicas: list[Replica]) -> None:
            pool = reference()
            if pool is not None:
                pool.update(replicas)

        SupervisorClient.of_process().host(spec, on_update)

    def update(self, replicas: Sequence[Replica]) -> None:
        """Take over the replicas as the supervisor announces them."""
        unresponsive = {replica.socket: replica for replica in replicas if replica.state == "unresponsive"}
        for path in self._suspended - unresponsive.keys():
            self._with_connections(path, _resume)  # before any call is sent there
        with self._changed:
            silenced = unresponsive.keys() - self._suspended
            self._suspended = set(unresponsive)
            self._replicas = replicas
            announced = {replica.socket for replica in replicas if replica.state in _BUILT}
            self._lost &= announced
            self._refresh_ready()
            for path in [path for path, connection in self._connections.items() if path not in announced]:
                if not self._connections[path].in_flight:
                    self._connections.pop(path).close()
            self._changed.notify_all()
            loop, waiters = self._loop, list(self._async_waiters)
        for path in silenced:  # when no call is sent there any more
            self._with_connections(
                path, partial(_suspend, flight_recorder.running(unresponsive[path].record))
            )
        if loop is not None and waiters and not loop.is_closed():
            loop.call_soon_threadsafe(_wake, waiters)

    def _with_connections(self, path: str, act: _Act) -> None:
        """Do something with this process's connections to a replica: with the loop's own, on the loop."""
        connection, loop = self._connections.get(path), self._loop
        if connection is not None:
            act(connection)
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._with_async_connection, path, act)

    def _with_async_connection(self, path: str, act: _Act) -> None:
        connecting = self._async_connections.get(path)
        if connecting is not None:
            connecting.add_done_callback(partial(_act_if_open, act))

    def replicas(self) -> Sequence[Replica]:
        """Return the replicas as they were last announced."""
        return self._replicas or ()

    def ready(self) -> Sequence[Replica]:
        """Return the replicas that take calls."""
        return self._ready

    def _refresh_ready(self) -> None:
        self._ready = [
            replica
            for replica in self._replicas or ()
            if replica.state == "ready" and replica.socket not in self._lost
        ]

    def _mark_lost(self, replica: Replica) -> None:
        self._lost.add(replica.socket)
        self._refresh_ready()

    def remove(self, replica: Replica) -> None:
        """Send no further calls to a replica that drains or was lost."""
        with self._changed:
            self._mark_lost(replica)
            connection = self._connections.get(replica.socket)
            if connection is not None and not connection.is_open:
                del self._connections[replica.socket]
            self._async_connections.pop(replica.socket, None)

    def wake(self) -> None:
        """Have every ready replica claim jobs from the store; the others do so once they are ready."""
        for replica in self.ready():
            connection = self._connections.get(replica.socket)
            if connection is None or not connection.is_open:
                connection = self._connect(replica)
            if connection is not None:
                connection.send(protocol.encode_wake())

    def fetch_status(self, replica: Replica) -> dict[str, Any]:
        """Return a replica's own status; an empty one where it does not answer within a second."""
        connection = self._connect(replica) if replica.state == "ready" else None
        if connection is None:
            return {}
        call = Call(STATUS, "", "", {}, b"", {}, "-", time.monotonic() + 1)
        try:
            status: dict[str, Any] = msgspec.json.decode(connection.call(call, False).body)
            return status
        except (ServingError, ReplicaLost, ReplicaDraining, ReplicaUnresponsive):
            return {}

    def acquire(self, deadline: float | None) -> tuple[Connection, Replica]:
        """Return a connection to the replica with the fewest calls in flight, waiting for one that starts.

        Raises:
            Unavailable: none is ready or starting, or too many calls wait already.
            DeadlineExceeded: none was ready in time.
        """
        since = time.monotonic()
        while True:
            found = self._least_busy()
            if found is not None:
                return found
            with self._changed, self._waiting:
                if not self.ready():
                    self._changed.wait(self._max_wait(since, deadline))

    def _least_busy(self) -> tuple[Connection, Replica] | None:
        best: tuple[Connection, Replica] | None = None
        for replica in self.ready():
            connection = self._connections.get(replica.socket)
            if connection is None or not connection.is_open:
                connection = self._connect(replica)
            if connection is not None and (best is None or connection.in_flight < best[0].in_flight):
                best = connection, replica
        return best

    def _connect(self, replica: Replica) -> Connection | None:
        with self._changed:
            connection = self._connections.get(replica.socket)
            if replica.socket in self._suspended:
                return None
            if connection is None or not connection.is_open:
                try:
                    connection = self._connections[replica.socket] = Connection(replica.socket)
                except OSError:
                    self._mark_lost(replica)
                    return None
            return connection

    async def acquire_async(self, deadline: float | None) -> tuple[AsyncConnection, Replica]:
        """Return the same as `acquire`, for a caller on an event loop."""
        since = time.monotonic()
        while True:
            found = await self._least_busy_async()
            if found is not None:
                return found
            with self._waiting:
                await self._wait_async(self._max_wait(since, deadline))

    async def _least_busy_async(self) -> tuple[AsyncConnection, Replica] | None:
        self._bind_to(asyncio.get_running_loop())
        best: tuple[AsyncConnection, Replica] | None = None
        for replica in self.ready():
            connecting = self._async_connections.get(replica.socket)
            if connecting is None or (connecting.done() and not _is_open(connecting)):
                if replica.socket in self._suspended:
                    continue
                connecting = asyncio.ensure_future(AsyncConnection.connect(replica.socket))
                self._async_connections[replica.socket] = connecting
            try:
                connection = connecting.result() if connecting.done() else await asyncio.shield(connecting)
            except OSError:
                self._mark_lost(replica)
                continue
            if best is None or connection.in_flight < best[0].in_flight:
                best = connection, replica
        return best

    def _bind_to(self, loop: asyncio.AbstractEventLoop) -> None:
        """Connections belong to the loop that made them; a process serves from one at a time."""
        if self._loop is not loop:
            self._loop = loop
            self._async_connections = {}
            self._async_waiters = set()

    async def _wait_async(self, seconds: float) -> None:
        """Wait for the next announcement."""
        waiter = asyncio.get_running_loop().create_future()
        self._async_waiters.add(waiter)
        try:
            if not self.ready():  # announced between the caller's check and this line
                await asyncio.wait([waiter], timeout=seconds)
        finally:
            self._async_waiters.discard(waiter)

    def _max_wait(self, since: float, deadline: float | None) -> float:
        """Return the seconds that a call may wait for a replica from here on.

        Raises:
            Unavailable: no replica is starting, or the wait has lasted too long.
            DeadlineExceeded: the deadline has passed.
        """
        states = {
            replica.state
            for replica in self._replicas or ()
            if replica.state != "unresponsive" or replica.socket in self._lost  # it is about to be replaced
        }
        if not self._replicas:
            states = {"starting"}
        until = since + (_CRASH_LOOP_WAIT if states <= {"waiting", "draining"} else self._start_timeout)
        is_hopeless = states <= {"failed"} or SupervisorClient.of_process().is_owner_gone
        if is_hopeless or time.monotonic() >= until:
            raise Unavailable(f"{self._name} has no live replica at the moment")
        if deadline is not None and time.monotonic() >= deadline:
            raise DeadlineExceeded
        return (until if deadline is None else min(until, deadline)) - time.monotonic()


def _is_open(connecting: asyncio.Future[AsyncConnection]) -> bool:
    return not connecting.cancelled() and connecting.exception() is None and connecting.result().is_open


def _suspend(begun: Container[int], connection: Connection | AsyncConnection) -> None:
    connection.suspend(begun)


def _resume(connection: Connection | AsyncConnection) -> None:
    connection.resume()


def _act_if_open(act: _Act, connecting: asyncio.Future[AsyncConnection]) -> None:
    if _is_open(connecting):
        act(connecting.result())


def _wake(waiters: Sequence[asyncio.Future[None]]) -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_result(None)
