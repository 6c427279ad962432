"""Notifications of new work (PostgreSQL's LISTEN and NOTIFY), which wake the idle workers of all machines."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable, Iterable
from typing import Any

from aylien_model_serving.process.backoff import Backoff

logger = logging.getLogger(__name__)

CHANNEL = "model_serving_jobs"

#: Seconds after which a listener looks whether it was closed.
_TURN = 1.0

#: Seconds between two tries to connect, at most: workers poll meanwhile.
_LONGEST_PAUSE = 10.0


def topic_of(service: str, route: str) -> str:
    """Return what a notification says: a digest, since its length is limited."""
    return hashlib.sha256(f"{service}\n{route}".encode("utf-8", "surrogatepass")).hexdigest()[:32]


class WorkListener:
    """Wakes somebody when there is work on some routes, on a thread and a connection of its own.

    Args:
        parameters: of the connection.
        topics: of the routes.
        wake: called on the thread; also after each time that notifications may have been missed.
    """

    def __init__(self, parameters: dict[str, Any], topics: Iterable[str], wake: Callable[[], None]) -> None:
        self._parameters = parameters
        self._topics = frozenset(topics)
        self._wake = wake
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="model-serving-notifications", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self) -> None:
        """Have the thread end, within a second or so."""
        self._closed.set()

    def _run(self) -> None:
        import psycopg

        backoff = Backoff(_LONGEST_PAUSE)
        while not self._closed.is_set():
            try:
                with psycopg.connect(**self._parameters) as connection:
                    connection.execute(f"LISTEN {CHANNEL}")
                    backoff = Backoff(_LONGEST_PAUSE)
                    self._wake()
                    self._listen(connection)
            except psycopg.Error:  # which the store's own use tells of
                self._closed.wait(backoff.failed())

    def _listen(self, connection: Any) -> None:
        while not self._closed.is_set():
            for notice in connection.notifies(timeout=_TURN):
                if notice.payload in self._topics:
                    self._wake()
                if self._closed.is_set():
                    return
