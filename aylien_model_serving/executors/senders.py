"""Threads on which calls send the items of their streams, so that the engine which makes these goes on.

Knows threads and calls, and nothing of what makes items.
"""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from aylien_model_serving.executors.queue import QueuedCall
from aylien_model_serving.executors.step_items import StepItems

logger = logging.getLogger(__name__)

#: Threads for each call that may be active: what is left of a call that has ended may be sent for long.
_PER_CALL = 4


class Senders:
    """Threads, one for each call until it has sent its last item.

    Args:
        calls: that may be active at a time.
    """

    def __init__(self, calls: int) -> None:
        self._threads = ThreadPoolExecutor(_PER_CALL * calls, "model-serving-steps")

    def send(self, call: QueuedCall, items: StepItems | None, error: Exception | None) -> None:
        """Have a call send its items as they come, or its error."""
        self._threads.submit(_send, call, items, error)

    def close(self) -> None:
        """Wait until all has been sent."""
        self._threads.shutdown()


def _send(call: QueuedCall, items: StepItems | None, error: Exception | None) -> None:
    try:
        deliver(call, items, error)
    finally:
        if items is not None:
            items.close()


def deliver(call: QueuedCall, result: Any, error: Exception | None) -> None:
    """Give a call its outcome; what fails then is nobody's but the log's."""
    try:
        call.finish(result, error)
    except Exception:
        logger.exception("the outcome of request %s could not be delivered", call.request_id)
