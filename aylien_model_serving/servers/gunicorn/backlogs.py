"""Connections that the kernel has accepted and no worker has, when a service stops.

They are reset when the last process closes the socket that it listens on, though their clients have sent a
request. So a worker that stops takes all of them, closes the socket before anything else, and answers them.
"""

from __future__ import annotations

import asyncio
import os
import select
import socket
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any

from aylien_model_serving.process import native_threads
from aylien_model_serving.process.accepted_connections import ListeningSocket, unaccepted_connections

#: Connections that one worker takes from a backlog at most: the kernel's own limit, unless it was raised.
_MOST = 4096


class NamedListener:
    """What an answer needs of a listening socket that is closed.

    Args:
        name: of the socket.
        taken: a connection that it had, and its client's address.
    """

    def __init__(self, name: object, taken: tuple[socket.socket, Any] | None = None) -> None:
        self._name = name
        self._taken = taken

    def getsockname(self) -> object:
        return self._name

    def accept(self) -> tuple[socket.socket, Any]:
        if self._taken is None:
            raise BlockingIOError("the socket is closed")
        return self._taken


def is_held_by(process: int, listener: ListeningSocket) -> bool:
    """Return whether a process has a socket open; True where that can't be told, as on macOS.

    A master that stops has closed its sockets before it tells its workers. One that reloads, or replaces a
    worker that has answered enough, has workers that will take what waits.
    """
    own = os.fstat(listener.fileno())
    try:
        numbers = os.listdir(f"/proc/{process}/fd")
    except FileNotFoundError:
        return not os.path.exists("/proc/self/fd")
    except OSError:
        return True
    for number in numbers:
        with suppress(OSError):  # it was closed meanwhile
            if os.path.samestat(os.stat(f"/proc/{process}/fd/{number}"), own):
                return True
    return False


def drain_gthread(worker: Any, disable_accepting: Callable[[bool], None], enabled: bool) -> None:
    """Take what waits before a stop has a gthread worker accept no more; in place of `set_accept_enabled`."""
    listeners = [] if enabled or worker.alive else _last_held(worker)
    disable_accepting(enabled)
    for listener in listeners:
        name = listener.getsockname()
        for taken in _taken(listener, worker.worker_connections - worker.nr_conns, listener.close):
            worker.accept(NamedListener(name, taken))


def drain_sync(worker: Any, run: Callable[[], None]) -> None:
    """Take and answer what waits once a sync worker has stopped; in place of `run`."""
    run()
    if worker.alive:
        return
    for listener in _last_held(worker):
        name = NamedListener(listener.getsockname())
        for client, address in _taken(listener, _MOST, listener.close):
            worker.notify()
            client.setblocking(True)
            worker.handle(name, client, address)


class DrainedServer:
    """A server of an event loop that takes what waits when its worker stops.

    Args:
        worker: of the class `asgi`.
        server: the loop's.
        listener: its socket.
        connect: makes a protocol for a connection that has been accepted.
    """

    def __init__(
        self,
        worker: Any,
        server: Any,
        listener: Any,
        connect: Callable[[socket.socket], Coroutine[Any, Any, object]],
    ) -> None:
        self._worker = worker
        self._server = server
        self._listener = listener
        self._connect = connect
        self._connecting: list[asyncio.Task[object]] = []

    def close(self) -> None:
        """Listen no more."""
        taken: list[tuple[socket.socket, Any]] = []
        if not is_held_by(self._worker.ppid, self._listener):
            room = self._worker.worker_connections - self._worker.nr_conns
            taken = _taken(self._listener, room, self._server.close)
        self._server.close()
        for client, _ in taken:
            client.setblocking(False)
            self._connecting.append(self._worker.loop.create_task(self._connect(client)))

    async def wait_closed(self) -> None:
        """Wait until all connections that were taken have their protocols."""
        if self._connecting:
            await asyncio.wait(self._connecting)
        await self._server.wait_closed()


def drained_gevent_server(kind: Any, worker: Any) -> Any:
    """Return a class of gevent's servers whose instances take what waits when they are closed.

    Args:
        kind: `gevent.server.StreamServer`.
        worker: of the class `gevent`.
    """

    class Server(kind):  # type: ignore[misc]  # its base is known once gevent is imported
        def close(self) -> None:
            listener = vars(self).get("socket")
            if listener is not None and not is_held_by(worker.ppid, listener):
                self.stop_accepting()
                # gevent's `close` of sockets and of `os` lets other greenlets run before.
                close = partial(native_threads.original("os", "close"), listener.fileno())
                _drain(listener, self._take_next, lambda: not self.full(), close)
                listener.detach()
            handle = vars(self).get("handle")
            super().close()
            if handle is not None:
                self.handle = handle  # for connections whose TLS handshake is under way

        def _take_next(self) -> bool:
            taken = self.do_read()
            if taken:
                self.do_handle(*taken)
            return bool(taken)

    return Server


def with_names(handle: Callable[..., None], listeners: list[Any]) -> Callable[..., None]:
    """Return a gevent worker's `handle` for connections whose listening socket may be closed by then.

    Args:
        handle: takes the socket, the connection and the client's address.
        listeners: the worker's sockets.
    """
    named = {listener: NamedListener(listener.getsockname()) for listener in listeners}
    return lambda listener, client, address: handle(named.get(listener, listener), client, address)


def _last_held(worker: Any) -> list[Any]:
    """Return the sockets that the master has closed, and its workers are the last to have."""
    return [listener for listener in worker.sockets if not is_held_by(worker.ppid, listener)]


def _taken(listener: Any, most: int, close: Callable[[], object]) -> list[tuple[socket.socket, Any]]:
    """Close a socket, and return the connections that waited, and the addresses of their clients."""
    taken: list[tuple[socket.socket, Any]] = []

    def take_next() -> bool:
        taken.append(listener.accept())
        return True

    _drain(listener, take_next, lambda: len(taken) < most, close)
    return taken


def _drain(
    listener: Any, take_next: Callable[[], bool], has_room: Callable[[], bool], close: Callable[[], object]
) -> None:
    """Take connections until none waits, and close their socket before another comes.

    The last look lets no other thread run, whose answers would have clients connect again.
    """
    for _ in range(_MOST):
        try:
            has_taken = has_room() and take_next()
        except OSError:  # none is left, or one has gone
            has_taken = False
        if not has_taken and not (_waits(listener) and has_room()):
            break
    close()


def _waits(listener: Any) -> bool:
    """Return whether a connection waits to be accepted."""
    waiting = unaccepted_connections(listener)
    if waiting is not None:
        return waiting > 0
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    return bool(poll.poll(0))
