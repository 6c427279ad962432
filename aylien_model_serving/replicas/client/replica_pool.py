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
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from aylien_model_serving.core.call_scope import NOBODY, CallScope
from aylien_model_serving.core.messages import Call
from aylien_model_serving.errors import ServingError
from aylien_model_serving.executors import STATUS
from aylien_model_serving.process import lifecycle
from aylien_model_serving.replicas.client import connection_acts as acts
from aylien_model_serving.replicas.client.patience import check_is_loaded, longest_wait
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
from aylien_model_serving.rpc.control_messages import followed

if TYPE_CHECKING:
    from aylien_model_serving.rpc.spec import Spec

#: States of replicas that take calls, or may do so again.
_BUILT = ("ready", "unresponsive")


class ReplicaPool:
    """One process's connections to the replicas of a runner.

    Args:
        spec: what they host.
        on_waiting: called with the number of calls that wait for a replica, whenever it changes.
    """

    def __init__(self, spec: Spec, on_waiting: Callable[[int], None]) -> None:
        self.pid, self.was_ready = os.getpid(), False
        self._name = spec.name
        self._service = spec.service if lifecycle.protocol else None
        self._key = followed(spec.name, self._service) if lifecycle.is_hosted() else spec.key
        self._woken: Sequence[Replica] | None = None
        self._start_timeout = spec.start_timeout
        self._waiting = WaitingCalls(spec.name, spec.max_queue * spec.most_replicas, on_waiting)
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
        """Have the replicas hosted; this pool is updated for as long as something refers to it.

        In a process that the supervisor has started, only if no other process of the service has.

        Raises:
            ConfigurationError: this process is a replica of the runner, and still loads it.
        """
        reference = weakref.ref(self)

        def on_update(replicas: list[Replica]) -> None:
            pool = reference()
            if pool is not None:
                pool.update(replicas)

        if lifecycle.is_hosted():
            check_is_loaded(spec.name)
            lifecycle.let_others_load()
            SupervisorClient.of_process().follow(spec, on_update, self._service)
        else:
            SupervisorClient.of_process().host(spec, on_update)

    def update(self, replicas: Sequence[Replica]) -> None:
        """Take over the replicas as the supervisor announces them."""
        unresponsive = {replica.socket: replica for replica in replicas if replica.state == "unresponsive"}
        for path in self._suspended - unresponsive.keys():
            self._with_connections(path, acts.resume)  # before any call is sent there
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
                path, partial(acts.suspend, flight_recorder.running(unresponsive[path].record))
            )
        if loop is not None and waiters and not loop.is_closed():
            loop.call_soon_threadsafe(_wake, waiters)

    def _with_connections(self, path: str, act: acts.Act) -> None:
        """Do something with this process's connections to a replica: with the loop's own, on the loop."""
        connection, loop = self._connections.get(path), self._loop
        if connection is not None:
            act(connection)
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._with_async_connection, path, act)

    def _with_async_connection(self, path: str, act: acts.Act) -> None:
        connecting = self._async_connections.get(path)
        if connecting is not None:
            connecting.add_done_callback(partial(acts.act_if_open, act))

    def replicas(self) -> Sequence[Replica]:
        """Return the replicas as they were last announced."""
        return self._replicas or ()

    def ready(self) -> Sequence[Replica]:
        """Return the replicas that take calls."""
        return self._ready

    def is_on_demand(self) -> bool:
        """Return whether replicas are idle, or are being loaded for a call that has met them so."""
        return any(replica.is_on_demand for replica in self.replicas())

    def _refresh_ready(self) -> None:
        self._ready = [
            replica
            for replica in self._replicas or ()
            if replica.state == "ready" and replica.socket not in self._lost
        ]
        self.was_ready = self.was_ready or bool(self._ready)

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

    def acquire(self, deadline: float | None, scope: CallScope = NOBODY) -> tuple[Connection, Replica]:
        """Return a connection to the replica with the fewest calls in flight, waiting for one that starts.

        Args:
            deadline: `time.monotonic()` seconds after which nobody waits for the call.
            scope: of the code that makes it.

        Raises:
            Cancelled: the call of that code has been abandoned.
            Unavailable: none is ready or starting, or too many calls wait already.
            DeadlineExceeded: none was ready in time.
        """
        since = time.monotonic()
        while True:
            found = self._least_busy()
            if found is not None:
                return found
            seen = self._wake()
            with scope.listening(self._wake_waiting), self._changed, self._waiting:
                scope.check()
                if not self.ready() and self._replicas is seen:
                    self._changed.wait(self._longest_wait(since, deadline))

    def _wake_waiting(self) -> None:
        with self._changed:
            self._changed.notify_all()

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
            seen = self._wake()
            with self._waiting:
                await self._wait_async(self._longest_wait(since, deadline), seen)

    async def _least_busy_async(self) -> tuple[AsyncConnection, Replica] | None:
        self._bind_to(asyncio.get_running_loop())
        best: tuple[AsyncConnection, Replica] | None = None
        for replica in self.ready():
            connecting = self._async_connections.get(replica.socket)
            if connecting is None or (connecting.done() and not acts.is_open(connecting)):
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

    def _longest_wait(self, since: float, deadline: float | None) -> float:
        return longest_wait(
            self._name, self._replicas or (), self._lost, since + self._start_timeout, since, deadline
        )

    def _bind_to(self, loop: asyncio.AbstractEventLoop) -> None:
        """Connections belong to the loop that made them; a process serves from one at a time."""
        if self._loop is not loop:
            self._loop = loop
            self._async_connections = {}
            self._async_waiters = set()

    def _wake(self) -> Sequence[Replica] | None:
        """Have idle replicas loaded, and return the announcement that says whether they are idle."""
        seen = self._replicas
        if seen is not self._woken and any(replica.state == "idle" for replica in seen or ()):
            self._woken = seen
            SupervisorClient.of_process().wake(self._key)
        return seen

    async def _wait_async(self, seconds: float, seen: Sequence[Replica] | None) -> None:
        """Wait for the announcement after one that was seen."""
        waiter = asyncio.get_running_loop().create_future()
        self._async_waiters.add(waiter)
        try:
            if not self.ready() and self._replicas is seen:  # else announced since the caller's check
                await asyncio.wait([waiter], timeout=seconds)
        finally:
            self._async_waiters.discard(waiter)


def _wake(waiters: Sequence[asyncio.Future[None]]) -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_result(None)
