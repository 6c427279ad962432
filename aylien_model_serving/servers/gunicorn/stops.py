"""Stops of Gunicorn's WSGI workers that wait for nothing but answers.

These workers wait for each connection until `graceful_timeout`, also where it carries no request, or half of
one, and tell clients to keep connections that are about to be closed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

from aylien_model_serving.process.accepted_connections import AcceptedConnections, ListeningSocket

#: Seconds without a byte in either direction after which a stop ends a connection that has no whole request.
#: A client that has just had an answer may be sending its next request (RFC 9112, section 9.6).
QUIET_SECONDS = 1.0

#: Seconds between two looks of a gevent worker at whether it is to stop, and at whether all is answered.
_LOOK_SECONDS = 0.1


class WsgiStop:
    """What a worker does from its stop on; for a thread of its own, beside the worker's.

    Args:
        listening: the sockets that the worker listens on.
        response: the class of its responses, `gunicorn.http.wsgi.Response`; None to leave it as it is.
    """

    def __init__(self, listening: Iterable[ListeningSocket], response: Any) -> None:
        self._connections = AcceptedConnections(listening)
        self._response = response

    def tick(self) -> None:
        """Have all responses from here on close their connections, and end those that carry nothing."""
        if self._response is not None:
            self._response.should_close = closing(self._response.should_close)
            self._response = None
        self._connections.end_quiet(QUIET_SECONDS)


def closing(should_close: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """Return a response's method by which all say `Connection: close` that have not said otherwise before.

    Args:
        should_close: the method as it is.
    """

    def close(self: Any) -> bool:
        if not self.headers_sent:
            self.must_close = True
        return should_close(self)

    return close


def looking_up(gevent: Any, worker: Any) -> ModuleType:
    """Return the module `gevent` with a `sleep` that ends when a worker stops, for the worker's main loop.

    Args:
        gevent: the module.
        worker: sleeps for a second at a time.
    """
    module = ModuleType(gevent.__name__)
    module.__dict__.update(vars(gevent))

    def sleep(seconds: float = 0) -> None:
        until = time.monotonic() + seconds
        gevent.sleep(min(seconds, _LOOK_SECONDS))
        while worker.alive and (left := until - time.monotonic()) > 0:
            gevent.sleep(min(left, _LOOK_SECONDS))

    module.__dict__["sleep"] = sleep
    return module
