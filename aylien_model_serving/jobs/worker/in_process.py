"""Works on jobs within the process that keeps them in its memory, instead of replicas.

A job that does not stop when it is told to has ended all the same, and its handler goes on for nothing.
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
from aylien_model_serving.jobs.worker.worker import Workshop


class Beside:
    """Works on the jobs of one route, in each process that puts one there.

    Args:
        store: where the jobs are.
        service: whose jobs.
        endpoint: of the route; it answers them.
        handler: what it runs.
        signature: what that takes of its callers.
        slots: how many jobs may be under way.
        grace: seconds that a job has to stop, once it is told.
        settings: which webhooks may be told.
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
        self._here: tuple[int, Workshop] | None = None

    def ready(self) -> bool:
        return True

    def describe(self, *, with_errors: bool) -> list[dict[str, Any]]:
        """Return nothing: there are no replicas."""
        return []

    def wake(self) -> None:
        """Look for jobs at once; the threads are started at the first time, since none survives a fork."""
        with self._lock:
            if self._here is None or self._here[0] != os.getpid():
                self._here = os.getpid(), self._open()
            workshop = self._here[1]
        workshop.wake()

    def _open(self) -> Workshop:
        engine = Engine(
            self._handler,
            self._signature,
            batching=None,
            threads=self._slots,
            max_queue=None,
            observer=_Nobody(),
        )
        workshop = Workshop(
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
        workshop.start()
        weakref.finalize(self, _close, workshop, engine).atexit = False
        return workshop


def _close(workshop: Workshop, engine: Engine) -> None:
    workshop.close()
    engine.close(0)


class _Nobody:
    """Notes nothing of what the engine does: the endpoint's instruments count the requests."""

    def starts(self, jobs: Sequence[QueuedCall]) -> None:
        """Nothing is noted."""

    def ended(self, jobs: Sequence[QueuedCall], seconds: float) -> None:
        """Nothing is noted."""

    def dropped(self, reason: str) -> None:
        """Nothing is noted."""

    def settled(self) -> None:
        """Nothing is noted."""
