"""A replica's end of one web worker's connection: calls come in as frames, replies go out, many in one write.

Knows the socket and the frames; how a call is answered is in `request`, which sockets are ready in `server`.
"""

from __future__ import annotations

import itertools
import socket
import threading
from collections import deque
from collections.abc import Callable, Sequence

from aylien_model_serving.core.messages import Reply
from aylien_model_serving.dispatch.pipeline import Endpoint
from aylien_model_serving.executors import STATUS
from aylien_model_serving.executors.engine import Engine
from aylien_model_serving.process import large_work
from aylien_model_serving.replicas.replica.request import OutcomeBuffer, ReplicaRequest
from aylien_model_serving.rpc import protocol

#: Buffers that one system call takes; IOV_MAX of Linux is 1024.
_VECTOR = 512


class WorkerConnection:
    """Reads calls on the server's thread, and writes replies on whichever thread has them.

    Args:
        sock: the accepted socket, which does not block.
        endpoint: decodes the calls and encodes their replies.
        engine: runs the handler.
        outcomes: collects those of a batch until they are sent together.
        want_write: called when the socket takes no more at the moment.
        get_status: returns the reply to a call for the replica's own status.
        wake: called when jobs may wait.
    """

    def __init__(
        self,
        sock: socket.socket,
        endpoint: Endpoint,
        engine: Engine,
        outcomes: OutcomeBuffer | None,
        want_write: Callable[[WorkerConnection], None],
        get_status: Callable[[], Reply],
        wake: Callable[[], None],
    ) -> None:
        self.sock = sock
        self._endpoint = endpoint
        self._engine = engine
        self._outcomes = outcomes
        self._want_write = want_write
        self._get_status = get_status
        self._wake = wake
        self._decoder = protocol.FrameDecoder()
        self._calls: dict[int, ReplicaRequest] = {}
        self._unsent: deque[protocol.Buffer] = deque()
        self._lock = threading.Lock()
        self._is_closed = False
        self.drains = False

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

    def _dispatch(self, frame: protocol.Frame) -> None:
        if frame.kind == protocol.CALL:
            self._answer(frame)
        elif frame.kind == protocol.WAKE:
            self._wake()
        elif frame.number in self._calls:
            if frame.kind == protocol.CANCEL:
                self._calls.pop(frame.number).abandon()
            elif frame.kind == protocol.CREDIT:
                self._calls[frame.number].grant(frame.header)

    def _answer(self, frame: protocol.Frame) -> None:
        if self.drains:
            self.put(protocol.encode_refused(frame.number))
            return
        call, suspect = protocol.decode_call(frame)
        if call.method == STATUS:
            self.put(protocol.encode_reply(frame.number, self._get_status()))
            return
        request = ReplicaRequest(frame.number, call, suspect, self._endpoint, self, self._outcomes)
        self._calls[frame.number] = request
        if len(call.body) > large_work.LARGE:
            large_work.hand_over(request.submit_and_flush, self._engine, lambda: self.drains)
        else:
            request.submit(self._engine)

    def put(self, buffers: Sequence[protocol.Buffer]) -> None:
        self._unsent.extend(buffers)

    def forget(self, number: int) -> None:
        self._calls.pop(number, None)

    def flush(self) -> None:
        """Send what was put, as far as the socket takes it; the rest is sent when it takes more."""
        with self._lock:
            while self._unsent and not self._is_closed:
                vector = list(itertools.islice(self._unsent, _VECTOR))
                try:
                    sent = self.sock.sendmsg(vector)
                except BlockingIOError:
                    self._want_write(self)
                    return
                except OSError:
                    self._unsent.clear()
                    return
                self._drop(vector, sent)

    def _drop(self, vector: Sequence[protocol.Buffer], sent: int) -> None:
        for buffer in vector:
            if sent < len(buffer):
                self._unsent[0] = memoryview(buffer)[sent:]
                return
            sent -= len(buffer)
            self._unsent.popleft()

    @property
    def is_idle(self) -> bool:
        """Whether every call has its reply, and every reply has been sent."""
        return not self._calls and not self._unsent

    def close(self) -> None:
        """Abandon the calls in flight, and close the socket."""
        for call in list(self._calls.values()):
            call.abandon()
        with self._lock:
            self._is_closed = True
            self.sock.close()
