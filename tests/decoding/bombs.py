"""Files that are small, and would take much memory or time to decode; each is made here, in code."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

from tests.media import samples


def png_of_many_pixels() -> bytes:
    return samples.bomb(12_000)


def png_with_large_texts() -> bytes:
    """A small picture whose texts and colour profile are megabytes of zeros, deflated."""
    packed = zlib.compress(bytes(60_000_000), 9)
    texts = [samples.chunk(b"zTXt", b"key%d\0\0" % number + packed) for number in range(8)]
    texts.append(samples.chunk(b"iCCP", b"profile\0\0" + packed))
    texts.append(samples.chunk(b"iTXt", b"key\0\1\0\0\0" + packed))
    whole = samples.image("png")
    return whole[:33] + b"".join(texts) + whole[33:]


def tiff(entries: dict[int, tuple[int, ...]], data: bytes) -> bytes:
    """Return a TIFF of one directory; values that name its data, by the number -1, are where that lies."""
    count = len(entries)
    start = 8
    behind = start + 2 + 12 * count + 4
    directory, values = b"", b""
    at = behind + sum(4 * len(value) for value in entries.values() if len(value) > 1)
    for tag, value in sorted(entries.items()):
        numbers = [at if number == -1 else number for number in value]
        packed = struct.pack(f"<{len(numbers)}I", *numbers)
        if len(numbers) > 1:
            directory += struct.pack("<HHII", tag, 4, len(numbers), behind + len(values))
            values += packed
        else:
            directory += struct.pack("<HHI", tag, 4, 1) + packed
    return (
        struct.pack("<2sHI", b"II", 42, start)
        + struct.pack("<H", count)
        + directory
        + bytes(4)
        + values
        + data
    )


def tiff_with_a_large_tile() -> bytes:
    """A picture of one pixel in a tile of a billion, deflated."""
    data = zlib.compress(bytes(8_000_000), 9)
    tags = {256: 1, 257: 1, 258: 8, 259: 8, 262: 1, 277: 1, 322: 32_768, 323: 32_768, 324: -1, 325: len(data)}
    return tiff({tag: (value,) for tag, value in tags.items()}, data)


def tiff_of_many_tiles() -> bytes:
    """A picture whose tiles are each one pixel wide and as long as the whole picture has pixels."""
    data = zlib.compress(bytes(8_000_000), 9)
    tags = {256: 4000, 257: 4000, 258: 8, 259: 8, 262: 1, 277: 1, 322: 16, 323: 1_000_000}
    pieces = 250
    entries = {tag: (value,) for tag, value in tags.items()}
    return tiff({**entries, 324: (-1,) * pieces, 325: (len(data) // pieces,) * pieces}, data)


def tiff_of_overlapping_strips() -> bytes:
    """A picture of 16 megapixels whose rows are all the same bytes of the file, megabytes of them."""
    data = zlib.compress(bytes(2_000_000_000 // 1000), 0)
    tags = {256: 4000, 257: 4000, 258: 8, 259: 8, 262: 1, 277: 1, 278: 1}
    entries = {tag: (value,) for tag, value in tags.items()}
    return tiff({**entries, 273: (-1,) * 4000, 279: (len(data),) * 4000}, data)


def tiff_of_more_strips_than_rows() -> bytes:
    """A small picture with half a million strips, each of which Pillow would prepare."""
    tags = {256: 100, 257: 100, 258: 8, 259: 1, 262: 1, 277: 1, 278: 1}
    entries = {tag: (value,) for tag, value in tags.items()}
    return tiff({**entries, 273: (8,) * 250_000, 279: (0,) * 250_000}, b"")


def tiff_of_many_tags() -> bytes:
    """A small picture with thousands of tags that are all the same two megabytes."""
    data = bytes(2_000_000)
    count = 4000
    head = struct.pack("<2sHI", b"II", 42, 8) + struct.pack("<H", count)
    at = 8 + 2 + 12 * count + 4
    entries = b"".join(struct.pack("<HHII", 1000 + number, 1, len(data), at) for number in range(count))
    return head + entries + bytes(4) + data


def jpeg_of_many_scans(side: int = 1000, scans: int = 2000) -> bytes:
    """A progressive JPEG with thousands of scans that say nothing, each of which goes over all of it."""
    import PIL.Image

    buffer = io.BytesIO()
    PIL.Image.new("L", (side, side)).save(buffer, "jpeg", progressive=True, quality=10)
    whole = buffer.getvalue()
    refinement = (
        b"\xff\xda\x00\x08\x01\x01\x00\x01\x3f\x10"  # all coefficients of the one component, a bit more
    )
    end = whole.rindex(b"\xff\xd9")
    return whole[:end] + (refinement + bytes(8)) * scans + whole[end:]


def webp_of_a_large_canvas() -> bytes:
    """An animation of one small frame on a canvas of 16,384 pixels squared, as its extended header says."""
    import PIL.Image

    buffer = io.BytesIO()
    frames = [PIL.Image.new("RGB", (16, 16), (number * 80, 0, 0)) for number in range(2)]
    frames[0].save(buffer, "webp", save_all=True, append_images=frames[1:], lossless=True)
    whole = bytearray(buffer.getvalue())
    at = whole.index(b"VP8X") + 8
    whole[at + 4 : at + 10] = (16_383).to_bytes(3, "little") * 2
    return bytes(whole)


def avif_of_many_pixels() -> bytes:
    """A picture of one colour, of a few kilobytes."""
    return _plain("avif", 5000, 4000, speed=10)


def avif_larger_than_it_says() -> bytes:
    """The same, which declares to be small."""
    whole = bytearray(avif_of_many_pixels())
    at = whole.index(b"ispe") + 8
    whole[at : at + 8] = struct.pack(">II", 64, 64)
    return bytes(whole)


def webp_of_many_pixels() -> bytes:
    """A lossless picture of a few bytes, which declares in its frame to be larger than it is."""
    whole = bytearray(_plain("webp", 64, 64, lossless=True))
    at = whole.index(b"VP8L") + 9
    bits = int.from_bytes(whole[at : at + 4], "little") & ~0xFFFFFFF | 16_382 | 16_382 << 14
    whole[at : at + 4] = bits.to_bytes(4, "little")
    return bytes(whole)


def gif_of_many_pixels() -> bytes:
    """A GIF whose logical screen is 65,535 pixels squared, with one small frame."""
    whole = bytearray(samples.image("gif"))
    whole[6:10] = struct.pack("<HH", 65_535, 65_535)
    return bytes(whole)


def gif_of_a_large_frame() -> bytes:
    """A GIF whose frame is larger than its screen."""
    whole = bytearray(samples.image("gif"))
    at = whole.index(b",", 13 + 3 * 2 ** ((whole[10] & 7) + 1))
    whole[at + 5 : at + 9] = struct.pack("<HH", 65_535, 65_535)
    return bytes(whole)


def bmp_of_many_pixels() -> bytes:
    """A run-length bitmap of a few bytes that declares 16 gigapixels."""
    whole = bytearray(samples.image("bmp"))
    whole[18:26] = struct.pack("<ii", 131_072, -131_072)
    return bytes(whole)


def slow_bmp(side: int = 3900, run: int = 2) -> bytes:
    """A bitmap within all limits that takes seconds: runs of two pixels, which Pillow reads in Python."""
    row = (bytes([run, 1]) * (side // run) + b"\0\0") * side
    at = 14 + 40 + 1024
    head = struct.pack("<2sIHHI", b"BM", at + len(row), 0, 0, at)
    header = struct.pack("<IiiHHIIiiII", 40, side, side, 1, 8, 1, len(row), 0, 0, 256, 0)
    return head + header + bytes(1024) + row + b"\0\1"


def flac_of_silence() -> bytes:
    """Eight channels of silence: 320 MiB of samples in 100 kB."""
    import numpy as np
    import soundfile

    buffer = io.BytesIO()
    silence = np.zeros((1 << 20, 8), np.int16)
    with soundfile.SoundFile(buffer, "w", 8000, 8, format="FLAC", compression_level=1.0) as file:
        for _ in range(10):
            file.write(silence)
    return buffer.getvalue()


def film(codec: str, container: str, side: int, count: int = 1, pixel_format: str = "yuv420p") -> bytes:
    """Return a video of grey frames."""
    import av
    import numpy as np

    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as output:
        stream: Any = output.add_stream(codec, rate=25)
        stream.width = stream.height = side
        stream.pix_fmt = pixel_format
        frame = av.VideoFrame.from_ndarray(np.zeros((side, side, 3), np.uint8), format="rgb24")
        for number in range(count):
            frame.pts = number
            output.mux(stream.encode(frame))
        output.mux(stream.encode())
    return buffer.getvalue()


def mov_of_one_png() -> bytes:
    """A film of one PNG of 36 megapixels."""
    return film("png", "mov", 6000, pixel_format="rgb24")


def film_of_large_frames() -> bytes:
    return film("mpeg4", "mp4", 5000)


def film_of_many_frames() -> bytes:
    """A film of some hundred kilobytes and 300 MB of frames."""
    return film("mpeg4", "mp4", 1000, 100)


def _plain(format_: str, width: int, height: int, **options: Any) -> bytes:
    import PIL.Image

    limit, PIL.Image.MAX_IMAGE_PIXELS = PIL.Image.MAX_IMAGE_PIXELS, None
    try:
        buffer = io.BytesIO()
        PIL.Image.new("L" if format_ == "avif" else "RGB", (width, height)).save(buffer, format_, **options)
    finally:
        PIL.Image.MAX_IMAGE_PIXELS = limit
    return buffer.getvalue()


IMAGES: dict[str, Callable[[], bytes]] = {
    make.__name__: make
    for make in (
        png_of_many_pixels,
        png_with_large_texts,
        tiff_with_a_large_tile,
        tiff_of_many_tiles,
        tiff_of_overlapping_strips,
        tiff_of_more_strips_than_rows,
        tiff_of_many_tags,
        jpeg_of_many_scans,
        webp_of_a_large_canvas,
        webp_of_many_pixels,
        avif_of_many_pixels,
        avif_larger_than_it_says,
        gif_of_many_pixels,
        gif_of_a_large_frame,
        bmp_of_many_pixels,
    )
}

SOUNDS: dict[str, Callable[[], bytes]] = {flac_of_silence.__name__: flac_of_silence}

FILMS: dict[str, Callable[[], bytes]] = {
    make.__name__: make for make in (mov_of_one_png, film_of_large_frames, film_of_many_frames)
}
