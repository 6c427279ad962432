"""One version of a runner: its slots, and the workers that need it.

Knows which workers need it and since when; which version serves and which one drains is decided in `rollout`.
"""

from __future__ import annotations

from collections.abc import Sequence

from aylien_model_serving.replicas.supervisor.rollout import VersionStatus
from aylien_model_serving.replicas.supervisor.slots import ReplicaSlot
from aylien_model_serving.rpc.control_messages import Replica
from aylien_model_serving.rpc.spec import Spec

#: Seconds that a replaced version has to finish its calls, unless one call may take longer.
_DRAIN_SECONDS = 30.0


class Deployment:
    """What is hosted under one key.

    Args:
        spec: what its replicas host.
        slots: one for each replica.
    """

    def __init__(self, spec: Spec, slots: Sequence[ReplicaSlot]) -> None:
        self.spec = spec
        self.slots = slots
        self._workers: set[object] = set()
        self._since = 0.0
        self._is_released = False

    def add_worker(self, worker: object, since: float) -> None:
        """Add a worker that needs it, with the time at which that worker began to host."""
        self._workers.add(worker)
        self._since = max(self._since, since)
        self._is_released = False

    def release(self, worker: object) -> None:
        """Remove a worker that has released it."""
        if worker in self._workers:
            self._workers.remove(worker)
            self._is_released = not self._workers

    def lose_worker(self, worker: object) -> None:
        """Remove a worker whose connection has ended, which releases nothing."""
        self._workers.discard(worker)

    def version_status(self) -> VersionStatus:
        """Return its status for the rollout."""
        return VersionStatus(
            group=(self.spec.service, self.spec.name),
            since=self._since,
            is_ready=bool(self.ready()),
            is_needed=bool(self._workers),
            is_released=self._is_released,
        )

    def replicas(self) -> list[Replica]:
        """Return its replicas as they are announced to workers."""
        return [slot.replica() for slot in self.slots]

    def ready(self) -> list[Replica]:
        """Return the replicas that take calls."""
        return [replica for replica in self.replicas() if replica.state == "ready"]

    def drain(self, now: float, seconds: float | None = None) -> None:
        """Drain all replicas.

        Args:
            now: `time.monotonic()` seconds.
            seconds: how long they may take; as long as a call may, when omitted.
        """
        if seconds is None:
            seconds = max(_DRAIN_SECONDS, self.spec.timeout or 0.0)
        for slot in self.slots:
            slot.drain(now + seconds)
