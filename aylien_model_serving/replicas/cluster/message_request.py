"""A call that came to a replica of a Ray cluster in a message, and what takes the reply to it.

Knows frames and threads, and neither Ray nor who sent the message.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Protocol

from aylien_model_serving.core.messages import Chunks, Reply
from aylien_model_serving.replicas.replica.request import Buffers, ReplicaRequest, ReplySink
from aylien_model_serving.rpc import protocol

#: Bytes of a stream that goes back as one message, since nothing of its handler's hints said that it streams.
_LARGEST_UNHINTED = 1 << 26

#: Items of a stream that may wait for Ray to take them.
_WAITING_ITEMS = protocol.STREAM_CREDIT


class MessageSink(ReplySink, Protocol):
    """What takes replies that are sent in messages."""

    def has_room(self, size: int) -> bool:
        """Wait until a stream may go on with an item of so many bytes, and return whether it may."""


class MessageRequest(ReplicaRequest):
    """A call whose stream goes into messages: no credit comes back, but who takes them has it wait."""

    __slots__ = ()

    def _stream(self, reply: Reply, chunks: Chunks) -> None:
        sink: MessageSink = self.sink  # type: ignore[assignment]  # whoever makes this has such a one
        sink.put(protocol.encode_reply(self.number, reply, stream=True))
        end = protocol.encode_lost(self.number)
        try:
            for chunk in chunks:
                if self.abandoned or not sink.has_room(len(chunk)):
                    return
                sink.put(protocol.encode_item(self.number, chunk))
            end = protocol.encode_end(self.number)
        finally:
            chunks.close()
            sink.put(end)


class WholeMessage:
    """Collects the replies of all calls of a message, until the last of them has its own.

    Args:
        calls: how many there are.
        finished: called once, on whichever thread has the last reply.
    """

    def __init__(self, calls: int, finished: Callable[[], None]) -> None:
        self.frames: list[protocol.Buffer] = []
        self._missing = calls
        self._finished = finished
        self._lock = threading.Lock()
        self._streamed = 0

    def put(self, buffers: Buffers) -> None:
        self.frames.extend(buffers)

    def flush(self) -> None:
        """Nothing is sent before the last reply."""

    def forget(self, number: int) -> None:
        with self._lock:
            self._missing -= 1
            is_last = self._missing == 0
        if is_last:
            self._finished()

    def has_room(self, size: int) -> bool:
        self._streamed += size
        return self._streamed <= _LARGEST_UNHINTED


class StreamedMessage:
    """Hands over the frames of one call as they come; who makes them waits for who takes them.

    Args:
        loop: on which they are taken.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._frames: list[protocol.Buffer] = []
        self._changed = threading.Condition()
        self._news = asyncio.Event()
        self._has_ended = False
        self._is_closed = False

    def put(self, buffers: Buffers) -> None:
        with self._changed:
            self._frames.extend(buffers)
        self._tell()

    def flush(self) -> None:
        """What is put is handed over at once."""

    def forget(self, number: int) -> None:
        self._has_ended = True
        self._tell()

    def _tell(self) -> None:
        with suppress(RuntimeError):  # the loop is closed: the replica ends
            self._loop.call_soon_threadsafe(self._news.set)

    def has_room(self, size: int) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._is_closed or len(self._frames) < _WAITING_ITEMS)
            return not self._is_closed

    async def parts(self) -> AsyncIterator[list[protocol.Buffer]]:
        """Yield the frames as they come, until the call has ended."""
        while True:
            has_ended = self._has_ended  # read first: what has come before the end is not lost
            with self._changed:
                frames, self._frames = self._frames, []
                self._changed.notify_all()
            if frames:
                yield frames
            elif has_ended:
                return
            else:
                await self._news.wait()
                self._news.clear()

    def close(self) -> None:
        """Have who makes the stream stop."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
