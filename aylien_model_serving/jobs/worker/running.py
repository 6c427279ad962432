"""The jobs that run in this process: their leases are kept, and those are ended that have to stop.

Whoever claims jobs owns one of these, and calls `maintain` several times a second from one thread.
"""

from __future__ import annotations

import logging
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
HEARTBEAT_INTERVAL = 0.25


class RunningJobs:
    """Runs claimed jobs by one handler.

    Args:
        leases: writes the jobs' states.
        endpoint: the route's; it answers them.
        engine: runs the handler.
        parameter: of the handler, that receives the progress reporter.
        grace: seconds that a handler has to stop, once it is asked to.
        kill: ends this process, where a handler does not stop; None where it goes on, and counts for nothing.
    """

    def __init__(
        self,
        leases: JobLeases,
        endpoint: Endpoint,
        engine: CallEngine,
        parameter: str | None,
        *,
        grace: float,
        kill: Callable[[], None] | None,
    ) -> None:
        self._leases = leases
        self._endpoint = endpoint
        self._engine = engine
        self._parameter = parameter
        self._grace = grace
        self._kill = kill
        self._ended: Callable[[str], None] = _ignore
        self._executions: dict[str, JobExecution] = {}
        self._heartbeats: dict[str, float] = {}

    def when_ended(self, call: Callable[[str], None]) -> None:
        """Have somebody called with the id of each job with which this process has no more to do."""
        self._ended = call

    def __len__(self) -> int:
        return len(self._executions)

    def start(self, claimed: ClaimedJob) -> None:
        """Run a job; one whose call can't be read has ended when this returns."""
        try:
            execution = JobExecution(claimed, self._endpoint, self._leases, self._parameter, self._forget)
        except WireError as error:
            with tracing.log_lines_of(claimed.job):
                logger.error("Job %s failed: its call can't be read: %s", claimed.job.id, error)
            self._leases.fail(claimed.job, f"Its call can't be read: {error}", again=False)
            self._ended(claimed.job.id)
            return
        self._executions[claimed.job.id] = execution
        self._heartbeats[claimed.job.id] = time.monotonic()
        if len(execution.call.body) > large_work.LARGE:  # whose decoding no heartbeat may wait for
            large_work.hand_over(execution.start, self._engine)
        else:
            execution.start(self._engine)

    def maintain(self) -> None:
        """Send heartbeats, and enforce timeouts and grace periods."""
        now = time.monotonic()
        for execution in list(self._executions.values()):
            self._heartbeat(execution, now)
            if now > execution.began + execution.job.timeout:
                execution.stop("timeout")
            if execution.reason is not None and now > execution.stopped_at + self._grace:
                self._end_stuck(execution)

    def release(self, job_id: str | None = None) -> None:
        """Put a running job back into the queue, or all: this process ends before they do."""
        for execution in list(self._executions.values()):
            if job_id in (None, execution.job.id):
                execution.release()

    def _forget(self, execution: JobExecution) -> None:
        self._executions.pop(execution.job.id, None)
        self._heartbeats.pop(execution.job.id, None)
        self._ended(execution.job.id)

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
        if since < HEARTBEAT_INTERVAL:
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


def _ignore(job_id: str) -> None:
    """Nobody waits for the end of a job."""
