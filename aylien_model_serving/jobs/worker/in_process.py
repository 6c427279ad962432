"""The worker of jobs that are kept in a process's memory: it runs in that process, instead of in replicas.

A job that does not stop when it is asked to ends all the same, and its handler goes on for nothing.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Sequence
from typing import Any

from aylien_model_serving.core.settings import Settings
from aylien_model_serving.dispatch.pipeline import Endpoint
from aylien_model_serving.executors.engine import Engine, QueuedCall
from aylien_model_serving.handlers.signatures import Signature
from aylien_model_serving.jobs.store import Store
from aylien_model_serving.jobs.worker.worker import JobWorker
from aylien_model_serving.rpc.control_messages import Replica


class InProcessWorker:
    """Runs the jobs of one route, in each process that enqueues one.

    Args:
        store: of the jobs.
        service: whose jobs.
        endpoint: the route's; it answers them.
        handler: what it runs.
        signature: what that takes of its callers.
        slots: how many jobs may run at once.
        grace: seconds that a job has to stop, once it is asked to.
        settings: which hosts webhooks may be sent to.
    """

    def __init__(
        self,
        store: Store,
        service: str,
        endpoint: Endpoint,
        handler: Callable[..., Any],
        signature: Signature,
        *,
        slots: int,
        grace: float,
        settings: Settings,
    ) -> None:
        self._store = store
        self._service = service
        self._endpoint = endpoint
        self._handler = handler
        self._signature = signature
        self._slots = slots
        self._grace = grace
        self._settings = settings
        self._lock = threading.Lock()
        self._running: tuple[int, JobWorker] | None = None

    def ready(self) -> bool:
        return True

    def describe(self, *, with_errors: bool) -> list[dict[str, Any]]:
        """Return nothing: there are no replicas."""
        return []

    def replicas(self) -> Sequence[Replica]:
        """Return none."""
        return ()

    def wake(self) -> None:
        """Poll the store at once; the threads are started at the first time, since none survives a fork."""
        with self._lock:
            if self._running is None or self._running[0] != os.getpid():
                self._running = os.getpid(), self._open()
            job_worker = self._running[1]
        job_worker.wake()

    def _open(self) -> JobWorker:
        engine = Engine(
            self._handler,
            self._signature,
            batching=None,
            threads=self._slots,
            max_queue=None,
            observer=_NullObserver(),
        )
        job_worker = JobWorker(
            self._store,
            self._service,
            self._endpoint,
            self._handler,
            engine,
            slots=self._slots,
            grace=self._grace,
            settings=self._settings,
            kill=None,
        )
        engine.start()
        job_worker.start()
        weakref.finalize(self, _close, job_worker, engine).atexit = False
        return job_worker


def _close(job_worker: JobWorker, engine: Engine) -> None:
    job_worker.close()
    engine.close(0)


class _NullObserver:
    """Observes nothing of the engine: the endpoint's instruments count the requests."""

    def starts(self, calls: Sequence[QueuedCall]) -> None:
        """Ignore it."""

    def steps(self, calls: Sequence[QueuedCall], joined: Sequence[QueuedCall]) -> None:
        """Ignore it."""

    def ended(self, calls: Sequence[QueuedCall], seconds: float) -> None:
        """Ignore it."""

    def dropped(self, reason: str) -> None:
        """Ignore it."""

    def settled(self) -> None:
        """Ignore it."""
