"""The worker of one route's jobs in one process: the claimer, and the sender of webhooks if there are any."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aylien_model_serving.core.settings import Settings
from aylien_model_serving.dispatch.pipeline import Endpoint
from aylien_model_serving.executors.queue import CallEngine
from aylien_model_serving.jobs import progress
from aylien_model_serving.jobs.store import Store
from aylien_model_serving.jobs.webhook_sender import WebhookSender
from aylien_model_serving.jobs.worker.claimer import Claimer
from aylien_model_serving.jobs.worker.lease import JobLeases
from aylien_model_serving.jobs.worker.running import RunningJobs


class JobWorker:
    """Runs jobs from `start` to `close`.

    Args:
        store: of the jobs.
        service: whose jobs.
        endpoint: the route's; it answers them.
        handler: what it runs.
        engine: runs it.
        slots: how many jobs may run at once.
        grace: seconds that a job has to stop, once it is asked to.
        settings: which hosts webhooks may be sent to.
        kill: ends this process, where a handler does not stop; None where that must not be.
    """

    def __init__(
        self,
        store: Store,
        service: str,
        endpoint: Endpoint,
        handler: Callable[..., Any],
        engine: CallEngine,
        *,
        slots: int,
        grace: float,
        settings: Settings,
        kill: Callable[[], None] | None,
    ) -> None:
        self._store = store
        self._topic = service, (endpoint.name,)
        self._stop_listening: Callable[[], None] | None = None
        leases = JobLeases(store, *self._topic)
        running = RunningJobs(
            leases, endpoint, engine, progress.parameter_of(handler), grace=grace, kill=kill
        )
        self._claimer = Claimer(leases, running, slots)
        self._webhook_sender = (
            WebhookSender(store, service, settings.webhook_allow, settings.webhook_secret)
            if settings.webhook_allow and settings.webhook_secret
            else None
        )

    def start(self) -> None:
        """Start the threads."""
        self._claimer.start()
        self._stop_listening = self._store.listen(*self._topic, self._claimer.wake)
        if self._webhook_sender is not None:
            self._webhook_sender.start()

    def wake(self) -> None:
        """Poll the store at once."""
        self._claimer.wake()

    def close(self) -> None:
        """Claim no more jobs."""
        self._claimer.close()
        if self._stop_listening is not None:
            self._stop_listening()
        if self._webhook_sender is not None:
            self._webhook_sender.close()

    def release(self) -> None:
        """Put running jobs back into the queue."""
        self._claimer.release()
