"""One version of a runner: its slots, and the workers that need it.

Knows which workers need it and since when; which version serves and which one drains is decided in `rollout`,
and which of its replicas is replaced in `scaling`.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence

from aylien_model_serving.replicas.supervisor import memory, scaling
from aylien_model_serving.replicas.supervisor.reloads import Reload
from aylien_model_serving.replicas.supervisor.rollout import VersionStatus
from aylien_model_serving.replicas.supervisor.slots import ReplicaSlot
from aylien_model_serving.rpc.control_messages import ReloadAnswer, Replica
from aylien_model_serving.rpc.spec import Spec

logger = logging.getLogger(__name__)

#: Seconds that a replaced version has to finish its calls, unless one call may take longer.
_DRAIN_SECONDS = 30.0

#: Seconds between two looks at the loads of replicas, or the part of a short time without calls.
_LOOK_SECONDS = 1.0
_LOOK_SHARE = 0.25


class Deployment:
    """What is hosted under one key.

    Args:
        spec: what its replicas host.
        slots: one for each replica.
        create_slot: returns a further slot, with a number and a device, or one of its own choice.
        most: how many replicas there may be.
        now: `time.monotonic()` seconds.
        resident_mib: returns the memory of a process.
        available_mib: returns the memory that is left.
    """

    def __init__(
        self,
        spec: Spec,
        slots: Sequence[ReplicaSlot],
        create_slot: Callable[[Spec, int, str | None], ReplicaSlot],
        most: int,
        now: float,
        resident_mib: Callable[[int], float] = memory.resident_mib,
        available_mib: Callable[[], float] = memory.available_mib,
    ) -> None:
        self.spec = spec
        self.slots = list(slots)
        self._create_slot = create_slot
        self._resident_mib = resident_mib
        self._available_mib = available_mib
        self._workers: set[object] = set()
        self._since = 0.0
        self._is_released = False
        #: Seconds that its replicas have when it is retired; None for as long as a call may take.
        self.drains_within: float | None = None
        self._handover: tuple[ReplicaSlot, ReplicaSlot] | None = None
        self._reload: Reload | None = None
        self._is_size_said = self._is_room_said = False
        self._idle_timer = scaling.IdleTimer(spec.idle)
        self._interval = min(_LOOK_SECONDS, _LOOK_SHARE * (spec.idle or math.inf))
        batch_wait = 0.0 if spec.batching is None else spec.batching.max_wait
        self._autoscaler = scaling.Autoscaler(spec.least_replicas, most, spec.threads, batch_wait)
        is_looked_at = bool(spec.recycle_after) or spec.idle is not None or most > spec.least_replicas
        self._looks_at: float | None = now + self._interval if is_looked_at else None

    @property
    def due(self) -> float | None:
        """When something is to be done, if no event comes before; None for never."""
        times = (self._looks_at, None if self._reload is None else self._reload.due)
        return min((time for time in times if time is not None), default=None)

    def add_worker(self, worker: object, since: float) -> None:
        """Add a worker that needs it, with the time at which that worker began to host."""
        self._workers.add(worker)
        self._since = max(self._since, since)
        self._is_released = False

    def release(self, worker: object, within: float | None = None) -> None:
        """Remove a worker that has released it, with the seconds in which its replicas are to end."""
        if worker in self._workers:
            self._workers.remove(worker)
            self.drains_within = within
            self._is_released = not self._workers

    def lose_worker(self, worker: object) -> None:
        """Remove a worker whose connection has ended, which releases nothing."""
        self._workers.discard(worker)

    def version_status(self) -> VersionStatus:
        """Return its status for the rollout."""
        return VersionStatus(
            group=(self.spec.service, self.spec.name),
            since=self._since,
            is_ready=bool(self.ready()) or self._is_idle(),
            is_needed=bool(self._workers),
            is_released=self._is_released,
        )

    def replicas(self) -> list[Replica]:
        """Return its replicas as they are announced to workers."""
        return [slot.replica() for slot in self.slots]

    def ready(self) -> list[Replica]:
        """Return the replicas that take calls."""
        return [replica for replica in self.replicas() if replica.state == "ready"]

    def _is_idle(self) -> bool:
        return any(slot.state == "idle" for slot in self.slots)

    def wake(self, now: float) -> None:
        """Have its replicas loaded, if it is idle."""
        if self._is_idle():
            self._idle_timer.restart()
            self._autoscaler.restart()
            self._looks_at = now + self._interval
            for slot in self.slots:
                slot.wake(now)

    def run_due(self, now: float) -> None:
        """Go on with the replacement of a replica, and begin what is due."""
        self._hand_over(now)
        if self._reload is not None:
            self._reload.run_due(now)
        self._replace_unhealthy()
        self.slots = [slot for slot in self.slots if not slot.is_finished]
        if self._looks_at is None or now < self._looks_at:
            return
        self._looks_at = now + self._interval
        load = self._take_activity()
        if load is not None and self._idle_timer.is_over(load, now):
            self._unload(now)
            return
        if load is not None:
            self._scale(load, now)
        self._recycle()
        for slot in self.slots:
            slot.ask_load()

    def _take_activity(self) -> scaling.Activity | None:
        """Return what its replicas have done since the last time; None unless all are ready and tell."""
        staying = self._staying()
        parts = [slot.take_activity() for slot in staying]
        known = [part for part in parts if part is not None]
        is_whole = len(known) == len(parts) and all(slot.state == "ready" for slot in staying)
        return scaling.total(known) if is_whole else None

    def _staying(self) -> list[ReplicaSlot]:
        return [slot for slot in self.slots if slot.state != "draining"]

    def _scale(self, load: scaling.Activity, now: float) -> None:
        """Add or remove a replica, if that is due."""
        staying = self._staying()
        change = self._autoscaler.decide(load, len(staying), now)
        if change > 0 and self._has_memory(staying):
            self._autoscaler.restart()
            logger.info("%s gets replica %d: its calls wait", self.spec.name, len(staying))
            number = min(set(range(len(self.slots) + 1)) - {slot.number for slot in self.slots})
            self.slots.append(self._create_slot(self.spec, number, None))
        elif change < 0:
            self._autoscaler.restart()
            last = max(staying, key=lambda slot: slot.number)
            logger.info("%s loses replica %d: the others have room", self.spec.name, last.number)
            last.drain(now + self._drain_seconds())

    def _has_memory(self, slots: Sequence[ReplicaSlot]) -> bool:
        """Return whether there is memory for a replica as large as the largest one; say once where not."""
        largest = max(self._resident_mib(slot.process.pid) for slot in slots if slot.process is not None)
        left = self._available_mib()
        if left < largest and not self._is_room_said:
            self._is_room_said = True
            logger.warning(
                "%s gets no further replica, though its calls wait: "
                "%.0f MiB of memory are left, and one has %.0f",
                self.spec.name, left, largest,
            )  # fmt: skip
        return left >= largest

    def _unload(self, now: float) -> None:
        self._looks_at = None
        logger.info("%s is unloaded: there was no call for %g seconds", self.spec.name, self.spec.idle)
        for count, slot in enumerate(self.slots):
            leave = slot.unload if count < self.spec.least_replicas else slot.drain
            leave(now + self._drain_seconds())

    def _recycle(self) -> None:
        """Begin to replace a replica that has done enough, one at a time."""
        for slot in list(self.slots):
            reason = "" if self._is_replacing() else self._reason_to_recycle(slot)
            if reason:
                logger.info("Replica %d of %s is replaced: %s", slot.number, self.spec.name, reason)
                self._replace(slot)

    def _reason_to_recycle(self, slot: ReplicaSlot) -> str:
        if slot.state != "ready" or slot.process is None or slot.load is None:
            return ""
        limits = self.spec.recycle_after
        mib = self._resident_mib(slot.process.pid) if "mb" in limits else 0.0
        if slot.loaded_mib is None:
            slot.loaded_mib = mib
            self._warn_of_size(mib)
        return scaling.reason_to_recycle(limits, slot.load.calls, mib, slot.loaded_mib)

    def _warn_of_size(self, mib: float) -> None:
        limit = self.spec.recycle_after.get("mb")
        if limit is not None and mib > limit and not self._is_size_said:
            self._is_size_said = True
            logger.warning(
                "A replica of %s has %.0f MiB of memory as soon as it is loaded: it is not replaced for "
                "having more than %g, 'mb' of 'recycle_after'",
                self.spec.name, mib, limit,
            )  # fmt: skip

    def _replace_unhealthy(self) -> None:
        """Begin to replace a replica whose handler is not well, one at a time."""
        slot = next((slot for slot in self.slots if slot.unhealthy and slot.is_built), None)
        if slot is not None and not self._is_replacing():
            logger.error("Replica %d of %s is replaced: %s", slot.number, self.spec.name, slot.unhealthy)
            self._replace(slot)

    def _is_replacing(self) -> bool:
        return self._handover is not None or (self._reload is not None and self._reload.is_running)

    def _replace(self, slot: ReplicaSlot) -> None:
        """Have a replica take calls until another one with its number is ready."""
        self._handover = slot, self._create_successor(slot)

    def _create_successor(self, slot: ReplicaSlot) -> ReplicaSlot:
        successor = self._create_slot(self.spec, slot.number, slot.device)
        self.slots.insert(self.slots.index(slot) + 1, successor)
        return successor

    def begin_reload(self, now: float) -> ReloadAnswer:
        """Have its replicas replaced one after the other, unless that is being done."""
        if self._reload is not None and self._reload.is_running:
            return ReloadAnswer(self._reload.state(), is_refused=True)
        if self._handover is not None:  # its successor may have read what was there before
            self._handover[1].drain(now + self._drain_seconds())
            self._handover = None
        slots, drain_seconds = self._staying(), self._drain_seconds()
        seconds = (self.spec.start_timeout + drain_seconds) * len(slots)
        self._reload = Reload(self.spec.name, slots, self._create_successor, drain_seconds, seconds, now)
        self._reload.run_due(now)
        return self.last_reload()

    def last_reload(self) -> ReloadAnswer:
        """Return how the last reload is, or was."""
        return ReloadAnswer(None if self._reload is None else self._reload.state())

    def _hand_over(self, now: float) -> None:
        if self._handover is None:
            return
        slot, successor = self._handover
        has_no_room = bool(slot.unhealthy) and successor.state in ("failed", "waiting")
        if successor.state == "ready" or not slot.is_built or has_no_room:
            self._handover = None
            slot.drain(now + self._drain_seconds())

    def _drain_seconds(self) -> float:
        return max(_DRAIN_SECONDS, self.spec.timeout or 0.0)

    def drain(self, now: float, seconds: float | None = None) -> None:
        """Drain all replicas.

        Args:
            now: `time.monotonic()` seconds.
            seconds: how long they may take; as long as a call may, when omitted.
        """
        if seconds is None:
            seconds = self._drain_seconds()
        for slot in self.slots:
            slot.drain(now + seconds)
