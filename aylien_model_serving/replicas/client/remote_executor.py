"""The executor that runs a handler in replicas: the web worker's side of a call.

A call that was running when its replica died is retried once; one that was still queued there is sent again
as often as needed, since it can't be the cause. Which replicas there are is in `replica_pool`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from aylien_model_serving.background import pool
from aylien_model_serving.core.messages import Call, Reply
from aylien_model_serving.errors import HandlerFailed
from aylien_model_serving.executors.waiters import Waiters
from aylien_model_serving.replicas.client.replica_pool import ReplicaPool
from aylien_model_serving.replicas.client.replica_pools import ReplicaPools
from aylien_model_serving.replicas.client.supervisor_client import Replica
from aylien_model_serving.rpc.connection import ReplicaDraining, ReplicaLost, ReplicaUnresponsive
from aylien_model_serving.rpc.flight_recorder import was_running
from aylien_model_serving.rpc.spec import Spec

#: Seconds between two polls of replicas that have background tasks to finish.
_POLL_SECONDS = 0.05


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
        self._pools = ReplicaPools(spec, on_waiting)
        self._waiters = waiters or Waiters()
        pool.register_for_shutdown(self)

    def start(self) -> None:
        """Have the replicas started, so that the first call does not wait for their model."""
        self._pools.get()

    def ready(self) -> bool:
        return bool(self._pools.get().ready())

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

    def _run(self, call: Call) -> Reply:
        replica_pool, crashes = self._pools.get(), _CrashTracker()
        while True:
            connection, replica = replica_pool.acquire(call.deadline)
            try:
                return connection.call(call, crashes.is_suspect)
            except ReplicaUnresponsive:
                continue
            except ReplicaDraining:
                replica_pool.remove(replica)
            except ReplicaLost as lost:
                replica_pool.remove(replica)
                crashes.add(replica.record, lost)

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


def _tasks(replica_pool: ReplicaPool, replica: Replica) -> dict[str, int]:
    found: dict[str, int] = replica_pool.fetch_status(replica).get("tasks", {})
    return found


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
