"""A web worker's connection to one replica, for callers that block: threads and greenlets share it.

One thread reads, and wakes every caller whose reply came in that read; callers that send at the same time
share a write. This file knows sockets and threads; what a frame means is in `protocol`, what is in flight in
`in_flight`.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import AsyncIterator, Container, Iterator
from contextlib import suppress
from functools import partial
from typing import NamedTuple

from aylien_model_serving.core.cancellation import Cancelled
from aylien_model_serving.core.messages import Call, Reply
from aylien_model_serving.errors import DeadlineExceeded
from aylien_model_serving.rpc import protocol
from aylien_model_serving.rpc.in_flight import (
    InFlightTable,
    Outcome,
    ReplicaDraining,
    ReplicaLost,
    ReplicaUnresponsive,
    ReplyStream,
    call_numbers,
)
from aylien_model_serving.rpc.send_queue import SendQueue

__all__ = ["BegunCall", "Connection", "ReplicaDraining", "ReplicaLost", "ReplicaUnresponsive"]

logger = logging.getLogger(__name__)

#: Bytes that may be on their way to the replica; the system may allow less.
SEND_BUFFER = 1 << 20


class _ThreadWaiter:
    """A thread or greenlet that waits for a reply; a bare lock is the cheapest thing to wait for."""

    __slots__ = ("_lock", "outcome")

    def __init__(self) -> None:
        self.outcome: Outcome
        self._lock = threading.Lock()
        self._lock.acquire()

    def settle(self, outcome: Outcome) -> None:
        self.outcome = outcome
        self._lock.release()

    def wait(self, deadline: float | None) -> bool:
        """Return whether there was an outcome before the deadline."""
        if deadline is None:
            return self._lock.acquire()
        left = max(0.0, deadline - time.monotonic())
        return self._lock.acquire(timeout=min(left, threading.TIMEOUT_MAX))


class BegunCall(NamedTuple):
    """A call that has been sent.

    Args:
        number: the call's number.
        waiter: waits for its reply.
    """

    number: int
    waiter: _ThreadWaiter


class _BlockingStream(ReplyStream):
    """The items of a stream, for a thread or greenlet that waits for each."""

    def __init__(self, number: int, connection: Connection) -> None:
        super().__init__(number, connection.forget, connection.send)
        self._wakeup = threading.Lock()
        self._wakeup.acquire()

    def wake(self) -> None:
        if self._wakeup.locked():
            with suppress(RuntimeError):  # another thread has woken it meanwhile
                self._wakeup.release()

    def __iter__(self) -> Iterator[bytes]:
        try:
            for item in self.poll_items():
                if item is None:
                    self._wakeup.acquire()
                else:
                    yield item
        finally:
            self.close()

    def __aiter__(self) -> AsyncIterator[bytes]:
        raise TypeError("This stream is read by blocking; use AsyncConnection on an event loop")


class Connection:
    """One process's connection to one replica.

    Args:
        path: the replica's Unix socket.

    Raises:
        OSError: nobody listens there.
    """

    def __init__(self, path: str) -> None:
        self.is_open = True
        self._refusal: type[ReplicaLost | ReplicaUnresponsive] | None = None
        self._path = path
        self._process = os.getpid()
        self._call_numbers = call_numbers()
        self._in_flight = InFlightTable(lambda number: _BlockingStream(number, self))
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
            self._socket.connect(path)
        except BaseException:
            self._socket.close()
            raise
        self._send_queue = SendQueue(self._socket)
        self.forget = self._in_flight.forget
        self.send = self._send_queue.send
        self._reader: threading.Thread | None = None
        self._start_lock = threading.Lock()

    @property
    def in_flight(self) -> int:
        """How many calls and streams are in flight."""
        return len(self._in_flight)

    def call(self, call: Call, suspect: bool) -> Reply:
        """Send a call and wait for its reply, until the call's deadline at the latest.

        Args:
            call: the call.
            suspect: whether a replica died while it ran this call.

        Raises:
            ReplicaLost: the connection ended before the reply came.
            ReplicaDraining: the replica drains and has not begun the call.
            ReplicaUnresponsive: the replica gives no sign of life and has not begun the call.
            DeadlineExceeded: the deadline passed; the call is cancelled in the replica.
            Cancelled: nobody waits any more for the call whose handler makes this one.
            RuntimeError: another process made this connection.
        """
        return self.end(self.begin(call, suspect), call)

    def begin(self, call: Call, suspect: bool) -> BegunCall:
        """Send a call, whose reply `end` waits for.

        Raises:
            ReplicaLost: the connection has ended.
            ReplicaUnresponsive: the replica gives no sign of life.
            RuntimeError: another process made this connection.
        """
        if os.getpid() != self._process:
            raise RuntimeError("This connection belongs to the process that made it: make another")
        number = next(self._call_numbers)
        buffers = protocol.encode_call(number, call, suspect)
        waiter = _ThreadWaiter()
        self._in_flight.add(number, waiter)
        if call.inner is not None:
            self._in_flight.attach(call.inner.inputs, self.send)
        if self._reader is None:
            self._start_reader()
        refusal = self._refusal
        if refusal is not None:
            self.forget(number)
            raise refusal(number)
        try:
            self.send(buffers)
        except BaseException:  # a greenlet that is killed, say
            self._cancel(number)
            raise
        return BegunCall(number, waiter)

    def end(self, begun: BegunCall, call: Call) -> Reply:
        """Wait for the reply of a call that was begun, and raise what `call` raises."""
        if call.inner is None:
            return self._end_by(call.deadline, begun)
        with call.inner.scope.listening(partial(self.abandon, begun)):
            return self._end_by(call.deadline, begun)

    def abandon(self, begun: BegunCall) -> None:
        """Cancel a call that was begun, unless its reply has come; who waits for it raises Cancelled."""
        number, waiter = begun
        if self._cancel(number):
            waiter.settle(Cancelled())

    def _end_by(self, deadline: float | None, begun: BegunCall) -> Reply:
        number, waiter = begun
        try:
            in_time = waiter.wait(deadline)
        except BaseException:
            self._cancel(number)
            raise
        if not in_time:
            if self._cancel(number):
                raise DeadlineExceeded
            waiter.wait(None)  # another thread has the outcome in hand
        outcome = waiter.outcome
        if isinstance(outcome, Reply):
            return outcome
        raise outcome

    def _cancel(self, number: int) -> bool:
        """Cancel the call in the replica, unless its reply has come; return whether it was cancelled."""
        was_in_flight = self.forget(number)
        if was_in_flight:
            self.send(protocol.encode_cancel(number))
        return was_in_flight

    def suspend(self, begun: Container[int]) -> None:
        """Take no calls until `resume`, and give back those that the replica has not begun.

        Args:
            begun: numbers of the calls that the replica is running, which stay.
        """
        self._refuse(ReplicaUnresponsive)
        for number in self._in_flight.give_back(begun):
            self.send(protocol.encode_cancel(number))

    def resume(self) -> None:
        """Take calls again."""
        self._refuse(None)

    def _refuse(self, refusal: type[ReplicaLost | ReplicaUnresponsive] | None) -> None:
        """Refuse calls, or take them; the end of the connection is final."""
        with self._start_lock:
            if self.is_open:
                self._refusal = refusal

    def _end(self) -> bool:
        """Refuse all calls from here on, and return whether this is the first time."""
        with self._start_lock:
            was_open, self.is_open = self.is_open, False
            self._refusal = ReplicaLost
            return was_open

    def _start_reader(self) -> None:
        with self._start_lock:
            if self._reader is None and self.is_open:
                reader = threading.Thread(target=self._read, name="model-serving-connection", daemon=True)
                reader.start()
                self._reader = reader

    def _read(self) -> None:
        decoder = protocol.FrameDecoder()
        try:
            while received := self._socket.recv_into(decoder.get_buffer()):
                self._in_flight.dispatch(decoder.buffer_updated(received))
        except protocol.WireError:
            logger.exception("The replica at %s sent an invalid frame", self._path)
        except OSError:
            pass  # it died before it had read all that was sent
        finally:
            self._tear_down()

    def _tear_down(self) -> None:
        self._end()
        self._in_flight.fail_all()
        self._send_queue.close()

    def close(self) -> None:
        """End the connection; calls that wait raise ReplicaLost. A second call does nothing."""
        if os.getpid() != self._process:
            self._socket.close()  # this process's copy alone: the parent goes on using its own
            return
        was_open = self._end()
        reader = self._reader
        if reader is None:
            if was_open:
                self._tear_down()
            return
        self._send_queue.shut_down()
        if reader is not threading.current_thread():
            reader.join()
