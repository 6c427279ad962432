"""Runs a handler in the processes that host it: the web worker's side.

A call whose replica dies is tried once more; one that was still waiting there is sent again as often
as it takes, since it can't be to blame.
"""

from __future__ import annotations

import time
from typing import Any

from aylien_model_serving.background import pool
from aylien_model_serving.core.messages import Call, Reply
from aylien_model_serving.errors import HandlerFailed
from aylien_model_serving.replicas.client.replica_pool import Fleet, ReplicaPool
from aylien_model_serving.replicas.client.supervisor_client import Replica
from aylien_model_serving.rpc.connection import ReplicaDraining, ReplicaLost
from aylien_model_serving.rpc.flight_recorder import was_running
from aylien_model_serving.rpc.spec import Spec

#: Seconds between two looks at replicas that have background tasks to finish.
_LOOK_SECONDS = 0.05


class RemoteExecutor:
    """Sends calls to the replica that has the fewest of them, and returns their replies.

    Args:
        spec: what hosts the handler.
    """

    def __init__(self, spec: Spec) -> None:
        self._fleet = Fleet(spec)
        pool.register_for_shutdown(self)

    def start(self) -> None:
        """Have the replicas started, so that the first call does not wait for their model."""
        self._fleet.here()

    def ready(self) -> bool:
        return bool(self._fleet.here().ready())

    def wake(self) -> None:
        """Have the replicas look for jobs."""
        self._fleet.here().wake()

    def describe(self, *, with_errors: bool) -> list[dict[str, Any]]:
        """Return what is known of each replica, with the queue and batches of those that answer.

        Args:
            with_errors: whether to tell why a replica failed to start, as its log does.
        """
        here = self._fleet.here()
        return [
            {
                "number": replica.number,
                "pid": replica.pid,
                "device": replica.device,
                "state": replica.state,
                "restarts": replica.restarts,
                **({"error": replica.error} if with_errors and replica.error else {}),
                **here.ask_status(replica),
            }
            for replica in here.announced()
        ]

    def finish_tasks(self, until: float) -> int:
        """Wait until the background tasks that the replicas have by now are done; return how many are not.

        Args:
            until: `time.monotonic()` seconds.
        """
        here = self._fleet.known()
        if here is None:
            return 0
        goals = {replica.pid: _tasks(here, replica).get("taken", 0) for replica in here.announced()}
        while True:
            left = sum(
                max(0, goals.get(replica.pid, 0) - told["done"])
                for replica in here.announced()
                if (told := _tasks(here, replica))
            )
            if not left or time.monotonic() > until:
                return left
            time.sleep(_LOOK_SECONDS)

    def is_immediate(self) -> bool:
        return False

    def run(self, arguments: dict[str, Any], call: Call) -> Reply:
        """Answer a call by the replica's own reply, errors included.

        Raises:
            Unavailable: no replica is live or starting, or too many calls wait for one.
            HandlerFailed: two replicas have died while they worked on the call.
        """
        here, suspicion = self._fleet.here(), _CrashTracker()
        while True:
            link, replica = here.link(call.deadline)
            try:
                return link.call(call, suspicion.is_suspect)
            except ReplicaDraining:
                here.leave(replica)
            except ReplicaLost as lost:
                here.leave(replica)
                suspicion.grow(replica.record, lost)

    async def run_async(self, arguments: dict[str, Any], call: Call) -> Reply:
        here, suspicion = self._fleet.here(), _CrashTracker()
        while True:
            link, replica = await here.link_async(call.deadline)
            try:
                return await link.call(call, suspicion.is_suspect)
            except ReplicaDraining:
                here.leave(replica)
            except ReplicaLost as lost:
                here.leave(replica)
                suspicion.grow(replica.record, lost)


def _tasks(here: ReplicaPool, replica: Replica) -> dict[str, int]:
    found: dict[str, int] = here.ask_status(replica).get("tasks", {})
    return found


class _CrashTracker:
    """Whether a call may be what kills its replicas."""

    is_suspect = False

    def grow(self, record: str, lost: ReplicaLost) -> None:
        """Take note of a replica that died before it answered.

        Raises:
            HandlerFailed: it is the second that was running the call.
        """
        if not was_running(record, lost.number):
            return
        if self.is_suspect:
            raise HandlerFailed("The model's process ended twice while it worked on this request") from lost
        self.is_suspect = True
