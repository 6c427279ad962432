"""Connections whose clients take their time to close.

Who closes a connection while its client still sends may thereby take away the answer (RFC 9112,
section 9.6): Gunicorn ends its own direction, and gives the client 2 s to end the other. Its threaded worker
waits for that on the one thread that accepts connections and hands out requests, and its sync worker has no
other: a client that does not close holds up everybody. Here they wait beside the worker.
"""

from __future__ import annotations

import selectors
import socket
import threading
import time
from collections import deque

#: Connections that wait at once; one more is closed without waiting, so that nobody can take all descriptors.
MOST = 1000

#: Seconds until a connection that has just come is looked at, where others wait already.
_TICK_SECONDS = 0.05

_PIECE = 1 << 14


class _Closing:
    """A connection that has been answered, and is ended on our side.

    Args:
        sock: the connection.
        until: `time.monotonic()` seconds up to which its client may end its side.
        room: bytes that the client may still send.
    """

    __slots__ = ("_room", "sock", "until")

    def __init__(self, sock: socket.socket, until: float, room: int) -> None:
        self.sock = sock
        self.until = until
        self._room = room

    def is_over(self) -> bool:
        """Drop what has come, and tell whether the client has ended its side, or sends too much."""
        try:
            came = len(self.sock.recv(_PIECE))
        except BlockingIOError:
            return False
        except OSError:
            return True
        self._room -= came
        return not came or self._room <= 0


class Closer:
    """Waits for clients to close their connections, on one thread that is there while there are any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._arrived: deque[_Closing] = deque()
        self._count = 0
        self._runs = False

    def close(self, sock: socket.socket, timeout: float = 2.0, max_drain: int = 1 << 16) -> None:
        """End a connection as `gunicorn.util.close_graceful` does, without waiting for it.

        The caller's socket is closed when this returns, as it is there: a worker may close it once more.

        Args:
            sock: the connection, answered.
            timeout: seconds that the client may take to end its side.
            max_drain: bytes that the client may send until then; they are dropped.
        """
        try:
            sock.shutdown(socket.SHUT_WR)
        except OSError:
            sock.close()
            return
        own = socket.socket(fileno=sock.detach())
        own.setblocking(False)
        closing = _Closing(own, time.monotonic() + timeout, max_drain)
        if closing.is_over() or not self._take(closing):
            own.close()

    def _take(self, closing: _Closing) -> bool:
        """Have a connection closed later, unless too many are waiting."""
        with self._lock:
            if self._count >= MOST:
                return False
            if not self._runs:
                try:
                    threading.Thread(target=self._work, name="model-serving-closing").start()
                except RuntimeError:  # there are no threads to be had
                    return False
                self._runs = True
            self._count += 1
            self._arrived.append(closing)
            return True

    def _work(self) -> None:
        with selectors.DefaultSelector() as selector:
            while self._goes_on(selector):
                for key, _ in selector.select(_TICK_SECONDS):
                    if key.data.is_over():
                        self._end(selector, key.data)
                now = time.monotonic()
                for key in list(selector.get_map().values()):
                    if key.data.until < now:
                        self._end(selector, key.data)

    def _goes_on(self, selector: selectors.BaseSelector) -> bool:
        """Take in who has come meanwhile, and tell whether anybody is there."""
        with self._lock:
            while self._arrived:
                closing = self._arrived.popleft()
                selector.register(closing.sock, selectors.EVENT_READ, closing)
            self._runs = bool(selector.get_map())
            return self._runs

    def _end(self, selector: selectors.BaseSelector, closing: _Closing) -> None:
        selector.unregister(closing.sock)
        closing.sock.close()
        with self._lock:
            self._count -= 1
