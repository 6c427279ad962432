"""A stub replica: a real socket that speaks the protocol, and answers by the call's path."""

from __future__ import annotations

import socket
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from aylien_model_serving.core.messages import Call, Reply
from aylien_model_serving.rpc import protocol


def a_call(path: str = "/echo", body: bytes = b"", timeout: float | None = 60, query: str = "") -> Call:
    """Return a call with a deadline."""
    deadline = None if timeout is None else time.monotonic() + timeout
    return Call("POST", path, query, {"content-type": "text/plain"}, body, {}, "id", deadline)


def eventually(condition: Callable[[], object], seconds: float = 20) -> None:
    """Wait until a condition is true."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.002)


class StubReplica:
    """Answers on one thread for each connection.

    /echo replies with the body; /hold waits for `release`; /drain sends REFUSED; /die closes the connection;
    /garbage sends what is no frame; /wrong sends a client's frame; /stream sends as many items as the query
    says, as the client allows; /endless sends them for ever, /waiting none; /broken two, and then it dies.
    """

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self.path = str(Path(self._folder.name) / "replica.sock")
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(self.path)
        self._listener.listen()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self.connections: list[StubConnection] = []
        self._threads[0].start()

    def close(self) -> None:
        """Leave no thread, socket or file behind."""
        self.die()
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._listener.close()
        self._folder.cleanup()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                connection = StubConnection(sock)
                self.connections.append(connection)
                self._threads.append(threading.Thread(target=connection.serve, daemon=True))
                self._threads[-1].start()

    @property
    def only(self) -> StubConnection:
        """The one connection."""
        eventually(lambda: self.connections)
        [connection] = self.connections
        return connection

    def die(self) -> None:
        """Close all connections, whatever is in flight."""
        for connection in self.connections:
            connection.die()


class StubConnection:
    """One client's connection, and what was received on it.

    A test that holds `quiet` keeps it from answering, and so from reading on.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.quiet = threading.Lock()
        self.reads: list[int] = []
        self.held: list[int] = []
        self.suspects: list[int] = []
        self.cancelled: list[int] = []
        self.credits: list[int] = []
        self.sent = 0
        self._streams: dict[int, list[int]] = {}

    def serve(self) -> None:
        frames = protocol.FrameDecoder()
        with self._sock, suppress(OSError):
            while received := self._sock.recv_into(frames.get_buffer()):
                found = frames.buffer_updated(received)
                self.reads.append(len(found))
                for frame in found:
                    self._take(frame)

    def _take(self, frame: protocol.Frame) -> None:
        if frame.kind == protocol.CALL:
            self._answer(frame)
        elif frame.kind == protocol.CANCEL:
            self.cancelled.append(frame.number)
            self._streams.pop(frame.number, None)
        elif frame.kind == protocol.CREDIT:
            self.credits.append(frame.header)
            if frame.number in self._streams:
                self._streams[frame.number][1] += frame.header
                self._go_on(frame.number)

    def _answer(self, frame: protocol.Frame) -> None:
        call, suspect = protocol.decode_call(frame)
        number = frame.number
        if suspect:
            self.suspects.append(number)
        if call.path == "/echo":
            self._send(protocol.encode_reply(number, Reply(200, call.body, "text/plain", [("x-a", "b")])))
        elif call.path == "/hold":
            self.held.append(number)
        elif call.path == "/drain":
            self._send(protocol.encode_refused(number))
        elif call.path == "/die":
            self.die()
        elif call.path == "/garbage":
            self._send([b"no frame at all, and longer than a prefix"])
        elif call.path == "/wrong":
            self._send(protocol.encode_wake())
        else:
            self._stream(number, call)

    def _stream(self, number: int, call: Call) -> None:
        self._send(protocol.encode_reply(number, Reply(200, b"", "text/event-stream"), stream=True))
        if call.path == "/broken":
            self._send([*protocol.encode_item(number, b"0"), *protocol.encode_item(number, b"1")])
            self.die()
            return
        items = int(call.query) if call.path == "/stream" else 10**9
        self._streams[number] = [items, 0 if call.path == "/waiting" else protocol.STREAM_CREDIT]
        self._go_on(number)

    def _go_on(self, number: int) -> None:
        left = self._streams[number]
        while left[0] and left[1]:
            self._send(protocol.encode_item(number, b"%d" % self.sent))
            self.sent += 1
            left[0] -= 1
            left[1] -= 1
        if not left[0]:
            self._send(protocol.encode_end(number))
            del self._streams[number]

    def release(self, *call_numbers: int, body: bytes = b"released") -> None:
        """Answer held calls in one write."""
        self._send(
            [
                buffer
                for n in call_numbers
                for buffer in protocol.encode_reply(n, Reply(200, b"%s %d" % (body, n)))
            ]
        )

    def _send(self, buffers: list[protocol.Buffer]) -> None:
        with self.quiet, suppress(OSError):
            self._sock.sendall(b"".join(buffers))

    def die(self) -> None:
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)


class CallThread(threading.Thread):
    """A call on a thread of its own."""

    def __init__(self, make: Callable[[], Reply]) -> None:
        super().__init__()
        self._make = make
        self.outcome: Reply | Exception | None = None
        self.start()

    def run(self) -> None:
        try:
            self.outcome = self._make()
        except Exception as error:
            self.outcome = error

    def ended(self) -> Any:
        self.join(30)
        return self.outcome
