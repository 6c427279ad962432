"""The messages between a gateway and replicas on other machines: many frames in one, and what they did.

Pure. A message holds frames of `protocol` one behind the other; one of replies begins with `ReplicaCounts`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from aylien_model_serving.core.messages import Buffer
from aylien_model_serving.rpc.frames import PREFIX, Frame
from aylien_model_serving.rpc.headers import (
    DECODERS,
    CallHeader,
    WireError,
    decode,
    holds_value,
    to_plain,
)

_SIZE = struct.Struct("<I")

_ENCODER = msgspec.msgpack.Encoder()


class ReplicaCounts(msgspec.Struct, array_like=True):
    """What a replica has done since it last told.

    Args:
        replica: identifies it.
        waits: seconds that each call has waited there before its run.
        runs: of the handler: how many calls each answered, and how many seconds it took.
        expired: calls whose deadline had passed when their turn came.
        abandoned: calls that nobody waited for when their turn came.
    """

    replica: str = ""
    waits: list[float] = []
    runs: list[tuple[int, float]] = []
    expired: int = 0
    abandoned: int = 0


_COUNTS = msgspec.msgpack.Decoder(ReplicaCounts)


class MessagePart(NamedTuple):
    """A frame within a message, whose header is left as it is.

    Args:
        kind: of the frame.
        number: of the call that it belongs to.
        header_size: bytes of its header.
        content: header and body.
    """

    kind: int
    number: int
    header_size: int
    content: memoryview

    def renumbered(self, number: int) -> list[Buffer]:
        """Return the buffers of the frame under another number."""
        prefix = PREFIX.pack(self.kind, self.header_size, number, len(self.content) - self.header_size)
        return [prefix, self.content]


def encode_call(number: int, frame: Frame, seconds_left: float | None, *, suspect: bool) -> bytes:
    """Return a call that came as a frame, for another machine.

    Args:
        number: the call's number within the message.
        frame: as it came.
        seconds_left: until the call's deadline, now; None where it has none.
        suspect: whether a replica died while it ran this call.
    """
    header: CallHeader = frame.header
    sent = msgspec.structs.replace(
        header, seconds_left=seconds_left, suspect=suspect, path_values=to_plain(header.path_values)
    )
    encoded = _ENCODER.encode(sent)
    prefix = PREFIX.pack(frame.kind, len(encoded), number, len(frame.body))
    return b"".join((prefix, encoded, frame.body))


def decode_calls(message: bytes) -> list[Frame]:
    """Return the calls in a message.

    Args:
        message: calls as `encode_call` returned them.

    Raises:
        WireError: they are not.
    """
    frames = []
    for piece in pieces(memoryview(message)):
        if piece.kind not in DECODERS:
            raise WireError(f"There is no frame of kind {piece.kind}")
        header = decode(piece.kind, piece.content[: piece.header_size])
        body = piece.content[piece.header_size :]
        # The arrays among values are this memory, and may be written to.
        held = memoryview(bytearray(body)) if holds_value(header) else bytes(body)
        frames.append(Frame(piece.kind, piece.number, header, held))  # type: ignore[arg-type]
    return frames


def encode_replies(counts: ReplicaCounts, frames: list[Buffer]) -> bytes:
    """Return a message of replies."""
    encoded = _ENCODER.encode(counts)
    return b"".join((_SIZE.pack(len(encoded)), encoded, *frames))


def decode_replies(message: bytes) -> tuple[ReplicaCounts, memoryview]:
    """Return the counts of a message of replies, and its frames.

    Raises:
        WireError: it is none.
    """
    if len(message) >= _SIZE.size:
        end = _SIZE.size + _SIZE.unpack_from(message)[0]
        try:
            return _COUNTS.decode(message[_SIZE.size : end]), memoryview(message)[end:]
        except msgspec.DecodeError:
            pass
    raise WireError(f"{len(message)} bytes are no message of replies")


def pieces(frames: memoryview) -> Iterator[MessagePart]:
    """Yield the frames of a message.

    Raises:
        WireError: it ends within one.
    """
    at = 0
    while at < len(frames):
        if len(frames) - at < PREFIX.size:
            raise WireError("A message ends within a frame")
        kind, header_size, number, body_size = PREFIX.unpack_from(frames, at)
        begin = at + PREFIX.size
        at = begin + header_size + body_size
        if at > len(frames):
            raise WireError("A message ends within a frame")
        yield MessagePart(kind, number, header_size, frames[begin:at])
