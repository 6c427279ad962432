"""Workers of jobs that are Celery's: nothing is known of them but where to leave a message."""

from __future__ import annotations

from aylien_model_serving.jobs.broker.sender import MessageSender
from aylien_model_serving.jobs.worker.elsewhere import ElsewhereWorkers


class CeleryWorkers(ElsewhereWorkers):
    """Stands for them where jobs are kept.

    Args:
        sender: sends messages about the service's jobs.
        route: the name of the route.
    """

    def __init__(self, sender: MessageSender, route: str) -> None:
        self._sender = sender
        self._route = route

    def wake(self) -> None:
        """Have one of them look for a job."""
        self._sender.send(self._route)
