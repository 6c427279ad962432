"""All that works on the jobs of one route in one process: the claims, and webhooks where there may be any."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aylien_model_serving.core.settings import Settings
from aylien_model_serving.dispatch.pipeline import Endpoint
from aylien_model_serving.executors.engine import Engine
from aylien_model_serving.jobs import progress
from aylien_model_serving.jobs.store import Store
from aylien_model_serving.jobs.webhook_sender import Telling
from aylien_model_serving.jobs.worker.claimer import Claimer
from aylien_model_serving.jobs.worker.lease import Desk


class Workshop:
    """Works on jobs from `start` to `close`.

    Args:
        store: where the jobs are.
        service: whose jobs.
        endpoint: the route's; it answers them.
        handler: what it runs.
        engine: runs it.
        slots: how many jobs may be under way.
        grace: seconds that a job has to stop, once it is told.
        settings: which webhooks may be told.
        kill: ends this process, where a handler does not stop; None where that must not be.
    """

    def __init__(
        self,
        store: Store,
        service: str,
        endpoint: Endpoint,
        handler: Callable[..., Any],
        engine: Engine,
        *,
        slots: int,
        grace: float,
        settings: Settings,
        kill: Callable[[], None] | None,
    ) -> None:
        desk = Desk(store, service, (endpoint.name,))
        self._claimer = Claimer(
            desk, endpoint, engine, slots, progress.parameter_of(handler), grace=grace, kill=kill
        )
        self._telling = (
            Telling(store, service, settings.webhook_allow, settings.webhook_secret)
            if settings.webhook_allow and settings.webhook_secret
            else None
        )

    def start(self) -> None:
        """Begin to work."""
        self._claimer.start()
        if self._telling is not None:
            self._telling.start()

    def wake(self) -> None:
        """Look for jobs at once."""
        self._claimer.wake()

    def close(self) -> None:
        """Take no more jobs."""
        self._claimer.close()
        if self._telling is not None:
            self._telling.close()

    def give_back(self) -> None:
        """Give back what is under way."""
        self._claimer.give_back()
