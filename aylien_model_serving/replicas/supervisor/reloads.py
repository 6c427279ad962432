"""The reload of a runner's weights: its replicas are replaced one after the other by others that have loaded.

Pure: times are passed in. Where a successor can't be built, the replica that it was to replace stays.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Literal

from aylien_model_serving.replicas.supervisor.slots import ReplicaSlot
from aylien_model_serving.rpc.control_messages import ReloadState

logger = logging.getLogger(__name__)


class Reload:
    """One reload, from the request for it until all replicas are replaced or one can't be.

    Args:
        name: of the runner.
        slots: the replicas to replace.
        create_successor: returns the slot that is to replace one.
        drain_seconds: that a replaced replica has to finish its calls.
        seconds: after which the reload has failed.
        now: `time.monotonic()` seconds.
    """

    def __init__(
        self,
        name: str,
        slots: Sequence[ReplicaSlot],
        create_successor: Callable[[ReplicaSlot], ReplicaSlot],
        drain_seconds: float,
        seconds: float,
        now: float,
    ) -> None:
        self._id = f"{round(now * 1_000_000):x}"
        self._name = name
        self._left = deque(slots)
        self._replicas = len(slots)
        self._replaced = 0
        self._create_successor = create_successor
        self._drain_seconds = drain_seconds
        self._seconds = seconds
        self._until = now + seconds
        self._pair: tuple[ReplicaSlot, ReplicaSlot] | None = None
        self._state: Literal["running", "done", "failed"] = "running"
        self._error = ""

    @property
    def is_running(self) -> bool:
        """Whether it goes on."""
        return self._state == "running"

    @property
    def due(self) -> float | None:
        """When it has failed at the latest; None once it is over."""
        return self._until if self.is_running else None

    def state(self) -> ReloadState:
        """Return how it is, for whoever asks."""
        return ReloadState(
            id=self._id,
            state=self._state,
            replaced=self._replaced,
            replicas=self._replicas,
            error=self._error,
        )

    def run_due(self, now: float) -> None:
        """Go on with it, as far as that is possible."""
        if self._pair is not None:
            self._hand_over(*self._pair, now)
        if self.is_running and self._pair is None:
            self._begin_next()

    def _begin_next(self) -> None:
        while self._left and self._left[0].state in ("draining", "idle"):
            self._left.popleft()
            self._replicas -= 1
        if not self._left:
            self._state = "done"
            logger.info("%s is loaded again: %d replicas were replaced", self._name, self._replaced)
            return
        slot = self._left.popleft()
        logger.info("Replica %d of %s is replaced: it is to be loaded again", slot.number, self._name)
        self._pair = slot, self._create_successor(slot)

    def _hand_over(self, slot: ReplicaSlot, successor: ReplicaSlot, now: float) -> None:
        if successor.state in ("failed", "waiting"):
            self._fail(successor.replica().error, now)
        elif successor.state == "draining":
            self._fail("The runner ends", now)
        elif slot.is_finished and successor.is_built:
            self._replaced += 1
            self._pair = None
        elif now >= self._until:
            self._fail(f"It was not over within {self._seconds:g} seconds", now)
        elif slot.state != "draining" and (successor.is_built or not slot.is_built):
            slot.drain(now + self._drain_seconds)

    def _fail(self, error: str, now: float) -> None:
        """End it: the replica that takes calls stays, and else its successor, which is started again."""
        assert self._pair is not None
        slot, successor = self._pair
        self._pair = None
        self._left.clear()
        self._state, self._error = "failed", error
        logger.error("%s is not loaded again: %s", self._name, error.strip().rpartition("\n")[2])
        if slot.is_built:
            successor.drain(now + self._drain_seconds)
