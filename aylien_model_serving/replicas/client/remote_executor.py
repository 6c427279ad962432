"""The executor that runs a handler in replicas: the web worker's side of a call.

A call that was running when its replica died is retried once; one that was still queued there is sent again
as often as needed, since it can't be the cause. Which replicas there are is in `replica_pool`.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from aylien_model_serving.background import pool
from aylien_model_serving.core.call_scope import NOBODY, CallScope
from aylien_model_serving.core.messages import Call, Reply
from aylien_model_serving.errors import HandlerFailed, ServingError
from aylien_model_serving.executors.waiters import Waiters
from aylien_model_serving.replicas.client import reload_requests
from aylien_model_serving.replicas.client.replica_pool import ReplicaPool
from aylien_model_serving.replicas.client.replica_pools import ReplicaPools
from aylien_model_serving.replicas.client.supervisor_client import Replica, SupervisorClient
from aylien_model_serving.rpc.connection import (
    BegunCall,
    Connection,
    ReplicaDraining,
    ReplicaLost,
    ReplicaUnresponsive,
)
from aylien_model_serving.rpc.control_messages import ReloadAnswer, ReloadRequest
from aylien_model_serving.rpc.flight_recorder import was_running
from aylien_model_serving.rpc.spec import Spec

#: Seconds between two polls of replicas that have background tasks to finish.
_POLL_SECONDS = 0.05


#: Calls of one `run_many` that are in flight at a time: a replica's queue has room for those of two callers.
_MANY = 128


def _ignore(number: int) -> None:
    """Nothing shows how many calls wait."""


class RemoteExecutor:
    """Sends each call to the replica with the fewest calls in flight, and returns its reply.

    Args:
        spec: what the replicas host.
        on_waiting: called with the number of calls that wait for a replica, whenever it changes.
        waiters: have places for callers that wait on a server's threads.
    """

    def __init__(
        self, spec: Spec, on_waiting: Callable[[int], None] = _ignore, waiters: Waiters | None = None
    ) -> None:
        self._spec = spec
        self._pools = ReplicaPools(spec, on_waiting)
        self._waiters = waiters or Waiters()
        pool.register_for_shutdown(self)

    @property
    def takes_batches(self) -> bool:
        """Whether the handler answers several calls at once."""
        return self._spec.batching is not None

    def start(self) -> None:
        """Have the replicas started, so that the first call does not wait for their model."""
        self._pools.get()

    def ready(self) -> bool:
        replica_pool = self._pools.get()
        if self._spec.ray is not None and replica_pool.was_ready:
            return True  # a cluster that is gone for a while does not take the other routes along
        return bool(replica_pool.ready()) or replica_pool.is_on_demand()

    def wake(self) -> None:
        """Have the replicas claim jobs."""
        self._pools.get().wake()

    def replicas(self) -> Sequence[Replica]:
        """Return the replicas as they were last announced, without asking them."""
        return self._pools.get().replicas()

    def describe(self, *, with_errors: bool) -> list[dict[str, Any]]:
        """Return the state of each replica, with the queue and batches of those that answer.

        Args:
            with_errors: whether to include why a replica failed to start, as its log does.
        """
        replica_pool = self._pools.get()
        return [
            {
                "number": replica.number,
                "pid": replica.pid,
                "device": replica.device,
                "state": replica.state,
                "restarts": replica.restarts,
                **({"error": replica.error} if with_errors and replica.error else {}),
                **replica_pool.fetch_status(replica),
            }
            for replica in replica_pool.replicas()
        ]

    def reload(self, *, begin: bool) -> ReloadAnswer:
        """Begin to replace the replicas one after the other, or ask how that is.

        Args:
            begin: whether to begin; one that goes on goes on.

        Raises:
            Unavailable: the supervisor does not answer.
        """
        self.start()
        address = SupervisorClient.of_process().address()
        return reload_requests.ask(address, ReloadRequest(self._spec.key, begin))

    def retire(self, within: float) -> None:
        """Have the replicas finish what they run, and end."""
        SupervisorClient.of_process().release(self._spec.key, within)

    def status_calls(self) -> dict[int, Callable[[], dict[str, Any]]]:
        """Return what fetches each replica's own status, by the replica's process id."""
        replica_pool = self._pools.get()
        return {
            replica.pid: partial(replica_pool.fetch_status, replica) for replica in replica_pool.replicas()
        }

    def finish_tasks(self, until: float) -> int:
        """Wait until the background tasks accepted so far are done; return how many are not.

        Args:
            until: `time.monotonic()` seconds.
        """
        replica_pool = self._pools.get_existing()
        if replica_pool is None:
            return 0
        accepted = {
            replica.pid: _tasks(replica_pool, replica).get("taken", 0) for replica in replica_pool.replicas()
        }
        while True:
            left = sum(
                max(0, accepted.get(replica.pid, 0) - tasks["done"])
                for replica in replica_pool.replicas()
                if (tasks := _tasks(replica_pool, replica))
            )
            if not left or time.monotonic() > until:
                return left
            time.sleep(_POLL_SECONDS)

    def is_immediate(self) -> bool:
        return False

    def run(self, arguments: dict[str, Any], call: Call) -> Reply:
        """Run a call in a replica, and return the replica's reply, errors included.

        Raises:
            Unavailable: no replica is ready or starting, or too many calls wait for one.
            HandlerFailed: two replicas have died while they ran the call.
        """
        with self._waiters.enter_queue():
            return self._run(call)

    def run_many(self, calls: Sequence[Call]) -> list[Reply | Exception]:
        """Run calls, many at a time, and return the reply of each or what `run` would raise.

        Raises:
            Cancelled: nobody waits any more for the call whose handler makes these.
        """
        outcomes: list[Reply | Exception] = []
        begun: deque[_Begun] = deque()
        with self._waiters.enter_queue():
            try:
                for call in calls:
                    begun.append(self._begin(call))
                    if len(begun) >= _MANY:
                        outcomes.append(self._end(begun.popleft()))
                while begun:
                    outcomes.append(self._end(begun.popleft()))
            finally:
                for left in begun:
                    left.abandon()
        return outcomes

    def _begin(self, call: Call) -> _Begun:
        """Send a call to a replica; what prevents that is found again when it is ended."""
        try:
            connection, replica = self._pools.get().acquire(call.deadline, _scope_of(call))
            return _Begun(call, connection, replica, connection.begin(call, False))
        except (ReplicaLost, ReplicaUnresponsive, ServingError):
            return _Begun(call)

    def _end(self, begun: _Begun) -> Reply | Exception:
        crashes = _CrashTracker()
        try:
            if begun.sent is None or begun.connection is None or begun.replica is None:
                return self._run(begun.call)
            try:
                return begun.connection.end(begun.sent, begun.call)
            except ReplicaUnresponsive:
                pass
            except ReplicaDraining:
                self._pools.get().remove(begun.replica)
            except ReplicaLost as lost:
                self._pools.get().remove(begun.replica)
                crashes.add(begun.replica.record, lost)
            return self._run(begun.call, crashes)
        except Exception as error:
            return error

    def _run(self, call: Call, crashes: _CrashTracker | None = None) -> Reply:
        replica_pool, crashes = self._pools.get(), crashes or _CrashTracker()
        while True:
            connection, replica = replica_pool.acquire(call.deadline, _scope_of(call))
            try:
                return connection.call(call, crashes.is_suspect)
            except ReplicaUnresponsive:
                continue
            except ReplicaDraining:
                replica_pool.remove(replica)
            except ReplicaLost as lost:
                replica_pool.remove(replica)
                crashes.add(replica.record, lost)
                _check_can_be_sent_again(call, lost)

    async def run_async(self, arguments: dict[str, Any], call: Call, *, beside_loop: bool = False) -> Reply:
        replica_pool, crashes = self._pools.get(), _CrashTracker()
        while True:
            connection, replica = await replica_pool.acquire_async(call.deadline)
            try:
                return await connection.call(call, crashes.is_suspect)
            except ReplicaUnresponsive:
                await asyncio.sleep(0)  # the loop may be about to take over that it answers again
            except ReplicaDraining:
                replica_pool.remove(replica)
            except ReplicaLost as lost:
                replica_pool.remove(replica)
                crashes.add(replica.record, lost)
                _check_can_be_sent_again(call, lost)


class _Begun(NamedTuple):
    """A call that was sent to a replica, or could not be."""

    call: Call
    connection: Connection | None = None
    replica: Replica | None = None
    sent: BegunCall | None = None

    def abandon(self) -> None:
        """Cancel it: nobody will wait for its reply."""
        if self.connection is not None and self.sent is not None:
            self.connection.abandon(self.sent)


def _scope_of(call: Call) -> CallScope:
    """Return the scope of the code that makes a call; an empty one for a client's."""
    return NOBODY if call.inner is None else call.inner.scope


def _tasks(replica_pool: ReplicaPool, replica: Replica) -> dict[str, int]:
    found: dict[str, int] = replica_pool.fetch_status(replica).get("tasks", {})
    return found


def _check_can_be_sent_again(call: Call, lost: ReplicaLost) -> None:
    """Refuse a call that has sent a part of a stream, which nobody makes a second time.

    Raises:
        HandlerFailed: it has.
    """
    if call.inner is not None and any(stream.has_begun for stream in call.inner.inputs):
        raise HandlerFailed(
            "The model's process ended while it took a stream, which can't be sent again"
        ) from lost


class _CrashTracker:
    """Tracks whether a call may be the cause of its replicas' deaths."""

    is_suspect = False

    def add(self, record: str, lost: ReplicaLost) -> None:
        """Record a replica that died before it answered.

        Raises:
            HandlerFailed: it is the second that died while it ran the call.
        """
        if not was_running(record, lost.number):
            return
        if self.is_suspect:
            raise HandlerFailed("The model's process ended twice while it worked on this request") from lost
        self.is_suspect = True
