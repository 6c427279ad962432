"""What decoding a TIFF will need, from its first directory (TIFF 6.0, sections 2 and 15).

Pure. A picture lies in the file as strips or tiles, each of which is decompressed into a buffer of the size
that the directory declares, whatever the size of the picture; and many may be the same bytes of the file.
"""

from __future__ import annotations

import struct

from aylien_model_serving.decoding.errors import BadFile, TooLarge
from aylien_model_serving.decoding.messages import DecodeLimits

_WIDTH, _HEIGHT, _BITS, _SAMPLES, _ROWS, _PLANAR = 256, 257, 258, 277, 278, 284
_TILE_WIDTH, _TILE_HEIGHT = 322, 323

#: Where strips or tiles lie, and how many bytes they have.
_OFFSETS, _LENGTHS = (273, 324), (279, 325)

#: Bytes of a value of each type, and the format of those that are whole numbers.
_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_WHOLE = {1: "B", 3: "H", 4: "I"}

#: Entries of a directory, and strips or tiles: one for each row of the tallest picture.
_MAX_ENTRIES, _MAX_PIECES = 1024, 65_536

#: Samples of a pixel, and bits of a sample, beyond which no picture is read.
_MAX_SAMPLES, _MAX_BITS = 64, 64

_SEPARATE = 2

_TOO_MANY = f"the image/tiff has more than the {_MAX_PIECES:,} strips or tiles that are decoded here"

_BROKEN = "the image/tiff is broken or ends early"

Values = dict[int, tuple[int, ...]]


def measure(content: bytes, limits: DecodeLimits) -> tuple[int, int]:
    """Return width and height.

    Raises:
        BadFile: the directory is broken, or its pieces overlap.
        TooLarge: decompressing the pieces would take more than the limits allow.
    """
    try:
        values = _directory(content)
    except struct.error as error:
        raise BadFile(_BROKEN) from error
    width, height = _one(values, _WIDTH, 0), _one(values, _HEIGHT, 0)
    if not width or not height:
        raise BadFile(_BROKEN)
    _check_pieces(values, width, height, len(content), limits)
    return width, height


def _check_pieces(values: Values, width: int, height: int, length: int, limits: DecodeLimits) -> None:
    tiled = _TILE_WIDTH in values or _TILE_HEIGHT in values
    across, down = _one(values, _TILE_WIDTH, 0) if tiled else width, _one(values, _TILE_HEIGHT, 0)
    if not tiled:
        down = min(height, _one(values, _ROWS, height) or height)
    samples, bits = _one(values, _SAMPLES, 1), max(values.get(_BITS, (1,)))
    if not across or not down or not 0 < samples <= _MAX_SAMPLES or not 0 < bits <= _MAX_BITS:
        raise BadFile(_BROKEN)
    pieces = -(-width // across) * -(-height // down)
    pieces *= samples if _one(values, _PLANAR, 1) == _SEPARATE else 1
    listed = max(len(values.get(tag, ())) for tag in _OFFSETS)
    if listed > pieces + 1 or sum(values.get(_LENGTHS[tiled], ())) > length:
        raise BadFile("the image/tiff is broken: its strips or tiles overlap")
    if pieces > _MAX_PIECES:
        raise TooLarge(_TOO_MANY)
    each = across * down * bits * (1 if _one(values, _PLANAR, 1) == _SEPARATE else samples) // 8
    if across * down > limits.pixels or each * pieces > limits.bytes:
        raise TooLarge(f"the image/tiff takes more than the {limits.bytes:,} bytes that are decoded here")


def _directory(content: bytes) -> Values:
    """Return the whole numbers of the first directory; all of its values together fit into the file."""
    order = "<" if content[:2] == b"II" else ">"
    (start,) = struct.unpack_from(order + "I", content, 4)
    (count,) = struct.unpack_from(order + "H", content, start)
    values: Values = {}
    left = len(content)
    for position in range(start + 2, start + 2 + 12 * count, 12):
        tag, kind, number, inline = struct.unpack_from(order + "HHI4s", content, position)
        size = _TYPE_BYTES.get(kind, 1) * number
        left -= size
        if count > _MAX_ENTRIES or left < 0:
            raise BadFile("the image/tiff is broken: its directory is larger than the file")
        if kind in _WHOLE and (tag in _OFFSETS or tag in _LENGTHS or number <= _MAX_SAMPLES):
            if number > _MAX_PIECES:
                raise TooLarge(_TOO_MANY)
            at = position + 8 if size <= 4 else struct.unpack(order + "I", inline)[0]
            values.setdefault(tag, struct.unpack_from(f"{order}{number}{_WHOLE[kind]}", content, at))
    return values


def _one(values: Values, tag: int, default: int) -> int:
    found = values.get(tag)
    return found[0] if found else default
