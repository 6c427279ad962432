"""The heartbeat of a replica: a question that it has to answer, and how long it has not answered one.

Pure. Silence is counted in beats and not by the clock: a supervisor that was stopped itself, or with its
machine, blames no replica for that time.
"""

from __future__ import annotations

import math

#: Beats within the seconds after which a silent replica counts as unresponsive.
_BEATS = 10


class Heartbeat:
    """The beats of one process of a replica.

    Args:
        unresponsive_after: seconds of silence after which the replica counts as unresponsive; None: never,
            and it is not asked.
    """

    def __init__(self, unresponsive_after: float | None) -> None:
        self._interval = math.inf if unresponsive_after is None else unresponsive_after / _BEATS
        self._is_asked = False
        self._missed = 0
        self.due = math.inf

    @property
    def silence(self) -> float:
        """Seconds for which the last question has had no answer."""
        return self._missed * self._interval if self._missed else 0.0

    @property
    def is_unresponsive(self) -> bool:
        """Whether the silence is longer than a replica may be silent."""
        return self._missed >= _BEATS

    def schedule(self, now: float) -> None:
        """Set when the next beat is due: at the same times for all replicas, so that they wake nobody twice.

        Args:
            now: `time.monotonic()` seconds.
        """
        if self._interval < math.inf:
            self.due = (math.floor(now / self._interval + 0.5) + 1) * self._interval

    def beat(self, now: float) -> bool:
        """Count a beat that is due, and return whether the replica is to be asked: once until it answers."""
        if now < self.due:
            return False
        self.schedule(now)
        if self._is_asked:
            self._missed += 1
            return False
        self._is_asked = True
        return True

    def on_answer(self) -> None:
        """Begin anew: the replica has answered."""
        self._is_asked = False
        self._missed = 0
