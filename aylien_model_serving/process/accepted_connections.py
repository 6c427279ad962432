"""The connections that this process has accepted, and the end of those on which nothing happens.

Standard library only. The kernel knows what a server's own objects do not tell: which connections there are
(proc(5)), and when bytes last passed (tcp(7), TCP_INFO). Without it, as on macOS, none is found.
"""

from __future__ import annotations

import _socket
import fcntl
import os
import socket
import stat
import struct
import termios
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Protocol

#: `struct tcp_info` of linux/tcp.h up to tcpi_last_data_recv, and where its two ages are, in milliseconds.
#: A listening socket has the connections that wait to be accepted in tcpi_unacked.
_TCP_INFO = struct.Struct("=8x12I")
_LAST_SENT, _LAST_RECEIVED, _UNACKED = 9, 11, 4

#: A `_socket.socket` of this type leaves a descriptor's mode as it is, whatever the default timeout.
_AS_IT_IS = socket.SOCK_STREAM | getattr(socket, "SOCK_NONBLOCK", 0)


class ListeningSocket(Protocol):
    """A listening socket, or Gunicorn's wrapper of one."""

    def fileno(self) -> int: ...

    def getsockname(self) -> Any: ...


class AcceptedConnections:
    """The connections to some listening sockets.

    Args:
        listening: the sockets.
    """

    def __init__(self, listening: Iterable[ListeningSocket]) -> None:
        found = list(listening)
        self._places = {_place(listener.getsockname()) for listener in found}
        self._listening = {os.fstat(listener.fileno()).st_ino for listener in found}
        self._since: dict[int, float] = {}

    def end_quiet(self, seconds: float) -> None:
        """Have whoever reads a connection meet its end, where nothing has passed for so many seconds.

        What is read already is answered all the same: a connection can still be written to. A request that
        arrives later is read if its bytes come before the reader looks.
        """
        now, before = time.monotonic(), self._since
        self._since = {}
        for descriptor in _descriptors():
            if _inode(descriptor) in self._listening:
                continue  # a second descriptor, however short, may outlive the close of the first
            with _opened(descriptor) as found:
                if found is None or not self._is_accepted(found):
                    continue
                quiet = quiet_seconds(found)
                if quiet is None:  # then as long as this has looked
                    inode = os.fstat(found.fileno()).st_ino
                    quiet = now - self._since.setdefault(inode, before.get(inode, now))
                if quiet >= seconds:
                    _end_reading(found)

    def _is_accepted(self, found: _socket.socket) -> bool:
        try:
            return (
                _place(found.getsockname()) in self._places
                and found.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE) == socket.SOCK_STREAM
                and not found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
            )
        except OSError:
            return False


def quiet_seconds(connection: _socket.socket) -> float | None:
    """Return for how long a connection carries nothing: 0 while bytes wait to be read, None if unknown."""
    try:
        if _waiting_bytes(connection):
            return 0.0
        ages = _tcp_info(connection)
    except (AttributeError, OSError, struct.error):
        return None
    return float(min(ages[_LAST_SENT], ages[_LAST_RECEIVED])) / 1000


def quiet_seconds_of(descriptor: int) -> float | None:
    """Return the same for a descriptor; 0 if it is none of a connection."""
    with _opened(descriptor) as found:
        return 0.0 if found is None else quiet_seconds(found)


def unaccepted_connections(listener: _socket.socket) -> int | None:
    """Return how many connections a listening socket has that nobody has accepted; None if unknown."""
    try:
        return _tcp_info(listener)[_UNACKED]
    except (AttributeError, OSError, struct.error):
        return None


def _tcp_info(of: _socket.socket) -> tuple[int, ...]:
    return _TCP_INFO.unpack(of.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size))


def _waiting_bytes(connection: _socket.socket) -> int:
    (waiting,) = struct.unpack("i", fcntl.ioctl(connection.fileno(), termios.FIONREAD, bytes(4)))
    return int(waiting)


def _place(name: object) -> object:
    """Return what a listening socket's name and those of its connections share: the port, or the path."""
    return name[1] if isinstance(name, tuple) and len(name) > 1 else name


def _descriptors() -> list[int]:
    try:
        return [int(name) for name in os.listdir("/proc/self/fd")]
    except OSError:
        return []


def _inode(descriptor: int) -> int:
    try:
        return os.fstat(descriptor).st_ino
    except OSError:
        return -1


@contextmanager
def _opened(descriptor: int) -> Iterator[_socket.socket | None]:
    """Give a socket of its own for a descriptor's connection, which its owner may close meanwhile."""
    try:
        own = os.dup(descriptor)
    except OSError:
        yield None
        return
    try:
        found = _socket.socket(-1, _AS_IT_IS, -1, own) if stat.S_ISSOCK(os.fstat(own).st_mode) else None
    except OSError:
        found = None
    try:
        yield found
    finally:
        if found is not None:
            found.detach()
        os.close(own)


def _end_reading(connection: _socket.socket) -> None:
    with suppress(OSError):  # the client has gone
        connection.shutdown(socket.SHUT_RD)
