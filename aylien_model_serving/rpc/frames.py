"""Frames ↔ bytes: a fixed prefix, a header in MessagePack and a body as it is.

Pure: no sockets. The prefix is kind, length of the header, number of the call and length of the body, little-
endian. Small frames are cut out of one buffer; a large body is received where it stays. What a header holds
is in `headers`.
"""

from __future__ import annotations

import mmap
import struct
from contextlib import suppress
from io import BytesIO
from typing import Any, NamedTuple, cast

from aylien_model_serving.core.messages import Buffer
from aylien_model_serving.rpc.headers import DECODERS, WireError, decode, holds_value

#: Bytes that a header and a body may have. A body of 1 GiB may carry 64 KiB of its framing.
MAX_HEADER_SIZE = 1 << 20
MAX_BODY_SIZE = (1 << 30) + (1 << 16)

#: Bytes of the buffer into which small frames are received, many at once.
_BUFFER_SIZE = 1 << 18

#: Bytes from which a body that is still arriving gets a buffer of its own.
_LARGE_BODY = 1 << 16

#: Bytes from which on memory is mapped: what numpy does it for, two huge pages.
_HUGE = 1 << 22

PREFIX = struct.Struct("<BIQQ")

__all__ = ["MAX_BODY_SIZE", "MAX_HEADER_SIZE", "PREFIX", "Buffer", "Frame", "FrameDecoder"]


class Frame(NamedTuple):
    """One frame: its kind, the number of the call it belongs to, its decoded header and its body."""

    kind: int
    number: int
    header: Any
    body: bytes


class _LargeBody:
    """A body that arrives in a buffer of its own.

    CPython returns the bytes inside a BytesIO without copying them once there is no view left to write
    through. An event loop may keep the buffer that it has just filled: so the last byte takes another way.
    """

    __slots__ = ("_frame", "_memory", "_missing", "_size")

    def __init__(self, frame: Frame, size: int) -> None:
        self._frame = frame
        self._memory = BytesIO(bytes(size))
        self._size = self._missing = size

    @property
    def is_direct(self) -> bool:
        """Whether the next bytes are to be received into `rest`."""
        return self._missing > 1

    def rest(self) -> memoryview:
        return self._memory.getbuffer()[self._size - self._missing : self._size - 1]

    def buffer_updated(self, n: int) -> None:
        self._missing -= n

    def take(self, data: memoryview) -> int:
        """Copy what belongs to the body, and return how many bytes that is."""
        taken, start = min(len(data), self._missing), self._size - self._missing
        with self._memory.getbuffer() as memory:
            memory[start : start + taken] = data[:taken]
        self._missing -= taken
        return taken

    def frame(self) -> Frame | None:
        """Return the frame once its body is complete."""
        return None if self._missing else self._frame._replace(body=self._memory.getvalue())


class _LargeValue(_LargeBody):
    """A value that arrives in memory of its own, which its arrays then are: they can be written to."""

    __slots__ = ("_view",)

    def __init__(self, frame: Frame, size: int) -> None:
        super().__init__(frame, 0)
        self._view = _memory(size)
        self._size = self._missing = size

    def rest(self) -> memoryview:
        return self._view[self._size - self._missing : self._size - 1]

    def take(self, data: memoryview) -> int:
        taken, start = min(len(data), self._missing), self._size - self._missing
        self._view[start : start + taken] = data[:taken]
        self._missing -= taken
        return taken

    def frame(self) -> Frame | None:
        return None if self._missing else self._frame._replace(body=cast("bytes", self._view))


def _memory(size: int) -> memoryview:
    """Return memory that can be written to; much of it in huge pages, which take a fifth of the time."""
    if size < _HUGE or not hasattr(mmap, "MADV_HUGEPAGE"):
        return memoryview(bytearray(size))
    mapped = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with suppress(OSError):  # a kernel without huge pages
        mapped.madvise(mmap.MADV_HUGEPAGE)
    return memoryview(mapped)


class FrameDecoder:
    """A decoder used as asyncio's BufferedProtocol: fill `get_buffer`, then `buffer_updated`."""

    __slots__ = ("_end", "_large", "_view")

    def __init__(self) -> None:
        self._view = memoryview(bytearray(_BUFFER_SIZE))
        self._end = 0
        self._large: _LargeBody | None = None

    def get_buffer(self) -> memoryview:
        """Return where to receive the next bytes; never empty."""
        large = self._large
        return large.rest() if large is not None and large.is_direct else self._view[self._end :]

    def buffer_updated(self, n: int) -> list[Frame]:
        """Decode bytes that were received into the buffer, and return the frames that they complete.

        Raises:
            WireError: they are no frames; the connection can't be used after it.
        """
        if self._large is None:
            return self._parse(0, self._end + n)
        if self._large.is_direct:
            self._large.buffer_updated(n)
            return []
        taken = self._large.take(self._view[:n])
        frame = self._large.frame()
        if frame is None:
            return []
        self._large = None
        return [frame, *self._parse(taken, n)]

    def _parse(self, start: int, end: int) -> list[Frame]:
        """Return the frames in a part of the buffer, and keep the beginning of one that is incomplete."""
        view, needed = self._view, PREFIX.size
        frames: list[Frame] = []
        while end - start >= PREFIX.size:
            kind, header_size, number, body_size = PREFIX.unpack_from(view, start)
            if kind not in DECODERS or header_size > MAX_HEADER_SIZE or body_size > MAX_BODY_SIZE:
                raise WireError(f"No frame begins with {view[start : start + PREFIX.size].hex()}")
            header_at = start + PREFIX.size
            body_at = header_at + header_size
            stop = body_at + body_size
            if stop <= end:
                header = decode(kind, view[header_at:body_at])
                frames.append(Frame(kind, number, header, bytes(view[body_at:stop])))
                start = stop
            elif body_at <= end and (body_size > _LARGE_BODY or stop - start > _BUFFER_SIZE):
                frame = Frame(kind, number, decode(kind, view[header_at:body_at]), b"")
                self._large = (_LargeValue if holds_value(frame.header) else _LargeBody)(frame, body_size)
                self._large.take(view[body_at:end])
                start = end
            else:
                needed = (body_at if body_size > _LARGE_BODY else stop) - start
                break
        self._keep(view[start:end], start, needed)
        return frames

    def _keep(self, begun: memoryview, start: int, needed: int) -> None:
        """Move an incomplete frame to the front of a buffer that has room for what is needed of it."""
        size = max(_BUFFER_SIZE, needed)
        if size != len(self._view):
            self._view = memoryview(bytearray(size))
            self._view[: len(begun)] = begun
        elif start and begun:
            self._view[: len(begun)] = bytes(begun)
        self._end = len(begun)
