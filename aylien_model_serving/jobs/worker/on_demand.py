"""Runs the next job of a route each time that somebody asks for it, and keeps its lease meanwhile."""

from __future__ import annotations

import logging
import threading

from aylien_model_serving.jobs.worker.lease import JobLeases
from aylien_model_serving.jobs.worker.running import HEARTBEAT_INTERVAL, RunningJobs

logger = logging.getLogger(__name__)


class OnDemandWorker:
    """Runs jobs on the threads of those who ask, as far as these can tell.

    Args:
        leases: claims the jobs.
        running: runs them.
        slots: how many jobs may run at once; who asks for more waits.
    """

    def __init__(self, leases: JobLeases, running: RunningJobs, slots: int) -> None:
        self._leases = leases
        self._running = running
        running.when_ended(self._end)
        self._slots = threading.Semaphore(slots)
        self._ends: dict[str, threading.Event] = {}
        self._woken = threading.Event()
        threading.Thread(target=self._keep, name="model-serving-leases", daemon=True).start()

    def run_next(self) -> str | None:
        """Run the next job to its end, and return its id; None where none waits.

        What interrupts the calling thread meanwhile puts the job back into the queue.

        Raises:
            StoreUnavailable: nothing can be claimed.
        """
        with self._slots:
            claimed = self._leases.claim()
            if claimed is None:
                self._leases.reclaim()  # the message may be that of a process that was killed
                claimed = self._leases.claim()
            if claimed is None:
                return None
            job_id = claimed.job.id
            ended = self._ends[job_id] = threading.Event()
            try:
                self._running.start(claimed)
                self._woken.set()
                ended.wait()
            except BaseException:
                self._running.release(job_id)
                raise
        return job_id

    def _end(self, job_id: str) -> None:
        ended = self._ends.pop(job_id, None)
        if ended is not None:
            ended.set()

    def _keep(self) -> None:
        while True:
            self._woken.wait(HEARTBEAT_INTERVAL if self._running else None)
            self._woken.clear()
            try:
                self._running.maintain()
            except Exception:
                logger.exception("Jobs can't be kept")
                self._woken.wait(HEARTBEAT_INTERVAL)
