"""Claims jobs from the store for the handler of this process, as many as it may run at once.

A thread of its own: it claims when it is woken or a job ends, sends the heartbeats of its jobs, and stops
those that were cancelled or have run out of time.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable

from aylien_model_serving.dispatch.pipeline import Endpoint
from aylien_model_serving.executors.queue import CallEngine
from aylien_model_serving.jobs import tracing
from aylien_model_serving.jobs.errors import LeaseLost, StoreUnavailable
from aylien_model_serving.jobs.job import ClaimedJob
from aylien_model_serving.jobs.worker.execution import JobExecution
from aylien_model_serving.jobs.worker.lease import JobLeases
from aylien_model_serving.process import large_work
from aylien_model_serving.rpc.protocol import WireError

logger = logging.getLogger(__name__)

#: Seconds between two heartbeats of a job, each of which also returns whether it is to stop.
_HEARTBEAT_INTERVAL = 0.25

#: Seconds between two polls of a store where nothing waits: a wake-up may be lost with a connection.
_POLL_INTERVAL = 1.0

#: Seconds between two searches for jobs whose processes are gone.
_RECLAIM_INTERVAL = 1.0

#: Seconds between two removals of expired jobs, and where one has left some.
_SWEEP_INTERVAL, _NEXT_SWEEP = 60.0, 0.25


class Claimer:
    """Keeps a handler busy with jobs.

    Args:
        leases: claims the jobs, and writes their states.
        endpoint: the route's; it answers them.
        engine: runs the handler.
        slots: how many jobs may run at once.
        parameter: of the handler, that receives the progress reporter.
        grace: seconds that a handler has to stop, once it is asked to.
        kill: ends this process, where a handler does not stop; None where it goes on, and counts for nothing.
    """

    def __init__(
        self,
        leases: JobLeases,
        endpoint: Endpoint,
        engine: CallEngine,
        slots: int,
        parameter: str | None,
        *,
        grace: float,
        kill: Callable[[], None] | None,
    ) -> None:
        self._leases = leases
        self._endpoint = endpoint
        self._engine = engine
        self._slots = slots
        self._parameter = parameter
        self._grace = grace
        self._kill = kill
        self._executions: dict[str, JobExecution] = {}
        self._heartbeats: dict[str, float] = {}
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
        for execution in list(self._executions.values()):
            execution.release()

    def _run(self) -> None:
        pause = 0.0
        while True:
            self._woken.wait(pause)
            self._woken.clear()
            try:
                self._maintain()
                pause = min(self._claim_all(), max(0.0, self._sweep_due - time.monotonic()))
            except StoreUnavailable:  # which the log has
                pause = _HEARTBEAT_INTERVAL if self._executions else _POLL_INTERVAL
            except Exception:
                logger.exception("Jobs can't be claimed")
                pause = _POLL_INTERVAL
            if self._is_closed and not self._executions:
                return

    def _claim_all(self) -> float:
        """Fill the slots, and return the seconds until the next poll."""
        while not self._is_closed and len(self._executions) < self._slots:
            claimed = self._leases.claim()
            if claimed is None:
                due = self._leases.next_due()
                idle = _POLL_INTERVAL if due is None else min(_POLL_INTERVAL, due)
                return min(idle, _HEARTBEAT_INTERVAL) if self._executions else idle
            self._start(claimed)
        return _HEARTBEAT_INTERVAL

    def _start(self, claimed: ClaimedJob) -> None:
        try:
            execution = JobExecution(claimed, self._endpoint, self._leases, self._parameter, self._forget)
        except WireError as error:
            with tracing.log_lines_of(claimed.job):
                logger.error("Job %s failed: its call can't be read: %s", claimed.job.id, error)
            self._leases.fail(claimed.job, f"Its call can't be read: {error}", again=False)
            return
        self._executions[claimed.job.id] = execution
        self._heartbeats[claimed.job.id] = time.monotonic()
        if len(execution.call.body) > large_work.LARGE:  # whose decoding no heartbeat may wait for
            large_work.hand_over(execution.start, self._engine)
        else:
            execution.start(self._engine)

    def _forget(self, execution: JobExecution) -> None:
        self._executions.pop(execution.job.id, None)
        self._heartbeats.pop(execution.job.id, None)
        self.wake()

    def _maintain(self) -> None:
        """Send heartbeats, enforce timeouts and grace periods, and tidy the store up when that is due."""
        now = time.monotonic()
        for execution in list(self._executions.values()):
            self._heartbeat(execution, now)
            if now > execution.began + execution.job.timeout:
                execution.stop("timeout")
            if execution.reason is not None and now > execution.stopped_at + self._grace:
                self._end_stuck(execution)
        if now > self._reclaimed_at + _RECLAIM_INTERVAL:
            self._reclaimed_at = now
            self._leases.reclaim()
        if now >= self._sweep_due:
            self._sweep_due = now + _SWEEP_INTERVAL
            if self._leases.sweep():
                self._sweep_due = time.monotonic() + _NEXT_SWEEP

    def _end_stuck(self, execution: JobExecution) -> None:
        """End a job whose handler does not stop, and this process with it."""
        with tracing.log_lines_of(execution.job):
            logger.error("Job %s did not stop within %g seconds", execution.job.id, self._grace)
        execution.end_early()
        if self._kill is not None:
            self.release()  # the other jobs did stop in time, or were never asked to
            self._kill()

    def _heartbeat(self, execution: JobExecution, now: float) -> None:
        since = now - self._heartbeats.get(execution.job.id, now)
        if since < _HEARTBEAT_INTERVAL:
            return
        try:
            execution.progress.flush()
            if self._leases.heartbeat(execution.job):
                execution.stop("cancelled")
            self._heartbeats[execution.job.id] = now
        except LeaseLost:
            execution.progress.stop()
        except StoreUnavailable:
            pass  # tried again at the next turn: timeouts are kept meanwhile
