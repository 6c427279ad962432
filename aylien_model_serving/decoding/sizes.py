"""The sizes that an image's header declares, read from its first bytes before any decoder sees it.

Pure. Of an animation that is the canvas, which is what a decoder keeps. What is no such header declares
nothing: the decoder then refuses it, or finds a size later.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator

Size = tuple[int, int]

#: Chunks of a WebP that are looked at: those of its picture come first.
_MAX_CHUNKS = 1000

#: The box of an item's size in a HEIF file (ISO/IEC 23008-12, section 6.5.3): width and height.
_ISPE = re.compile(rb"ispe\x00{4}(.{4})(.{4})", re.DOTALL)


def declared(content: bytes, media_type: str) -> list[Size]:
    """Return width and height, in pixels, of all that a file of this type declares."""
    try:
        return list(_READERS[media_type](content))
    except struct.error:
        return []


def _png(content: bytes) -> Iterator[Size]:
    """Read the chunk IHDR (https://www.w3.org/TR/png-3/#11IHDR)."""
    yield struct.unpack_from(">II", content, 16)


def _gif(content: bytes) -> Iterator[Size]:
    """Read the logical screen (https://www.w3.org/Graphics/GIF/spec-gif89a.txt, section 18)."""
    yield struct.unpack_from("<HH", content, 6)


def _bmp(content: bytes) -> Iterator[Size]:
    """Read the header of a bitmap, of OS/2 or later; rows of a negative height are stored downwards."""
    (size,) = struct.unpack_from("<I", content, 14)
    width, height = struct.unpack_from("<HH" if size == 12 else "<ii", content, 18)
    yield abs(width), abs(height)


def _webp(content: bytes) -> Iterator[Size]:
    """Read the chunks (RFC 9649, section 2)."""
    position = 12
    for _ in range(_MAX_CHUNKS):
        if position + 8 > len(content):
            return
        kind, length = struct.unpack_from("<4sI", content, position)
        yield from _webp_chunk(kind, content[position + 8 : position + 24])
        position += 8 + length + length % 2


def _webp_chunk(kind: bytes, data: bytes) -> Iterator[Size]:
    if kind == b"VP8X":
        yield 1 + _24(data, 4), 1 + _24(data, 7)
    elif kind == b"ANMF":
        yield 1 + _24(data, 6), 1 + _24(data, 9)
    elif kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 6)
        yield width & 0x3FFF, height & 0x3FFF
    elif kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 1)
        yield 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)


def _24(data: bytes, position: int) -> int:
    return int.from_bytes(data[position : position + 3], "little")


def _avif(content: bytes) -> Iterator[Size]:
    for found in _ISPE.finditer(content):
        yield int.from_bytes(found[1], "big"), int.from_bytes(found[2], "big")


_READERS: dict[str, Callable[[bytes], Iterator[Size]]] = {
    "image/png": _png,
    "image/gif": _gif,
    "image/bmp": _bmp,
    "image/webp": _webp,
    "image/avif": _avif,
}
