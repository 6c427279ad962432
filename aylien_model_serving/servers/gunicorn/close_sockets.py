"""Closes connections whose clients are slow to close theirs, without blocking the worker.

Who closes a connection while its client still sends may thereby take away the answer (RFC 9112,
section 9.6): Gunicorn ends its own direction, and gives the client 2 s to end the other. Its threaded worker
waits for that on the one thread that accepts connections and hands out requests, and its sync worker has no
other: a client that does not close blocks all others. Here such sockets linger on a thread of their own.
"""

from __future__ import annotations

import selectors
import socket
import threading
import time
from collections import deque

#: Sockets that linger at once; one more is closed without waiting, so that clients can't use up descriptors.
MAX_SOCKETS = 1000

#: Seconds until a socket that has just arrived is polled, where others linger already.
_TICK_SECONDS = 0.05

_PIECE = 1 << 14


class _LingeringSocket:
    """A socket whose response has been sent, and whose own direction is shut down.

    Args:
        sock: the connection.
        deadline: `time.monotonic()` seconds up to which its client may close its side.
        room: bytes that the client may still send.
    """

    __slots__ = ("_room", "deadline", "sock")

    def __init__(self, sock: socket.socket, deadline: float, room: int) -> None:
        self.sock = sock
        self.deadline = deadline
        self._room = room

    def is_finished(self) -> bool:
        """Drop what has arrived, and return whether the client has closed its side, or sends too much."""
        try:
            came = len(self.sock.recv(_PIECE))
        except BlockingIOError:
            return False
        except OSError:
            return True
        self._room -= came
        return not came or self._room <= 0


class SocketCloser:
    """Waits for clients to close their connections, on one thread that runs while there are any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._arrived: deque[_LingeringSocket] = deque()
        self._count = 0
        self._is_running = False

    def close(self, sock: socket.socket, timeout: float = 2.0, max_drain: int = 1 << 16) -> None:
        """Close a connection as `gunicorn.util.close_graceful` does, without waiting for its client.

        The caller's socket is closed when this returns, as it is there: a worker may close it once more.

        Args:
            sock: the connection, whose response has been sent.
            timeout: seconds that the client may take to close its side.
            max_drain: bytes that the client may send until then; they are dropped.
        """
        try:
            sock.shutdown(socket.SHUT_WR)
        except OSError:
            sock.close()
            return
        own = socket.socket(fileno=sock.detach())
        own.setblocking(False)
        closing = _LingeringSocket(own, time.monotonic() + timeout, max_drain)
        if closing.is_finished() or not self._enqueue(closing):
            own.close()

    def _enqueue(self, closing: _LingeringSocket) -> bool:
        """Have a socket closed later, unless too many linger."""
        with self._lock:
            if self._count >= MAX_SOCKETS:
                return False
            if not self._is_running:
                try:
                    threading.Thread(target=self._run, name="model-serving-closing").start()
                except RuntimeError:  # no thread can be started
                    return False
                self._is_running = True
            self._count += 1
            self._arrived.append(closing)
            return True

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector:
            while self._register_arrived(selector):
                for key, _ in selector.select(_TICK_SECONDS):
                    if key.data.is_finished():
                        self._close(selector, key.data)
                now = time.monotonic()
                for key in list(selector.get_map().values()):
                    if key.data.deadline < now:
                        self._close(selector, key.data)

    def _register_arrived(self, selector: selectors.BaseSelector) -> bool:
        """Register the sockets that have arrived meanwhile, and return whether any linger."""
        with self._lock:
            while self._arrived:
                closing = self._arrived.popleft()
                selector.register(closing.sock, selectors.EVENT_READ, closing)
            self._is_running = bool(selector.get_map())
            return self._is_running

    def _close(self, selector: selectors.BaseSelector, closing: _LingeringSocket) -> None:
        selector.unregister(closing.sock)
        closing.sock.close()
        with self._lock:
            self._count -= 1
