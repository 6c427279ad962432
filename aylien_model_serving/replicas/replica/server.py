"""A replica's server: one thread that accepts connections, reads calls, and runs what other threads post.

Knows sockets and when they are ready; what a call is and how it is answered is in `worker_connection` and
`request`.
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

from aylien_model_serving.core.messages import Reply
from aylien_model_serving.dispatch.pipeline import Endpoint
from aylien_model_serving.executors.engine import Engine
from aylien_model_serving.replicas.replica.request import OutcomeBuffer
from aylien_model_serving.replicas.replica.worker_connection import WorkerConnection
from aylien_model_serving.rpc.protocol import WireError

#: Seconds that a replica that exits waits for clients to receive their last replies.
_EXIT_SECONDS = 1.0


class ReplicaServer:
    """Accepts web workers' connections and reads their calls.

    Args:
        endpoint: decodes the calls and encodes their replies.
        engine: runs the handler.
        outcomes: collects those of a batch until they are sent together.
        get_status: returns the reply to a call for the replica's own status.
        wake: called when jobs may wait.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        engine: Engine,
        outcomes: OutcomeBuffer | None,
        get_status: Callable[[], Reply],
        wake: Callable[[], None],
    ) -> None:
        self._endpoint = endpoint
        self._engine = engine
        self._outcomes = outcomes
        self._get_status = get_status
        self._wake_job_worker = wake
        self._selector = selectors.DefaultSelector()
        self._connections: set[WorkerConnection] = set()
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
            connection = WorkerConnection(
                sock,
                self._endpoint,
                self._engine,
                self._outcomes,
                self._want_write,
                self._get_status,
                self._wake_job_worker,
            )
            connection.drains = self._drains
            self._connections.add(connection)
            self.watch(sock, partial(self._receive, connection))

    def _receive(self, connection: WorkerConnection) -> None:
        try:
            is_connected = connection.receive()
        except WireError:
            is_connected = False
        if not is_connected:
            self._close(connection)

    def _close(self, connection: WorkerConnection) -> None:
        self._connections.discard(connection)
        self._selector.unregister(connection.sock)
        connection.close()

    def _want_write(self, connection: WorkerConnection) -> None:
        self.post(partial(self._listen_for, connection, selectors.EVENT_READ | selectors.EVENT_WRITE))

    def _listen_for(self, connection: WorkerConnection, events: int) -> None:
        if connection in self._connections:
            self._selector.modify(connection.sock, events, partial(self._receive, connection))

    def _write(self, connection: WorkerConnection) -> None:
        self._listen_for(connection, selectors.EVENT_READ)
        connection.flush()
