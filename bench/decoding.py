"""`python -m bench.decoding`: what it costs that pictures are decoded by another process.

Every round decodes each picture once by Pillow in this process, and once by a decoder; the best and the
median of each are printed, in milliseconds.
"""

from __future__ import annotations

import io
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy
import PIL.Image
import PIL.ImageOps

from aylien_model_serving import ImageFile

#: Columns, rows, format of each picture, and rounds.
PICTURES = (
    (28, 28, "png", 400),
    (224, 224, "jpeg", 400),
    (640, 480, "jpeg", 60),
    (1920, 1080, "jpeg", 30),
    (4000, 3000, "jpeg", 12),
)

#: Pixels of a smooth picture that become one: what is encoded then is about as large as a photograph.
_SMOOTH = 8


def picture(columns: int, rows: int, format_: str) -> bytes:
    """Return a picture of random colours that run into each other."""
    shape = (max(2, rows // _SMOOTH), max(2, columns // _SMOOTH), 3)
    colours = numpy.random.default_rng(1).integers(0, 256, shape, numpy.uint8)
    buffer = io.BytesIO()
    PIL.Image.fromarray(colours).resize((columns, rows)).save(buffer, format_)
    return buffer.getvalue()


def in_process(content: bytes) -> Any:
    image = PIL.Image.open(io.BytesIO(content), formats=("PNG", "JPEG"))
    image.load()
    return numpy.array(PIL.ImageOps.exif_transpose(image).convert("RGB"))


def by_decoder(content: bytes) -> Any:
    return ImageFile.from_any(content).to_np_array()


def milliseconds(decode: Callable[[bytes], Any], content: bytes) -> float:
    since = time.perf_counter()
    decode(content)
    return (time.perf_counter() - since) * 1000


def main() -> None:
    """Print the table."""
    print(f"{'picture':>16} {'kB':>6} {'in process':>18} {'by a decoder':>18}")
    for columns, rows, format_, rounds in PICTURES:
        content = picture(columns, rows, format_)
        by_decoder(content)
        pairs = [
            (milliseconds(in_process, content), milliseconds(by_decoder, content)) for _ in range(rounds)
        ]
        cells = [f"{min(times):9.2f} {statistics.median(times):8.2f}" for times in zip(*pairs, strict=True)]
        print(f"{columns:>6} x {rows:<4} {format_} {len(content) / 1000:6.0f} {cells[0]} {cells[1]}")


if __name__ == "__main__":
    main()
