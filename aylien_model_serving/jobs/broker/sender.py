"""Sends messages to Celery's workers from a thread of its own: no client waits for the broker.

A message that can't be sent is dropped. Its job is in the store, where the workers find it when no message
has come for a while.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
import time
from contextlib import ExitStack, suppress
from typing import Any

from aylien_model_serving.core.secrets import without_passwords
from aylien_model_serving.jobs.broker import messages

logger = logging.getLogger(__name__)

#: Messages that wait to be sent at most.
_MAX_WAITING = 1000

#: Seconds after which a connection that nobody uses is closed, and between two tries of a broker that fails.
_IDLE_SECONDS, _PAUSE = 30.0, 1.0


class MessageSender:
    """Sends messages about the jobs of one service.

    Args:
        broker: its URL.
        service: whose jobs.

    Raises:
        ConfigurationError: Celery is missing.
    """

    def __init__(self, broker: str, service: str) -> None:
        self._broker = broker
        self._service = service
        self._celery = messages.create_celery()
        self._lock = threading.Lock()
        self._pid = 0
        self._waiting: queue.Queue[str] = queue.Queue(_MAX_WAITING)
        self._open = ExitStack()
        self._channel: Any = None
        self._is_well = True

    def send(self, route: str) -> None:
        """Have a message sent that a job of a route waits."""
        with self._lock:
            if self._pid != os.getpid():  # no thread survives a fork
                self._begin()
        with suppress(queue.Full):
            self._waiting.put_nowait(route)

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._waiting = queue.Queue(_MAX_WAITING)
        self._open, self._channel = ExitStack(), None
        threading.Thread(
            target=self._run, args=(self._waiting,), name="model-serving-messages", daemon=True
        ).start()

    def _run(self, waiting: queue.Queue[str]) -> None:
        while True:
            try:
                route = waiting.get(timeout=_IDLE_SECONDS)
            except queue.Empty:
                self._close()
                continue
            self._send(route)

    def _send(self, route: str) -> None:
        was_open = self._channel is not None
        try:
            self._publish(route)
        except Exception as error:
            self._close()
            if was_open:  # the broker may have started anew since the last message
                self._send(route)
                return
            self._tell(error)
            time.sleep(_PAUSE)
        else:
            self._tell(None)

    def _publish(self, route: str) -> None:
        if self._channel is None:
            self._channel = self._open.enter_context(messages.connection_to(self._broker)).default_channel
        messages.publish(self._celery, self._channel, self._service, route)

    def _close(self) -> None:
        closing, self._open, self._channel = self._open, ExitStack(), None
        try:
            closing.close()
        except Exception:
            logger.debug("A connection to the broker could not be closed", exc_info=True)

    def _tell(self, error: Exception | None) -> None:
        """Log that the broker has begun to fail, or works again."""
        was_well, self._is_well = self._is_well, error is None
        place = without_passwords(self._broker)
        if error is not None and was_well:
            logger.error(
                "The broker %s can't be reached, and workers of Celery learn of jobs later: %s", place, error
            )
        elif error is None and not was_well:
            logger.warning("The broker %s can be reached again", place)
