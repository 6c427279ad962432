"""The queue of frames that many threads send over one socket: no thread waits for another's write.

A caller that finds nobody sending sends for all, without blocking; what the socket does not take at once is
left to the queue's writer thread. Under gevent the writer, a greenlet, sends everything: its turn comes when
all greenlets that were ready have queued their frames, so that these share a write. Knows sockets and locks,
and nothing of what a frame says.
"""

from __future__ import annotations

import socket
import threading
from collections import deque
from contextlib import suppress

from aylien_model_serving.process import native_threads
from aylien_model_serving.rpc.protocol import Buffer

#: Buffers in one write; the system's limit is 1,024.
_MAX_BUFFERS = 64


class SendQueue:
    """Sends whole frames in the order in which they are handed over.

    Args:
        sock: a connected socket that blocks.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._frames: deque[list[Buffer]] = deque()
        self._partial: list[Buffer] = []
        self._is_patched = native_threads.is_patched()
        self._send_lock = threading.Lock()  # held by the thread that sends
        self._wakeup = threading.Lock()  # released to wake the writer, which then holds the send lock
        self._wakeup.acquire()
        self._writer: threading.Thread | None = None

    def send(self, buffers: list[Buffer]) -> None:
        """Send a frame, or nothing if the connection has ended: its reader reports that."""
        self._frames.append(buffers)
        # The holder of the lock checks for frames again after it has released it; gevent yields in a vain
        # acquire.
        while self._frames and not self._send_lock.locked() and self._send_lock.acquire(blocking=False):
            if self._is_patched or not self._write(socket.MSG_DONTWAIT):
                self._wake_writer()
                return
            self._send_lock.release()

    def _write(self, flags: int) -> bool:
        """Write what is queued, and return whether all of it was written."""
        partial, frames = self._partial, self._frames
        try:
            while True:
                while frames and len(partial) < _MAX_BUFFERS:
                    partial += frames.popleft()
                if not partial:
                    return True
                sent = self._socket.sendmsg(partial[:_MAX_BUFFERS], (), flags)
                partial[:] = _rest(partial, sent)
        except BlockingIOError:
            return False
        except OSError:
            self.shut_down()
            partial.clear()
            return True

    def _wake_writer(self) -> None:
        if self._writer is None:
            self._writer = threading.Thread(target=self._run_writer, name="model-serving-writer", daemon=True)
            self._writer.start()
        self._wakeup.release()

    def _run_writer(self) -> None:
        while True:
            self._wakeup.acquire()
            if self._socket.fileno() == -1:
                return
            self._write(0)
            self._send_lock.release()
            if self._frames:
                self.send([])  # what was queued while this thread held the lock

    def shut_down(self) -> None:
        """Shut the socket down: the connection's reader finds its end, and a writing thread gets an error."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the socket once no thread writes to it, and end the writer; called once."""
        self.shut_down()
        self._send_lock.acquire()  # and never released
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
