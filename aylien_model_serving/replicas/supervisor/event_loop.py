"""A single-threaded event loop, and the non-blocking sockets that lead to workers and replicas.

What a socket does not take at once is sent when it takes more. Knows framing, and nothing of what a message
means.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import msgspec

from aylien_model_serving.rpc.control_framing import MessageDecoder, MessageError, encode

_CHUNK = 65536

_T = TypeVar("_T")


class EventLoop:
    """Calls a function whenever its descriptor is ready."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()

    def watch(self, descriptor: int, call: Callable[[], None], *, writes: bool = False) -> None:
        """Call a function whenever a descriptor is readable, or with `writes` writable."""
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if writes else 0)
        if descriptor in self._selector.get_map():
            self._selector.modify(descriptor, events, call)
        else:
            self._selector.register(descriptor, events, call)

    def forget(self, descriptor: int) -> None:
        """Stop watching a descriptor; to be called before it is closed."""
        self._selector.unregister(descriptor)

    def wait(self, seconds: float | None) -> None:
        """Wait so many seconds at most, for None without limit; call the functions of ready descriptors."""
        for key, _ in self._selector.select(seconds):
            current = self._selector.get_map().get(key.fd)
            if current is not None and current.data == key.data:  # an earlier call may have closed it
                key.data()

    def close(self) -> None:
        """Stop watching all descriptors."""
        self._selector.close()


class PeerSocket(Generic[_T]):
    """A socket over which messages go both ways.

    Args:
        loop: watches the socket.
        sock: the socket.
        kind: the type of the received messages.
        on_message: called with each of them.
        on_closed: called once, when the other end has closed the socket or violates the protocol.
    """

    def __init__(
        self,
        loop: EventLoop,
        sock: socket.socket,
        kind: type[_T],
        on_message: Callable[[_T], None],
        on_closed: Callable[[], None],
    ) -> None:
        sock.setblocking(False)
        self._loop = loop
        self._socket = sock
        self._decoder = MessageDecoder(kind)
        self._unsent = bytearray()
        self._on_message = on_message
        self._on_closed = on_closed
        self.is_open = True
        loop.watch(sock.fileno(), self.on_ready)

    @property
    def has_unsent(self) -> bool:
        """Whether something waits for the socket to take it."""
        return bool(self._unsent)

    def send(self, message: msgspec.Struct) -> None:
        """Send a message, at once or as the socket takes it; nothing if the socket is closed."""
        if self.is_open:
            self._unsent += encode(message)
            self._write()

    def on_ready(self) -> None:
        """Send and receive what can be sent and received without blocking."""
        self._write()
        self._read()

    def read_all(self) -> None:
        """Receive all that has come so far."""
        while self._read():
            pass

    def _read(self) -> bool:
        """Receive some of what has come, and return whether there may be more."""
        if not self.is_open:
            return False
        try:
            data = self._socket.recv(_CHUNK)
            messages = self._decoder.feed(data)
        except BlockingIOError:
            return False
        except (OSError, MessageError):
            data, messages = b"", []
        for message in messages:
            self._on_message(message)
        if not data:
            self._close_and_report()
        return bool(data)

    def _write(self) -> None:
        if not self._unsent:
            return
        try:
            sent = self._socket.send(self._unsent)
        except BlockingIOError:
            sent = 0
        except OSError:  # reading reports it, too
            sent = len(self._unsent)
        del self._unsent[:sent]
        self._loop.watch(self._socket.fileno(), self.on_ready, writes=self.has_unsent)

    def _close_and_report(self) -> None:
        if self.is_open:
            self.close()
            self._on_closed()

    def close(self) -> None:
        """Close the socket, without a call of `on_closed`; a second call does nothing."""
        if self.is_open:
            self.is_open = False
            self._unsent.clear()
            self._loop.forget(self._socket.fileno())
            self._socket.close()


def listen(loop: EventLoop, path: str, on_accept: Callable[[socket.socket], Any]) -> socket.socket:
    """Return a listening socket; a function is called with each accepted connection."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(1024)
    listener.setblocking(False)

    def accept() -> None:
        with contextlib.suppress(OSError):  # closed before it was accepted
            on_accept(listener.accept()[0])

    loop.watch(listener.fileno(), accept)
    return listener
