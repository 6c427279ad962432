"""An event loop of one thread, and the other ends of its sockets: workers and replicas.

Sockets do not block: what one does not take at once is sent as it takes more.
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
    """Calls a function when its descriptor has something to say."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()

    def watch(self, descriptor: int, call: Callable[[], None], *, writes: bool = False) -> None:
        """Call a function whenever a descriptor can be read, or written if that is asked for."""
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if writes else 0)
        if descriptor in self._selector.get_map():
            self._selector.modify(descriptor, events, call)
        else:
            self._selector.register(descriptor, events, call)

    def forget(self, descriptor: int) -> None:
        """Do so no longer; to be called before the descriptor is closed."""
        self._selector.unregister(descriptor)

    def wait(self, seconds: float | None) -> None:
        """Wait for so many seconds at most, None for as long as it takes, and call whoever is due."""
        for key, _ in self._selector.select(seconds):
            current = self._selector.get_map().get(key.fd)
            if current is not None and current.data == key.data:  # an earlier call may have closed it
                key.data()

    def close(self) -> None:
        """Watch nothing any more."""
        self._selector.close()


class PeerSocket(Generic[_T]):
    """The other end of a socket.

    Args:
        loop: tells when there is something to do.
        sock: the socket.
        kind: the type of the messages that come.
        heard: takes each of them.
        lost: is called once when the other end is gone, or speaks another language.
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
        """Whether something waits to be sent."""
        return bool(self._unsent)

    def send(self, message: msgspec.Struct) -> None:
        """Send a message, now or as the socket takes it; to nobody if the other end is gone."""
        if self.is_open:
            self._unsent += encode(message)
            self._write()

    def on_ready(self) -> None:
        """Send and take what can be sent and taken."""
        self._write()
        self._read()

    def read_all(self) -> None:
        """Take all that has come so far."""
        while self._read():
            pass

    def _read(self) -> bool:
        """Take some of what has come, and tell whether there may be more."""
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
            self._end()
        return bool(data)

    def _write(self) -> None:
        if not self._unsent:
            return
        try:
            sent = self._socket.send(self._unsent)
        except BlockingIOError:
            sent = 0
        except OSError:  # reading tells so too
            sent = len(self._unsent)
        del self._unsent[:sent]
        self._loop.watch(self._socket.fileno(), self.on_ready, writes=self.has_unsent)

    def _end(self) -> None:
        if self.is_open:
            self.close()
            self._on_closed()

    def close(self) -> None:
        """Close the socket without a further word; a second call does nothing."""
        if self.is_open:
            self.is_open = False
            self._unsent.clear()
            self._loop.forget(self._socket.fileno())
            self._socket.close()


def listen(loop: EventLoop, path: str, accepted: Callable[[socket.socket], Any]) -> socket.socket:
    """Return a listening socket whose connections a function takes."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(1024)
    listener.setblocking(False)

    def accept() -> None:
        with contextlib.suppress(OSError):  # gone before it was accepted
            accepted(listener.accept()[0])

    loop.watch(listener.fileno(), accept)
    return listener
