"""Images, decoded by Pillow in a process that can be killed (`decoding.pictures`)."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from aylien_model_serving.decoding import packages
from aylien_model_serving.decoding.messages import DecodeResponse, Family
from aylien_model_serving.decoding.pictures import MEDIA_TYPES
from aylien_model_serving.media.errors import as_request_error
from aylien_model_serving.media.files import MediaFile

if TYPE_CHECKING:
    from typing_extensions import Self

#: Pillow's colour modes that JPEG lacks.
_NOT_IN_JPEG = frozenset({"RGBA", "LA", "PA", "P"})

#: Pillow's colour modes whose pixels are bytes.
_BYTE_MODES = frozenset({"L", "LA", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "LAB"})


#: Formats in which a picture is answered that was read in them; others become PNG.
_KEPT_FORMATS = frozenset({"PNG", "JPEG", "WEBP"})

#: Pillow's colour modes that PNG has; a picture of another becomes one of red, green and blue.
_IN_PNG = frozenset({"1", "L", "LA", "I;16", "P", "RGB", "RGBA"})


def is_picture_type(kind: Any) -> bool:
    """Return whether a type is that of Pillow's images, without importing Pillow."""
    pillow = sys.modules.get("PIL.Image")
    return pillow is not None and kind is pillow.Image


def file_of(value: Any) -> Any:
    """Return the file of a Pillow image, or any other value as it is."""
    pillow = sys.modules.get("PIL.Image")
    if pillow is None or not isinstance(value, pillow.Image):
        return value
    kept = value.format if value.format in _KEPT_FORMATS else "PNG"
    if kept == "PNG" and value.mode not in _IN_PNG:
        value = value.convert("I;16" if value.mode == "I" else "RGB")  # a grey of 32 bits is written as 16
    return ImageFile.from_image(value, kept)


class ImageFile(MediaFile):
    """An image: PNG, JPEG, WebP, GIF, BMP, TIFF or AVIF."""

    __slots__ = ()

    family: ClassVar[Family | Literal[""]] = "image"
    decoded: ClassVar[frozenset[str]] = MEDIA_TYPES
    noun: ClassVar[str] = "an image"
    noun_of_many: ClassVar[str] = "images"
    package: ClassVar[str | None] = "PIL"

    @classmethod
    def from_image(
        cls,
        image: Any,
        format: str = "png",  # noqa: A002  # as Pillow calls it
        file_name: str | None = None,
    ) -> Self:
        """Return a file that holds a Pillow image.

        Args:
            image: a `PIL.Image.Image`.
            format: one that Pillow writes, e.g. "png", "jpeg", "webp".
            file_name: without folders.
        """
        wanted = format.lower().replace("jpg", "jpeg")
        if wanted == "jpeg" and image.mode in _NOT_IN_JPEG:
            image = image.convert("RGB")
        buffer = io.BytesIO()
        image.save(buffer, wanted)
        return cls.from_bytes(buffer.getvalue(), file_name=file_name)

    @classmethod
    def from_np_array(
        cls,
        array: Any,
        format: str = "png",  # noqa: A002  # as Pillow calls it
        file_name: str | None = None,
    ) -> Self:
        """Return a file that holds an array.

        Args:
            array: rows x columns for grey, or rows x columns x 1, 3 (RGB) or 4 (RGBA) numbers of type uint8;
                of type bool for black and white.
            format: as in `from_image`.
            file_name: without folders.

        Raises:
            ValueError: the array has another shape or type.
        """
        numpy = packages.numpy()
        array = numpy.asarray(array)
        if array.dtype == bool:
            array = array.astype(numpy.uint8) * 255
        if array.dtype != numpy.uint8:
            raise ValueError(f"an image is made of numbers from 0 to 255 of type uint8, not {array.dtype}")
        if array.ndim == 3 and array.shape[2] == 1:
            array = array[:, :, 0]
        if not array.size or not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))):
            raise ValueError(f"an image has rows, columns and 1, 3 or 4 colours, not {array.shape}")
        image = packages.pillow().Image.fromarray(numpy.ascontiguousarray(array))
        return cls.from_image(image, format, file_name)

    def to_image(self) -> Any:
        """Return the first frame as a `PIL.Image.Image`, upright as its Exif says.

        Raises:
            BadRequest: the client's image is broken; the message names the field.
            FileTooLarge: it has more pixels than MODEL_SERVING_MAX_IMAGE_PIXELS, or takes too much to decode.
            DeadlineExceeded: the deadline of the client's request passed.
            Unavailable: too many files are being decoded.
        """
        content = self._raw_content()
        with as_request_error(self._field):
            [response], pixels = self._decode(content).whole("all")
        self._is_verified = True
        return _image_of(response, pixels)

    def to_np_array(self, mode: str = "RGB") -> Any:
        """Return rows x columns x colours as numbers of type uint8; raises as `to_image`.

        Args:
            mode: Pillow's colour mode: "RGB", "RGBA", or "L" for grey, without the third
                dimension.
        """
        numpy = packages.numpy()
        if mode not in _BYTE_MODES:  # of other types than uint8
            return numpy.array(self.to_image().convert(mode))
        content = self._raw_content()
        with as_request_error(self._field):
            [response], pixels = self._decode(content).whole("all", mode)
        self._is_verified = True
        shape = response.shape if response.shape[2] > 1 else response.shape[:2]
        return numpy.frombuffer(pixels, numpy.uint8).reshape(shape)


def _image_of(response: DecodeResponse, pixels: bytearray) -> Any:
    """Return the Pillow image that a decoder has described."""
    rows, columns = response.shape[:2]
    image = packages.pillow().Image.frombytes(response.picture["mode"], (columns, rows), bytes(pixels))
    if response.picture["palette"] is not None:
        mode, colours = response.picture["palette"]
        image.putpalette(colours, mode)
    image.info = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in response.picture["info"].items()
    }
    return image
