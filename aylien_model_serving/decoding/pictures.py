"""Images, decoded by Pillow in a decoder.

Only the class that reads the format of the first bytes is made, so that no other of Pillow's decoders sees
the file, and none that runs a program. The first frame is used.
"""

from __future__ import annotations

import importlib
import io
from collections.abc import Iterator
from typing import Any

from aylien_model_serving.decoding import jpeg, packages, sizes, tiff
from aylien_model_serving.decoding.errors import BadFile, TooLarge
from aylien_model_serving.decoding.messages import DecodeLimits, DecodeRequest, DecodeResponse

#: Pillow's classes, by module and name: what is read here and nothing else.
_CLASSES = {
    "image/png": ("PngImagePlugin", "PngImageFile"),
    "image/jpeg": ("JpegImagePlugin", "JpegImageFile"),
    "image/gif": ("GifImagePlugin", "GifImageFile"),
    "image/webp": ("WebPImagePlugin", "WebPImageFile"),
    "image/bmp": ("BmpImagePlugin", "BmpImageFile"),
    "image/tiff": ("TiffImagePlugin", "TiffImageFile"),
    "image/avif": ("AvifImagePlugin", "AvifImageFile"),
}

#: Media types of the images that are decoded.
MEDIA_TYPES = frozenset(_CLASSES)

#: Bytes that the texts and profiles of a PNG may be decompressed to, one of them and all.
_MAX_TEXT, _MAX_TEXTS = 1 << 20, 4 << 20

#: Bytes of the metadata that are handed on.
_MAX_INFO = 1 << 20

#: Bytes of the rows that are made at once: less than a socket takes before somebody reads.
_STRIP = 128 << 10

#: Bytes of a pixel in the widest of Pillow's modes.
_PIXEL_BYTES = 4


def load(media_type: str) -> None:
    """Import what decodes a format, before memory is limited."""
    pillow = packages.pillow()
    pillow.Image.MAX_IMAGE_PIXELS = None  # the limit is the operator's
    module = _module(media_type)
    if media_type == "image/png":
        module.MAX_TEXT_CHUNK, module.MAX_TEXT_MEMORY = _MAX_TEXT, _MAX_TEXTS
    if media_type == "image/avif":
        module.DEFAULT_MAX_THREADS = 1
    if media_type == "image/tiff":
        _module("image/jpeg")


def parts(request: DecodeRequest, content: bytes) -> Iterator[tuple[DecodeResponse, Any]]:
    """Yield the pixels of an image."""
    image = _decode(content, request.media_type, request.limits)
    if request.want == "check":
        yield DecodeResponse(), b""
        return
    packages.pillow().ImageOps.exif_transpose(image, in_place=True)
    if request.mode is not None and image.mode != request.mode:
        image = image.convert(request.mode)
    columns, rows = image.size
    description = {} if request.mode is not None else _description(image)
    yield DecodeResponse(shape=(rows, columns, len(image.getbands())), picture=description), _Rows(image)


class _Rows:
    """The bytes of an image, a few rows at a time: while some are received, the next ones are made."""

    def __init__(self, image: Any) -> None:
        self._image = image
        self._row_bytes = len(image.crop((0, 0, image.width, 1)).tobytes())

    def __len__(self) -> int:
        return self._row_bytes * int(self._image.height)

    def __iter__(self) -> Iterator[bytes]:
        width, height = self._image.size
        step = max(1, _STRIP // self._row_bytes)
        for top in range(0, height, step):
            yield self._image.crop((0, top, width, min(height, top + step))).tobytes()


def _decode(content: bytes, media_type: str, limits: DecodeLimits) -> Any:
    try:
        for width, height in _measured(content, media_type, limits):
            _check_size(width, height, limits)
        image = getattr(_module(media_type), _CLASSES[media_type][1])(io.BytesIO(content))
        _check_size(image.width, image.height, limits)
        image.load()
    except (BadFile, MemoryError):
        raise
    except Exception as error:  # each of Pillow's decoders has errors of its own
        raise BadFile(f"the {media_type} is broken or ends early") from error
    return image


def _measured(content: bytes, media_type: str, limits: DecodeLimits) -> Iterator[tuple[int, int]]:
    """Yield the sizes that a file declares, checked for what decoding it will need."""
    if media_type == "image/tiff":
        yield tiff.measure(content, limits)
    elif media_type == "image/jpeg":
        yield jpeg.measure(content)
    else:
        yield from sizes.declared(content, media_type)


def _check_size(width: int, height: int, limits: DecodeLimits) -> None:
    pixels = width * height
    if pixels > limits.pixels:
        raise TooLarge(
            f"the image has {width} x {height} pixels, more than the {limits.pixels:,} that are decoded here"
        )
    if pixels * _PIXEL_BYTES > limits.bytes:
        raise TooLarge(f"the image has more than the {limits.bytes:,} bytes that are decoded here")


def _module(media_type: str) -> Any:
    return importlib.import_module(f"PIL.{_CLASSES[media_type][0]}")


def _description(image: Any) -> dict[str, Any]:
    """Return what else than its pixels makes a Pillow image: mode, palette, and metadata of plain types."""
    info: dict[str, Any] = {}
    size = 0
    for name, value in image.info.items():
        size += len(value) if isinstance(value, (bytes, str)) else 8
        if isinstance(name, str) and _is_plain(value) and size <= _MAX_INFO:
            info[name] = value
    palette = None if image.palette is None else [image.palette.mode, bytes(image.palette.tobytes())]
    return {"mode": image.mode, "info": info, "palette": palette}


def _is_plain(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(type(item) in (int, float) for item in value)
    return type(value) in (int, float, str, bytes, bool) and not (type(value) is int and abs(value) >> 63)
