"""What many threads send over one socket: no thread waits for another's write.

Whoever finds nobody sending sends for all, without waiting; what the socket does not take at once is
left to a thread of the outbox. Under gevent that "thread" sends everything: it comes to its turn when all
greenlets that were ready have left their frames, so that these share a write.
"""

from __future__ import annotations

import socket
import threading
from collections import deque
from contextlib import suppress

from aylien_model_serving.process import native_threads
from aylien_model_serving.rpc.protocol import Buffer

#: Buffers in one write; the system's limit is 1,024.
_MOST_BUFFERS = 64


class SendQueue:
    """Sends whole frames in the order in which they are handed over.

    Args:
        sock: a connected socket that blocks.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._frames: deque[list[Buffer]] = deque()
        self._begun: list[Buffer] = []
        self._is_patched = native_threads.is_patched()
        self._turn = threading.Lock()  # held by whoever sends
        self._wakeup = threading.Lock()  # released to wake the writer, who then has the turn
        self._wakeup.acquire()
        self._writer: threading.Thread | None = None

    def send(self, buffers: list[Buffer]) -> None:
        """Send a frame, or nothing if the connection has ended: that is for its reader to tell."""
        self._frames.append(buffers)
        # Whoever has the turn looks for frames again after giving it back; gevent yields in a vain acquire.
        while self._frames and not self._turn.locked() and self._turn.acquire(blocking=False):
            if self._is_patched or not self._write(socket.MSG_DONTWAIT):
                self._wake_writer()
                return
            self._turn.release()

    def _write(self, flags: int) -> bool:
        """Write what there is, and return whether all of it went."""
        begun, frames = self._begun, self._frames
        try:
            while True:
                while frames and len(begun) < _MOST_BUFFERS:
                    begun += frames.popleft()
                if not begun:
                    return True
                sent = self._socket.sendmsg(begun[:_MOST_BUFFERS], (), flags)
                begun[:] = _rest(begun, sent)
        except BlockingIOError:
            return False
        except OSError:
            self.shut_down()
            begun.clear()
            return True

    def _wake_writer(self) -> None:
        if self._writer is None:
            self._writer = threading.Thread(target=self._work, name="model-serving-writer", daemon=True)
            self._writer.start()
        self._wakeup.release()

    def _work(self) -> None:
        while True:
            self._wakeup.acquire()
            if self._socket.fileno() == -1:
                return
            self._write(0)
            self._turn.release()
            if self._frames:
                self.send([])  # what came while this thread had the turn

    def shut_down(self) -> None:
        """End the connection: its reader finds the end of the stream, and whoever writes an error."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the socket once nobody writes to it, and end the writer; called once."""
        self.shut_down()
        self._turn.acquire()  # and never given back
        self._socket.close()
        if self._writer is not None:
            self._wakeup.release()
            self._writer.join()


def _rest(buffers: list[Buffer], sent: int) -> list[Buffer]:
    """Return what is left of buffers after their first bytes were sent."""
    for position, buffer in enumerate(buffers):
        if sent < len(buffer):
            return [memoryview(buffer)[sent:], *buffers[position + 1 :]]
        sent -= len(buffer)
    return []
