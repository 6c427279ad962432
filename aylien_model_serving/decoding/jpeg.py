"""The size and the scans of a JPEG, found as libjpeg finds them (ITU-T T.81, annex B).

Pure. Each scan of a progressive JPEG goes over the whole picture again, and takes a few bytes if it says
nothing: so their number is limited.
"""

from __future__ import annotations

import re

from aylien_model_serving.decoding.errors import BadFile, TooLarge

#: Scans that encoders have no use for more than: ten are usual, and 64 refine each bit of all coefficients.
MAX_SCANS = 64

#: What follows the start of a frame: length, precision, height, width.
_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})

_SCAN, _END = 0xDA, 0xD9

#: Markers without a segment: restarts, the start, and reserved ones, after which libjpeg looks for the next.
_BARE = frozenset({*range(0x01, 0xC0), *range(0xD0, 0xD9)})

#: A marker; within a scan's data a byte FF is followed by 00.
_MARKER = re.compile(rb"\xff([^\x00\xff])", re.DOTALL)

_BROKEN = "the image/jpeg is broken or ends early"


def measure(content: bytes) -> tuple[int, int]:
    """Return width and height.

    Raises:
        BadFile: there is no frame.
        TooLarge: it has more scans than are decoded.
    """
    size: tuple[int, int] | None = None
    scans = 0
    position = 2
    while (found := _MARKER.search(content, position)) is not None:
        marker, position = found[1][0], found.end()
        if marker == _END:
            break
        if marker in _BARE:
            continue
        if marker in _FRAMES and size is None:
            height, width = (
                int.from_bytes(content[position + at : position + at + 2], "big") for at in (3, 5)
            )
            size = width, height
        scans += marker == _SCAN
        if scans > MAX_SCANS:
            raise TooLarge(f"the image/jpeg has more than the {MAX_SCANS} scans that are decoded here")
        position += max(2, int.from_bytes(content[position : position + 2], "big"))
    if size is None or not scans:
        raise BadFile(_BROKEN)
    return size
