"""A web worker's connection to one replica, for callers on an event loop.

Calls made in one iteration of the loop share writes, and one timer covers all deadlines. This file knows
asyncio; what a frame means is in `protocol`, what is in flight in `in_flight`.
"""

from __future__ import annotations

import asyncio
import logging
import math
import socket
import time
from collections import deque
from collections.abc import AsyncIterator, Container, Iterator
from contextlib import suppress
from typing import cast

from aylien_model_serving.core.messages import Call, Reply
from aylien_model_serving.errors import DeadlineExceeded
from aylien_model_serving.rpc import protocol
from aylien_model_serving.rpc.connection import SEND_BUFFER
from aylien_model_serving.rpc.in_flight import (
    InFlightTable,
    Outcome,
    ReplicaLost,
    ReplicaUnresponsive,
    ReplyStream,
    call_numbers,
)
from aylien_model_serving.rpc.protocol import Buffer

logger = logging.getLogger(__name__)

#: Bytes that are handed to the transport at once, which may copy what the socket does not take.
_MAX_WRITE = 1 << 18

#: Buffers, one for a small call, from which on a write does not wait for the end of the loop's iteration.
_MAX_UNFLUSHED = 3


class _TaskWaiter:
    """A task that waits for a reply."""

    __slots__ = ("_future",)

    def __init__(self, future: asyncio.Future[Outcome]) -> None:
        self._future = future

    def settle(self, outcome: Outcome) -> None:
        if not self._future.done():
            self._future.set_result(outcome)


class _AsyncStream(ReplyStream):
    """The items of a stream, for a task that waits for each."""

    def __init__(self, number: int, connection: AsyncConnection) -> None:
        super().__init__(number, connection.forget, connection.send)
        self._wakeup: asyncio.Future[None] | None = None

    def wake(self) -> None:
        if self._wakeup is not None and not self._wakeup.done():
            self._wakeup.set_result(None)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            for item in self.poll_items():
                if item is None:
                    self._wakeup = asyncio.get_running_loop().create_future()
                    await self._wakeup
                else:
                    yield item
        finally:
            self.close()

    def __iter__(self) -> Iterator[bytes]:
        raise TypeError("This stream is read on an event loop; use Connection in callers that block")


class AsyncConnection(asyncio.BufferedProtocol):
    """One event loop's connection to one replica; made by `connect`."""

    def __init__(self) -> None:
        self.is_open = False
        self._refusal: type[ReplicaLost | ReplicaUnresponsive] | None = ReplicaLost
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._call_numbers = call_numbers()
        self._in_flight = InFlightTable(lambda number: _AsyncStream(number, self))
        self.forget = self._in_flight.forget
        self._decoder = protocol.FrameDecoder()
        self._unsent: deque[Buffer] = deque()
        self._is_flush_scheduled = False
        self._paused = False
        self._deadlines: dict[int, tuple[float, asyncio.Future[Outcome]]] = {}
        self._timer_at = math.inf
        self._timer: asyncio.TimerHandle | None = None

    @classmethod
    async def connect(cls, path: str) -> AsyncConnection:
        """Return a connection to the replica that listens at a Unix socket.

        Raises:
            OSError: nobody listens there.
        """
        loop = asyncio.get_running_loop()
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
            await loop.sock_connect(sock, path)
            _, connection = await loop.create_unix_connection(cls, sock=sock)
        except BaseException:
            sock.close()
            raise
        return connection

    @property
    def in_flight(self) -> int:
        """How many calls and streams are in flight."""
        return len(self._in_flight)

    async def call(self, call: Call, suspect: bool) -> Reply:
        """Send a call and wait for its reply, until the call's deadline at the latest.

        Args:
            call: the call.
            suspect: whether a replica died while it ran this call.

        Raises:
            ReplicaLost: the connection ended before the reply came.
            ReplicaDraining: the replica drains and has not begun the call.
            ReplicaUnresponsive: the replica gives no sign of life and has not begun the call.
            DeadlineExceeded: the deadline passed; the call is cancelled in the replica, as that of a
                cancelled task is.
        """
        number = next(self._call_numbers)
        buffers = protocol.encode_call(number, call, suspect)
        if self._refusal is not None:
            raise self._refusal(number)
        future: asyncio.Future[Outcome] = self._loop.create_future()
        self._in_flight.add(number, _TaskWaiter(future))
        if call.inner is not None:
            self._in_flight.attach(call.inner.inputs, self._send_from_thread)
        if call.deadline is not None:
            self._expire_at(number, call.deadline, future)
        self.send(buffers)
        try:
            outcome = await future
        except BaseException:
            self._cancel(number)
            raise
        finally:
            self._deadlines.pop(number, None)
        if isinstance(outcome, Reply):
            return outcome
        raise outcome

    def suspend(self, begun: Container[int]) -> None:
        """Take no calls until `resume`, and give back those that the replica has not begun.

        Args:
            begun: numbers of the calls that the replica is running, which stay.
        """
        if self.is_open:
            self._refusal = ReplicaUnresponsive
            for number in self._in_flight.give_back(begun):
                self.send(protocol.encode_cancel(number))

    def resume(self) -> None:
        """Take calls again."""
        if self.is_open:
            self._refusal = None

    def _cancel(self, number: int) -> None:
        if self.forget(number):
            self.send(protocol.encode_cancel(number))

    def _expire_at(self, number: int, deadline: float, future: asyncio.Future[Outcome]) -> None:
        """Have a call end at its deadline, unless it has its outcome before."""
        self._deadlines[number] = deadline, future
        if deadline < self._timer_at:
            self._set_timer(deadline)

    def _set_timer(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = at
        left = at - time.monotonic()
        self._timer = self._loop.call_later(max(0.0, left), self._expire) if at < math.inf else None

    def _expire(self) -> None:
        """End the calls whose deadline has passed, and set the timer to the next one."""
        now = time.monotonic()
        overdue = [number for number, (deadline, _) in self._deadlines.items() if deadline <= now]
        for number in overdue:
            _, future = self._deadlines.pop(number)
            if not future.done():
                self._cancel(number)
                future.set_result(DeadlineExceeded())
        self._set_timer(min((deadline for deadline, _ in self._deadlines.values()), default=math.inf))

    def send(self, buffers: list[Buffer]) -> None:
        """Send a frame with others of this iteration of the loop; many of them do not wait for its end."""
        if self.is_open:
            self._unsent += buffers
            if len(self._unsent) >= _MAX_UNFLUSHED:
                self._flush()
            elif not self._is_flush_scheduled:
                self._is_flush_scheduled = True
                self._loop.call_soon(self._flush_scheduled)

    def _send_from_thread(self, buffers: list[Buffer]) -> None:
        with suppress(RuntimeError):  # the loop is closed, and with it this connection
            self._loop.call_soon_threadsafe(self.send, buffers)

    def _flush_scheduled(self) -> None:
        self._is_flush_scheduled = False
        self._flush()

    def _flush(self) -> None:
        while self._unsent and self._transport is not None and not self._paused:
            self._transport.write(self._next_write())

    def _next_write(self) -> Buffer:
        """Return small buffers joined, or a part of a large one."""
        unsent = self._unsent
        first = unsent.popleft()
        if len(first) > _MAX_WRITE:
            view = memoryview(first)
            unsent.appendleft(view[_MAX_WRITE:])
            return view[:_MAX_WRITE]
        parts, size = [first], len(first)
        while unsent and size + len(unsent[0]) <= _MAX_WRITE:
            parts.append(unsent.popleft())
            size += len(parts[-1])
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def close(self) -> None:
        """End the connection; calls that wait raise ReplicaLost. A second call does nothing."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by its class
        self.is_open = True
        self._refusal = None

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        self._refusal = ReplicaLost
        self._unsent.clear()
        self._in_flight.fail_all()
        self._set_timer(math.inf)

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._flush()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._decoder.get_buffer()

    def buffer_updated(self, nbytes: int) -> None:
        try:
            self._in_flight.dispatch(self._decoder.buffer_updated(nbytes))
        except protocol.WireError:
            logger.exception("The replica sent an invalid frame")
            self.close()
