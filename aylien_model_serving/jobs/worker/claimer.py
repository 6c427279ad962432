"""Claims jobs from the store for the handler of this process, as many as it may run at once.

A thread of its own: it claims when it is woken or a job ends, and keeps what runs.
"""

from __future__ import annotations

import logging
import math
import threading
import time

from aylien_model_serving.jobs.errors import StoreUnavailable
from aylien_model_serving.jobs.worker.lease import JobLeases
from aylien_model_serving.jobs.worker.running import HEARTBEAT_INTERVAL, RunningJobs

logger = logging.getLogger(__name__)

#: Seconds between two polls of a store where nothing waits: a wake-up may be lost with a connection.
_POLL_INTERVAL = 1.0

#: Seconds between two searches for jobs whose processes are gone.
_RECLAIM_INTERVAL = 1.0

#: Seconds between two removals of expired jobs, and where one has left some.
_SWEEP_INTERVAL, _NEXT_SWEEP = 60.0, 0.25


class Claimer:
    """Keeps a handler busy with jobs.

    Args:
        leases: claims the jobs.
        running: runs them.
        slots: how many jobs may run at once.
    """

    def __init__(self, leases: JobLeases, running: RunningJobs, slots: int) -> None:
        self._leases = leases
        self._slots = slots
        self._running = running
        running.when_ended(lambda job_id: self.wake())
        self._woken = threading.Event()
        self._is_closed = False
        self._sweep_due = self._reclaimed_at = -math.inf
        self._thread = threading.Thread(target=self._run, name="model-serving-claims", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def wake(self) -> None:
        """Poll the store at once."""
        self._woken.set()

    def close(self) -> None:
        """Claim no more jobs."""
        self._is_closed = True
        self.wake()

    def release(self) -> None:
        """Put running jobs back into the queue: this process ends before they do."""
        self._running.release()

    def _run(self) -> None:
        pause = 0.0
        while True:
            self._woken.wait(pause)
            self._woken.clear()
            try:
                self._running.maintain()
                self._tidy_up()
                pause = min(self._claim_all(), max(0.0, self._sweep_due - time.monotonic()))
            except StoreUnavailable:  # which the log has
                pause = HEARTBEAT_INTERVAL if self._running else _POLL_INTERVAL
            except Exception:
                logger.exception("Jobs can't be claimed")
                pause = _POLL_INTERVAL
            if self._is_closed and not self._running:
                return

    def _claim_all(self) -> float:
        """Fill the slots, and return the seconds until the next poll."""
        while not self._is_closed and len(self._running) < self._slots:
            claimed = self._leases.claim()
            if claimed is None:
                due = self._leases.next_due()
                idle = _POLL_INTERVAL if due is None else min(_POLL_INTERVAL, due)
                return min(idle, HEARTBEAT_INTERVAL) if self._running else idle
            self._running.start(claimed)
        return HEARTBEAT_INTERVAL

    def _tidy_up(self) -> None:
        """Take jobs from processes that are gone, and remove expired ones, when that is due."""
        now = time.monotonic()
        if now > self._reclaimed_at + _RECLAIM_INTERVAL:
            self._reclaimed_at = now
            self._leases.reclaim()
        if now >= self._sweep_due:
            self._sweep_due = now + _SWEEP_INTERVAL
            if self._leases.sweep():
                self._sweep_due = time.monotonic() + _NEXT_SWEEP
