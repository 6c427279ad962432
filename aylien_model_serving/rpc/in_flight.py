"""What one connection to a replica has in flight: calls that wait for a reply, and streams that are read.

Pure: no sockets, threads or event loops. `connection` and `connection_async` say how a caller waits and is
woken.
"""

from __future__ import annotations

import itertools
import os
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncIterator, Callable, Container, Iterable, Iterator, Sequence
from functools import partial
from typing import Protocol, TypeVar

from aylien_model_serving.core.cancellation import Cancelled
from aylien_model_serving.core.messages import InputStream, Reply, Send
from aylien_model_serving.rpc import protocol
from aylien_model_serving.rpc.protocol import Frame, WireError

_Entry = TypeVar("_Entry")


class ReplicaLost(Exception):
    """The connection ended before the call was answered.

    Args:
        number: the call's number, under which the flight recorder has it.
    """

    def __init__(self, number: int) -> None:
        super().__init__("The replica was lost before it answered")
        self.number = number


class ReplicaDraining(Exception):
    """The replica drains and has refused the call, unbegun; another replica should have it."""


class ReplicaUnresponsive(Exception):
    """The replica gives no sign of life and has not begun the call; another replica should have it."""


Outcome = Reply | Exception | Cancelled


def call_numbers() -> Iterator[int]:
    """Return the numbers of a connection's calls: 23 random bits, so that connections differ, and a count."""
    return itertools.count((int.from_bytes(os.urandom(3), "little") >> 1) << 40)


class ReplyWaiter(Protocol):
    """The caller that waits for a call's outcome."""

    def settle(self, outcome: Outcome) -> None:
        """Take the outcome and resume the caller; called once at most."""


class ReplyStream(ABC):
    """The body of a streamed reply: its items as they come.

    Args:
        number: the call's number.
        forget: drops the stream from what is in flight, and returns whether it was there.
        send: sends buffers to the replica.
    """

    def __init__(self, number: int, forget: Callable[[int], bool], send: Send) -> None:
        self._number = number
        self._forget = forget
        self._send = send
        self._items: deque[bytes] = deque()
        self._taken = 0
        self._ended = False
        self._error: Exception | None = None

    @abstractmethod
    def wake(self) -> None:
        """Wake the caller that waits for the next item."""

    @abstractmethod
    def __iter__(self) -> Iterator[bytes]: ...

    @abstractmethod
    def __aiter__(self) -> AsyncIterator[bytes]: ...

    def put(self, item: bytes) -> None:
        """Add an item that has come."""
        self._items.append(item)
        self.wake()

    def end(self, error: Exception | None) -> None:
        """End the stream: no further item comes, and the reader gets the error, if there is one."""
        self._error = error
        self._ended = True
        self.wake()

    def poll_items(self) -> Iterator[bytes | None]:
        """Yield the items in order, and None where the caller has to wait for `wake`.

        Raises:
            ReplicaLost: the connection ended before the stream did.
        """
        while True:
            ended = self._ended  # read first: what has come before the end is not lost
            if self._items:
                item = self._items.popleft()
                self._renew_credit()
                yield item
            elif ended:
                if self._error is not None:
                    raise self._error
                return
            else:
                yield None

    def _renew_credit(self) -> None:
        """Grant the replica further items once half of its credit has been taken."""
        self._taken += 1
        if self._taken == protocol.STREAM_CREDIT // 2 and not self._ended:
            self._send(protocol.encode_credit(self._number, self._taken))
            self._taken = 0

    def close(self) -> None:
        """Stop the stream, if it has not ended; a second call does nothing."""
        if self._forget(self._number):
            self._send(protocol.encode_cancel(self._number))
        self._error = None
        self._ended = True
        self._items.clear()
        self.wake()


class InFlightTable:
    """The calls and streams of one connection; frames come from one reader, the other calls from any thread.

    Args:
        open_stream: makes the body of a stream from the call's number.
    """

    def __init__(self, open_stream: Callable[[int], ReplyStream]) -> None:
        self._open_stream = open_stream
        self._calls: dict[int, ReplyWaiter] = {}
        self._streams: dict[int, ReplyStream] = {}
        self._inputs: dict[int, InputStream] = {}
        self._handlers: dict[int, Callable[[Frame], None]] = {
            protocol.REPLY: self._reply,
            protocol.STREAM: self._stream,
            protocol.ITEM: self._item,
            protocol.END: self._end,
            protocol.LOST: self._lost,
            protocol.REFUSED: self._refused,
            protocol.CREDIT: self._input_credit,
            protocol.CANCEL: self._input_cancel,
        }
        self.add = self._calls.__setitem__

    def __len__(self) -> int:
        return len(self._calls) + len(self._streams)

    def forget(self, number: int) -> bool:
        """Drop a call or stream, and return whether it was there; what comes for it later is ignored."""
        waiter = self._calls.pop(number, None)
        stream = self._streams.pop(number, None)
        return waiter is not None or stream is not None

    def attach(self, inputs: Sequence[InputStream], send: Send) -> None:
        """Have streams of a call that is sent feed it.

        Args:
            inputs: the call's arguments that are streams.
            send: sends buffers to the replica, from any thread.
        """
        for stream in inputs:
            stream.attach(send, partial(self._inputs.pop, stream.number, None))
            self._inputs[stream.number] = stream

    def dispatch(self, frames: Iterable[Frame]) -> None:
        """Give each frame to the call or stream that it belongs to.

        Raises:
            WireError: a replica does not send such a frame.
        """
        for frame in frames:
            handler = self._handlers.get(frame.kind)
            if handler is None:
                raise WireError(f"A replica sends no frame of kind {frame.kind}")
            handler(frame)

    def fail_all(self) -> None:
        """End every call and stream with ReplicaLost, since the connection has ended."""
        for number, waiter in _pop_all(self._calls):
            waiter.settle(ReplicaLost(number))
        for number, stream in _pop_all(self._streams):
            stream.end(ReplicaLost(number))

    def give_back(self, begun: Container[int]) -> Iterator[int]:
        """End the calls that an unresponsive replica has not begun, and yield the number of each.

        Args:
            begun: numbers of calls that stay.
        """
        for number in list(self._calls):
            waiter = None if number in begun else self._calls.pop(number, None)
            if waiter is not None:
                waiter.settle(ReplicaUnresponsive())
                yield number

    def _reply(self, frame: Frame) -> None:
        waiter = self._calls.pop(frame.number, None)
        if waiter is not None:
            waiter.settle(protocol.decode_reply(frame))

    def _stream(self, frame: Frame) -> None:
        waiter = self._calls.pop(frame.number, None)
        if waiter is not None:
            reply = protocol.decode_reply(frame)
            reply.chunks = self._streams[frame.number] = self._open_stream(frame.number)
            waiter.settle(reply)

    def _item(self, frame: Frame) -> None:
        stream = self._streams.get(frame.number)
        if stream is not None:
            stream.put(frame.body)

    def _end(self, frame: Frame) -> None:
        stream = self._streams.pop(frame.number, None)
        if stream is not None:
            stream.end(None)

    def _lost(self, frame: Frame) -> None:
        stream = self._streams.pop(frame.number, None)
        if stream is not None:
            stream.end(ReplicaLost(frame.number))

    def _input_credit(self, frame: Frame) -> None:
        stream = self._inputs.get(frame.number)
        if stream is not None:
            stream.grant(frame.header)

    def _input_cancel(self, frame: Frame) -> None:
        stream = self._inputs.get(frame.number)
        if stream is not None:
            stream.close()

    def _refused(self, frame: Frame) -> None:
        waiter = self._calls.pop(frame.number, None)
        if waiter is not None:
            waiter.settle(ReplicaDraining())


def _pop_all(entries: dict[int, _Entry]) -> Iterator[tuple[int, _Entry]]:
    """Pop and yield all entries, while other threads may pop some of them, too."""
    for number in list(entries):
        entry = entries.pop(number, None)
        if entry is not None:
            yield number, entry
