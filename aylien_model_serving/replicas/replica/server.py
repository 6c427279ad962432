"""A replica's server: one thread that accepts connections, reads calls, and runs what other threads post.

Knows sockets and when they are ready; what becomes of what comes in is its connections' to say, of a
replica `worker_connection`.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial

from aylien_model_serving.replicas.replica.frame_socket import FrameSocket, WantWrite
from aylien_model_serving.rpc.protocol import WireError

#: Seconds that a replica that exits waits for clients to receive their last replies.
_EXIT_SECONDS = 1.0


class ReplicaServer:
    """Accepts web workers' connections and reads their calls.

    Args:
        connect: makes the connection of an accepted socket, and is given what that calls when the socket
            takes no more at the moment.
    """

    def __init__(self, connect: Callable[[socket.socket, WantWrite], FrameSocket]) -> None:
        self._connect = connect
        self._selector = selectors.DefaultSelector()
        self._connections: set[FrameSocket] = set()
        self._tasks: deque[Callable[[], None]] = deque()
        self._waker, self._woken = socket.socketpair()
        self._waker.setblocking(False)
        self._woken.setblocking(False)
        self._is_awake = False
        self._drains = False
        self._ended = False
        self._thread = threading.Thread(target=self._serve, name="model-serving-replica", daemon=True)
        self.watch(self._woken, self._wake_up)

    def watch(self, sock: socket.socket | int, ready: Callable[[], None]) -> None:
        """Call a function on the server's thread whenever a socket or a descriptor can be read."""
        self._selector.register(sock, selectors.EVENT_READ, ready)

    def forget(self, descriptor: int) -> None:
        """Stop watching a descriptor; on the server's thread, before it is closed."""
        self._selector.unregister(descriptor)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def listen(self, path: str) -> None:
        """Accept connections at a path, which exists when this returns."""
        listener = socket.socket(socket.AF_UNIX)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        listener.bind(path)
        listener.listen(1024)
        listener.setblocking(False)
        self.post(lambda: self.watch(listener, partial(self._accept, listener)))

    def post(self, task: Callable[[], None]) -> None:
        """Have the server's thread run a task soon; from any thread."""
        self._tasks.append(task)
        if not self._is_awake:
            self._is_awake = True
            with contextlib.suppress(BlockingIOError):
                self._waker.send(b"\0")

    def drain(self) -> None:
        """Refuse further calls."""
        self._drains = True
        for connection in self._connections:
            connection.drains = True

    def end(self) -> None:
        """Stop once the clients have received their last replies; from another thread."""
        until = time.monotonic() + _EXIT_SECONDS
        self.post(lambda: self._end_when_idle(until))
        self._thread.join(2 * _EXIT_SECONDS)

    def _end_when_idle(self, until: float) -> None:
        if all(connection.is_idle for connection in self._connections) or time.monotonic() > until:
            self._ended = True
        else:
            time.sleep(0.005)
            self.post(lambda: self._end_when_idle(until))

    def _serve(self) -> None:
        while not self._ended:
            for key, events in self._selector.select():
                if events & selectors.EVENT_WRITE:
                    self._write(key.data.args[0])
                if events & selectors.EVENT_READ:
                    key.data()
        for connection in list(self._connections):
            self._close(connection)

    def _wake_up(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._woken.recv(4096)
        self._is_awake = False
        for _ in range(len(self._tasks)):
            self._tasks.popleft()()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError):
            sock, _ = listener.accept()
            sock.setblocking(False)
            connection = self._connect(sock, self._want_write)
            connection.drains = self._drains
            self._connections.add(connection)
            self.watch(sock, partial(self._receive, connection))

    def _receive(self, connection: FrameSocket) -> None:
        try:
            is_connected = connection.receive()
        except WireError:
            is_connected = False
        if not is_connected:
            self._close(connection)

    def _close(self, connection: FrameSocket) -> None:
        self._connections.discard(connection)
        self._selector.unregister(connection.sock)
        connection.close()

    def _want_write(self, connection: FrameSocket) -> None:
        self.post(partial(self._listen_for, connection, selectors.EVENT_READ | selectors.EVENT_WRITE))

    def _listen_for(self, connection: FrameSocket, events: int) -> None:
        if connection in self._connections:
            self._selector.modify(connection.sock, events, partial(self._receive, connection))

    def _write(self, connection: FrameSocket) -> None:
        self._listen_for(connection, selectors.EVENT_READ)
        connection.flush()
