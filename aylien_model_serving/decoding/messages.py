"""What a service and its decoders say to each other, over a socket between two processes.

A message is a prefix (length of the header, length of the body), a header in MessagePack, and a body as it
is: the file in a request, pixels or samples in a response. A request is answered by one response or several,
the last of which says so.
"""

from __future__ import annotations

import struct
from typing import Any, Literal

import msgspec

#: Lengths of header and body, in bytes.
PREFIX = struct.Struct("<IQ")

#: Bytes that a header may have: the metadata of a picture are in it.
MAX_HEADER = 4 << 20

Family = Literal["image", "audio", "video"]
Want = Literal["all", "check", "header", "batch", "more"]


class DecodeLimits(msgspec.Struct, frozen=True):
    """What a file may take.

    Args:
        pixels: of an image, or of a frame of a video.
        bytes: of the array that a file is decoded to.
        seconds: that audio or video may last.
    """

    pixels: int
    bytes: int
    seconds: float


class DecodeRequest(msgspec.Struct, frozen=True):
    """A file to decode, or more of the one that was asked for before.

    Args:
        family: which decoder.
        media_type: of the file, sniffed from its bytes.
        want: "all" there is; "check": nothing but whether it can be decoded; "header": what is known without
            decoding; "batch": the first frames of a video; "more": the next ones.
        limits: what it may take.
        cpu_seconds: processor time after which the kernel ends the decoder.
        mode: Pillow's colour mode of the pixels; None for the image's own, with its metadata.
    """

    family: Family
    media_type: str
    want: Want
    limits: DecodeLimits
    cpu_seconds: float
    mode: str | None = None


class DecodeResponse(msgspec.Struct, frozen=True):
    """A part of what a file is decoded to, or why it is not.

    Args:
        is_last: whether none follows until the next request.
        is_end: whether the file has no more frames.
        problem: "bad": the file is broken; "large": it exceeds a limit; "missing": a package is not
            installed.
        message: what is wrong, for the client.
        detail: what else is known of it, for the service's log.
        shape: of the array in the body.
        rate: samples, or frames, in a second.
        frames: samples of one channel that the header declares.
        picture: mode, palette and metadata of an image.
    """

    is_last: bool = True
    is_end: bool = True
    problem: Literal["", "bad", "large", "missing"] = ""
    message: str = ""
    detail: str = ""
    shape: tuple[int, ...] = ()
    rate: float = 0.0
    frames: int = 0
    picture: dict[str, Any] = {}


def pack(header: DecodeRequest | DecodeResponse, body_length: int) -> bytes:
    """Return prefix and header of a message."""
    encoded = msgspec.msgpack.encode(header)
    return PREFIX.pack(len(encoded), body_length) + encoded
