"""Real files, encoded by the packages themselves, and files that only look real."""

from __future__ import annotations

import struct
import zlib
from functools import cache
from typing import Any

import numpy as np

from aylien_model_serving.media import AudioFile, ImageFile, VideoFile

SAMPLE_RATE = 16_000


@cache
def pixels(rows: int = 24, columns: int = 32) -> Any:
    """Return an array that is different in every pixel and colour."""
    return np.random.default_rng(1).integers(0, 256, (rows, columns, 3), np.uint8)


@cache
def image(format_: str = "png") -> bytes:
    return ImageFile.from_np_array(pixels(), format_).content


@cache
def tone(samples: int = SAMPLE_RATE) -> Any:
    return np.sin(np.arange(samples) / 20).astype(np.float32) / 2


@cache
def audio(format_: str = "wav") -> bytes:
    return AudioFile.from_np_array(tone(), SAMPLE_RATE, format_).content


@cache
def video_frames(count: int = 12, rows: int = 48, columns: int = 64) -> Any:
    """Return a bar that moves over a grey ground: which lossy compression preserves."""
    array = np.full((count, rows, columns, 3), 128, np.uint8)
    for position in range(count):
        array[position, :, position * 4 : position * 4 + 8] = 255
    return array


@cache
def video() -> bytes:
    return VideoFile.from_np_array(video_frames(), 12).content


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of(width: int, height: int, data: bytes = b"") -> bytes:
    """Return a grey PNG of any declared size; without data, one whose pixels are missing."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@cache
def bomb(side: int = 12_000) -> bytes:
    """Return a PNG of some kilobytes that decompresses to `side` squared pixels."""
    packer = zlib.compressobj(9)
    row = bytes(side + 1)
    return png_of(side, side, b"".join(packer.compress(row) for _ in range(side)) + packer.flush())
