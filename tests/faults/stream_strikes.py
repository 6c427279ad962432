"""What is done to streams: their clients leave or read slowly, and who makes them is killed."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import time
from collections.abc import Callable
from contextlib import closing

from tests.faults.apps import ITEMS
from tests.faults.strikes import LONG_SECONDS, Strike
from tests.faults.targets import Target

#: Bytes of a slow client's receive buffer, and of what it reads first.
_BUFFER, _FIRST = 16 * 1024, 1000

_SECONDS = 60.0


def leave_a_stream(target: Target) -> Strike:
    """Leave in the midst of a stream, and ask for another one, which has to come to its end."""
    _followed(target, lambda: False)
    return Strike(set(), _followed(target))


def kill_the_replica_of_a_stream(target: Target) -> Strike:
    victim = target.pid_of("streamed")

    def kill() -> bool:
        os.kill(victim, signal.SIGKILL)
        return True

    return Strike({victim}, _followed(target, kill))


def read_a_stream_slowly(target: Target) -> Strike:
    def wait() -> bool:
        time.sleep(LONG_SECONDS)
        return True

    return Strike(set(), _followed(target, wait))


def _followed(target: Target, amid: Callable[[], bool] = lambda: True) -> str:
    """Return how a stream ended for its client.

    Args:
        target: the service.
        amid: called when some of it has come; returns whether the client stays.
    """
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        connection.settimeout(_SECONDS)
        connection.connect(("127.0.0.1", target.service.port))
        connection.sendall(b"GET /streamed HTTP/1.1\r\nHost: localhost\r\n\r\n")
        with closing(http.client.HTTPResponse(connection)) as response:
            response.begin()
            if response.status != 200:
                return str(response.status)
            received = response.read(_FIRST)
            if not amid():
                return "left"
            try:
                received += response.read()
            except (http.client.HTTPException, OSError):
                return "cut off"
    if received.count(b"\n") == ITEMS and b'"error"' not in received:
        return "whole"
    return "an error as its last item" if b'"error"' in received else "ends early"
