"""Tells of handlers that hold gevent's hub: meanwhile no other request of their worker is answered."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from aylien_model_serving.handlers import callables
from aylien_model_serving.process import native_threads

logger = logging.getLogger(__name__)

#: Seconds for which a handler may hold the hub before the log tells of it.
HOLD_SECONDS = 1.0


class HubWatch:
    """Logs once that one handler holds the hub.

    Args:
        handler: whose name the log has.
    """

    def __init__(self, handler: Callable[..., Any]) -> None:
        self._handler = handler
        self._has_warned = False

    def check(self, seconds: float) -> None:
        """Look for how long no other greenlet has run; called by the handler's greenlet, after a long call.

        Args:
            seconds: that the call took.
        """
        if self._has_warned or not native_threads.is_patched():
            return
        held = min(seconds, native_threads.seconds_without_switch())
        if held > HOLD_SECONDS:
            self._has_warned = True
            logger.warning(
                "%s held gevent's hub for %.1f s, and with it all other requests of its worker: "
                "give its route a runner, or serve with another worker class",
                callables.name_of(self._handler),
                held,
            )
