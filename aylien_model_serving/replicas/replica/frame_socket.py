"""One end of a web worker's connection: frames come in, and go out many in one write.

Knows the socket; what becomes of a frame is its subclass's to say, which sockets are ready that of `server`.
"""

from __future__ import annotations

import itertools
import socket
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeAlias

from aylien_model_serving.rpc import protocol

#: Buffers that one system call takes; IOV_MAX of Linux is 1024.
_VECTOR = 512


class FrameSocket(ABC):
    """Reads frames on the server's thread, and writes them on whichever thread has them.

    Args:
        sock: the accepted socket, which does not block.
        want_write: called when the socket takes no more at the moment.
    """

    def __init__(self, sock: socket.socket, want_write: WantWrite) -> None:
        self.sock = sock
        self._want_write = want_write
        self._decoder = protocol.FrameDecoder()
        self._unsent: deque[protocol.Buffer] = deque()
        self._lock = threading.Lock()
        self._is_closed = False
        self.drains = False

    @abstractmethod
    def _dispatch(self, frame: protocol.Frame) -> None:
        """Do what a frame asks for."""

    @property
    @abstractmethod
    def is_idle(self) -> bool:
        """Whether every call has its reply, and every reply has been sent."""

    def receive(self) -> bool:
        """Receive what has come, and return whether the other end is still connected.

        Raises:
            WireError: it violates the protocol.
        """
        while True:
            buffer = self._decoder.get_buffer()
            try:
                size = self.sock.recv_into(buffer)
            except BlockingIOError:
                break
            except OSError:
                return False
            if not size:
                return False
            for frame in self._decoder.buffer_updated(size):
                self._dispatch(frame)
            if size < len(buffer):
                break
        self.flush()
        return True

    def put(self, buffers: Sequence[protocol.Buffer]) -> None:
        """Add to what the next flush sends."""
        self._unsent.extend(buffers)

    def flush(self) -> None:
        """Send what was put, as far as the socket takes it; the rest is sent when it takes more."""
        with self._lock:
            while self._unsent and not self._is_closed:
                vector = self._vector()
                try:
                    sent = self.sock.sendmsg(vector)
                except BlockingIOError:
                    self._want_write(self)
                    return
                except OSError:
                    self._unsent.clear()
                    return
                self._drop(vector, sent)

    def _vector(self) -> list[protocol.Buffer]:
        while True:
            with suppress(RuntimeError):  # another thread has put something meanwhile
                return list(itertools.islice(self._unsent, _VECTOR))

    def _drop(self, vector: Sequence[protocol.Buffer], sent: int) -> None:
        for buffer in vector:
            if sent < len(buffer):
                self._unsent[0] = memoryview(buffer)[sent:]
                return
            sent -= len(buffer)
            self._unsent.popleft()

    @property
    def is_sent(self) -> bool:
        """Whether all that was put has been sent."""
        return not self._unsent

    def close(self) -> None:
        """Close the socket."""
        with self._lock:
            self._is_closed = True
            self.sock.close()


#: What is called when a socket takes no more at the moment.
WantWrite: TypeAlias = Callable[[FrameSocket], None]
