"""A web worker's connection to one replica, for callers on an event loop.

Calls made in one iteration of the loop share writes, and one timer watches over all deadlines.
"""

from __future__ import annotations

import asyncio
import logging
import math
import socket
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator
from typing import cast

from aylien_model_serving.core.messages import Call, Reply
from aylien_model_serving.errors import DeadlineExceeded
from aylien_model_serving.rpc import protocol
from aylien_model_serving.rpc.connection import SEND_BUFFER
from aylien_model_serving.rpc.in_flight import InFlightTable, Outcome, ReplicaLost, ReplyStream, call_numbers
from aylien_model_serving.rpc.protocol import Buffer

logger = logging.getLogger(__name__)

#: Bytes that are handed to the transport at once, which may copy what the socket does not take.
_PIECE = 1 << 18

#: Buffers, one for a small call, that leave without waiting for the end of the loop's iteration.
_TOGETHER = 3


class _Waiter:
    """A task that waits."""

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
        raise TypeError("This stream is read on an event loop; Link has those for callers that block")


class AsyncConnection(asyncio.BufferedProtocol):
    """One event loop's connection to one replica; made by `connect`."""

    def __init__(self) -> None:
        self.is_open = False
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._call_numbers = call_numbers()
        self._in_flight = InFlightTable(lambda number: _AsyncStream(number, self))
        self.forget = self._in_flight.forget
        self._frames = protocol.FrameDecoder()
        self._outgoing: deque[Buffer] = deque()
        self._flushes = False
        self._paused = False
        self._watched: dict[int, tuple[float, asyncio.Future[Outcome]]] = {}
        self._alarm_at = math.inf
        self._alarm: asyncio.TimerHandle | None = None

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
        """How many calls wait, and streams are read."""
        return len(self._in_flight)

    async def call(self, call: Call, suspect: bool) -> Reply:
        """Send a call and wait for its reply, until the call's deadline at most.

        Args:
            call: the call.
            suspect: whether a replica died while it ran this call.

        Raises:
            ReplicaLost: the connection ended before the reply came.
            Again: the replica drains and has not begun the call.
            DeadlineExceeded: the deadline passed; the replica is told, as it is of a task that is cancelled.
        """
        number = next(self._call_numbers)
        buffers = protocol.encode_call(number, call, suspect)
        if not self.is_open:
            raise ReplicaLost(number)
        future: asyncio.Future[Outcome] = self._loop.create_future()
        self._in_flight.add(number, _Waiter(future))
        if call.deadline is not None:
            self._watch(number, call.deadline, future)
        self.send(buffers)
        try:
            outcome = await future
        except BaseException:
            self._abandon(number)
            raise
        finally:
            self._watched.pop(number, None)
        if isinstance(outcome, Reply):
            return outcome
        raise outcome

    def _abandon(self, number: int) -> None:
        if self.forget(number):
            self.send(protocol.encode_cancel(number))

    def _watch(self, number: int, deadline: float, future: asyncio.Future[Outcome]) -> None:
        """Have a call ended at its deadline, unless its caller goes on before."""
        self._watched[number] = deadline, future
        if deadline < self._alarm_at:
            self._set_alarm(deadline)

    def _set_alarm(self, at: float) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm_at = at
        left = at - time.monotonic()
        self._alarm = self._loop.call_later(max(0.0, left), self._ring_alarm) if at < math.inf else None

    def _ring_alarm(self) -> None:
        """End the calls whose time is up, and wait for the next deadline."""
        now = time.monotonic()
        overdue = [number for number, (deadline, _) in self._watched.items() if deadline <= now]
        for number in overdue:
            _, future = self._watched.pop(number)
            if not future.done():
                self._abandon(number)
                future.set_result(DeadlineExceeded())
        self._set_alarm(min((deadline for deadline, _ in self._watched.values()), default=math.inf))

    def send(self, buffers: list[Buffer]) -> None:
        """Send a frame with others of this iteration of the loop, whose end a replica need not wait for."""
        if self.is_open:
            self._outgoing += buffers
            if len(self._outgoing) >= _TOGETHER:
                self._flush()
            elif not self._flushes:
                self._flushes = True
                self._loop.call_soon(self._flush_rest)

    def _flush_rest(self) -> None:
        self._flushes = False
        self._flush()

    def _flush(self) -> None:
        while self._outgoing and self._transport is not None and not self._paused:
            self._transport.write(self._next_piece())

    def _next_piece(self) -> Buffer:
        """Return small buffers as one, or a piece of a large one."""
        outgoing = self._outgoing
        first = outgoing.popleft()
        if len(first) > _PIECE:
            view = memoryview(first)
            outgoing.appendleft(view[_PIECE:])
            return view[:_PIECE]
        pieces, size = [first], len(first)
        while outgoing and size + len(outgoing[0]) <= _PIECE:
            pieces.append(outgoing.popleft())
            size += len(pieces[-1])
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def close(self) -> None:
        """End the connection; calls that wait raise ReplicaLost. A second call does nothing."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by its class
        self.is_open = True

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        self._outgoing.clear()
        self._in_flight.fail_all()
        self._set_alarm(math.inf)

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._flush()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._frames.get_buffer()

    def buffer_updated(self, nbytes: int) -> None:
        try:
            self._in_flight.dispatch(self._frames.buffer_updated(nbytes))
        except protocol.WireError:
            logger.exception("The replica is not understood")
            self.close()
