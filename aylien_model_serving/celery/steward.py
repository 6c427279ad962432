"""What no message is for, done by a thread of a worker's main process.

Jobs go back into the queue whose processes are gone or whose pause is over, and expired ones are removed.
Where a job waits and no message does, since one was lost, another is sent.
"""

from __future__ import annotations

import logging
import math
import os
import threading
import time
from typing import TYPE_CHECKING

from aylien_model_serving.jobs.broker import messages
from aylien_model_serving.jobs.errors import StoreUnavailable
from aylien_model_serving.jobs.worker.lease import JobLeases
from aylien_model_serving.process.fork_gate import ForkGate
from aylien_model_serving.web.hosted_jobs import HostedJobs

if TYPE_CHECKING:
    from celery import Celery

logger = logging.getLogger(__name__)

#: Seconds between two turns, and between two removals of expired jobs.
_INTERVAL, _SWEEP_INTERVAL = 1.0, 60.0

#: Seconds for which a job waits, and its queue is empty, before its message counts as lost.
_LOST_AFTER = 2.0

#: Messages about one route that are sent again at a time, at most.
_MOST_MESSAGES = 100

#: Seconds for which a fork waits for this thread.
_FORK_PATIENCE = 1.0


class Steward:
    """Looks after the jobs of one service from `start` to `close`.

    Args:
        jobs: of the service.
        celery: the worker's app.
    """

    def __init__(self, jobs: HostedJobs, celery: Celery) -> None:
        self._jobs = jobs
        self._celery = celery
        self._routes = [spec.name for spec in jobs.specs]
        self._store = jobs.open_store()
        self._leases = JobLeases(self._store, jobs.service, self._routes)
        self._ready_since: dict[str, float] = {}
        self._sweep_due = -math.inf
        self._closed = threading.Event()
        self._gate = ForkGate()
        self._is_told = False

    def start(self) -> None:
        """Start the thread; processes that Celery forks later find no lock of theirs held."""
        os.register_at_fork(
            before=lambda: self._gate.close(_FORK_PATIENCE),
            after_in_parent=self._gate.open,
            after_in_child=self._gate.begin_in_child,
        )
        threading.Thread(target=self._run, name="model-serving-steward", daemon=True).start()

    def close(self) -> None:
        """End the thread."""
        self._closed.set()

    def _run(self) -> None:
        while not self._closed.wait(_INTERVAL):
            try:
                with self._gate.entered():
                    self._look()
            except StoreUnavailable:
                self._ready_since.clear()  # the log has it
            except Exception:
                logger.exception("Jobs can't be looked after")

    def _look(self) -> None:
        self._leases.reclaim()
        now = time.monotonic()
        if now >= self._sweep_due:
            self._sweep_due = now + _SWEEP_INTERVAL
            self._leases.sweep()
        for route in self._routes:
            if not self._store.restore(self._jobs.service, (route,), self._store.now()):
                self._ready_since.pop(route, None)
            elif now >= self._ready_since.setdefault(route, now) + _LOST_AFTER:
                self._ready_since[route] = now
                self._send_again(route)

    def _send_again(self, route: str) -> None:
        """Send a message for each job of a route that waits, if the broker has none."""
        service, broker = self._jobs.service, self._jobs.settings.jobs_broker
        assert broker is not None
        waiting = self._store.counts(service).get(route, {}).get("queued", 0)
        try:
            with messages.connection_to(broker) as connection:
                channel = connection.default_channel
                if messages.queue_of(service, route)(channel).queue_declare().message_count:
                    return
                for _ in range(min(waiting, _MOST_MESSAGES)):
                    messages.publish(self._celery, channel, service, route)
            self._is_told = False
        except Exception as error:  # of many classes
            if not self._is_told:
                logger.warning("Lost messages about jobs can't be sent again at the moment: %s", error)
            self._is_told = True
