"""Takes jobs from the store for the handler of this process, as many as it may run at once.

A thread of its own: it claims when it is woken or a job ends, says that its jobs live, and stops those that
are to stop.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable

from aylien_model_serving.dispatch.pipeline import Endpoint
from aylien_model_serving.executors.engine import Engine
from aylien_model_serving.jobs.errors import LeaseLost, StoreUnavailable
from aylien_model_serving.jobs.job import Claimed
from aylien_model_serving.jobs.worker.execution import Working
from aylien_model_serving.jobs.worker.lease import Desk
from aylien_model_serving.rpc.protocol import WireError

logger = logging.getLogger(__name__)

#: Seconds between two words that a job lives, each of which also says whether it is to stop.
_TICK = 0.25

#: Seconds between two looks at a store where nothing waits: a wake-up may be lost with a connection.
_IDLE = 1.0

#: Seconds between two looks for jobs whose processes are gone.
_TAKE_BACK = 1.0

#: Seconds between two looks for jobs that nobody needs any more.
_SWEEP = 60.0


class Claimer:
    """Keeps a handler busy with jobs.

    Args:
        desk: where they are taken from.
        endpoint: who answers them.
        engine: runs the handler.
        slots: how many jobs may be under way.
        parameter: of the handler, that receives the progress reporter.
        grace: seconds that a handler has to stop, once it is told.
        kill: ends this process, where a handler does not stop; None where it goes on, and counts for nothing.
    """

    def __init__(
        self,
        desk: Desk,
        endpoint: Endpoint,
        engine: Engine,
        slots: int,
        parameter: str | None,
        *,
        grace: float,
        kill: Callable[[], None] | None,
    ) -> None:
        self._desk = desk
        self._endpoint = endpoint
        self._engine = engine
        self._slots = slots
        self._parameter = parameter
        self._grace = grace
        self._kill = kill
        self._working: dict[str, Working] = {}
        self._beats: dict[str, float] = {}
        self._woken = threading.Event()
        self._is_closed = False
        self._swept_at = self._took_back_at = -math.inf
        self._thread = threading.Thread(target=self._run, name="model-serving-claims", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def wake(self) -> None:
        """Look at the store at once."""
        self._woken.set()

    def close(self) -> None:
        """Take no more jobs."""
        self._is_closed = True
        self.wake()

    def give_back(self) -> None:
        """Give back what is under way: this process ends before it is done."""
        for working in list(self._working.values()):
            working.give_back()

    def _run(self) -> None:
        pause = 0.0
        while True:
            self._woken.wait(pause)
            self._woken.clear()
            try:
                self._tend()
                pause = self._claim_all()
            except StoreUnavailable as error:
                logger.warning("Jobs can't be looked at: %s", error.__cause__ or error)
                pause = _IDLE
            except Exception:
                logger.exception("Jobs can't be taken")
                pause = _IDLE
            if self._is_closed and not self._working:
                return

    def _claim_all(self) -> float:
        """Fill the slots, and return the seconds until the next look."""
        while not self._is_closed and len(self._working) < self._slots:
            claimed = self._desk.claim()
            if claimed is None:
                due = self._desk.next_due()
                idle = _IDLE if due is None else min(_IDLE, due)
                return min(idle, _TICK) if self._working else idle
            self._begin(claimed)
        return _TICK

    def _begin(self, claimed: Claimed) -> None:
        try:
            working = Working(claimed, self._endpoint, self._desk, self._parameter, self._off_the_desk)
        except WireError as error:
            self._desk.fail(claimed.job, f"Its call can't be read: {error}", again=False)
            return
        self._working[claimed.job.id] = working
        self._beats[claimed.job.id] = time.monotonic()
        working.begin(self._engine)

    def _off_the_desk(self, working: Working) -> None:
        self._working.pop(working.job.id, None)
        self._beats.pop(working.job.id, None)
        self.wake()

    def _tend(self) -> None:
        """Say that jobs live, and see to those that are to stop."""
        now = time.monotonic()
        for working in list(self._working.values()):
            self._beat(working, now)
            if time.time() > (working.job.started_at or 0) + working.job.timeout:
                working.stop("timeout")
            if working.reason is not None and now > working.stopped_at + self._grace:
                self._end(working)
        if now > self._took_back_at + _TAKE_BACK:
            self._took_back_at = now
            self._desk.take_back()
        if now > self._swept_at + _SWEEP:
            self._swept_at = now
            self._desk.sweep()

    def _end(self, working: Working) -> None:
        """End a job whose handler does not stop, and this process with it."""
        logger.error("Job %s did not stop within %g seconds", working.job.id, self._grace)
        working.give_up()
        if self._kill is not None:
            self.give_back()  # the others have done nothing wrong
            self._kill()

    def _beat(self, working: Working, now: float) -> None:
        since = now - self._beats.get(working.job.id, now)
        if since < _TICK:
            return
        try:
            working.progress.flush()
            if self._desk.heartbeat(working.job):
                working.stop("cancelled")
            self._beats[working.job.id] = now
        except LeaseLost:
            working.progress.stop()
