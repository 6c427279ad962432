"""Images, decoded by Pillow.

Only the decoder of the format that the first bytes show is tried; the size that the header declares is
checked before anything is decompressed.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, ClassVar

from aylien_model_serving.core.settings import Settings
from aylien_model_serving.media import packages, sniffing
from aylien_model_serving.media.errors import BadFile, TooLarge, as_request_error
from aylien_model_serving.media.files import MediaFile

if TYPE_CHECKING:
    from typing_extensions import Self

#: Pillow's decoders.
_FORMATS = {
    "image/png": "PNG",
    "image/jpeg": "JPEG",
    "image/gif": "GIF",
    "image/webp": "WEBP",
    "image/bmp": "BMP",
    "image/tiff": "TIFF",
    "image/avif": "AVIF",
}

#: Pillow's colour modes that JPEG lacks.
_NOT_IN_JPEG = frozenset({"RGBA", "LA", "PA", "P"})


class ImageFile(MediaFile):
    """An image: PNG, JPEG, WebP, GIF, BMP, TIFF or AVIF."""

    __slots__ = ()

    family: ClassVar[str] = "image"
    noun: ClassVar[str] = "an image"
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
            FileTooLarge: it has more pixels than MODEL_SERVING_MAX_IMAGE_PIXELS.
        """
        content = self._raw_content()
        with as_request_error(self._field):
            image = _decode(content)
        self._is_verified = True
        return packages.pillow().ImageOps.exif_transpose(image)

    def to_np_array(self, mode: str = "RGB") -> Any:
        """Return rows x columns x colours as numbers of type uint8.

        Args:
            mode: Pillow's colour mode: "RGB", "RGBA", or "L" for grey, without the third
                dimension.
        """
        numpy = packages.numpy()
        return numpy.array(self.to_image().convert(mode))

    def _verify(self, content: bytes) -> None:
        _decode(content)


def _decode(content: bytes) -> Any:
    media_type = sniffing.media_type_of(content) or ""
    if media_type not in _FORMATS:
        raise BadFile(f"images of type {media_type} are not read here")
    pillow = packages.pillow()
    limit = Settings.load_public().max_image_pixels
    try:
        image = pillow.Image.open(io.BytesIO(content), formats=(_FORMATS[media_type],))
        width, height = image.size
        if width * height > limit:
            raise TooLarge(
                f"the image has {width} x {height} pixels, more than the {limit:,} that are decoded here"
            )
        image.load()
    except BadFile:
        raise
    except (pillow.Image.DecompressionBombError, pillow.Image.DecompressionBombWarning):
        raise TooLarge(f"the image has more than the {limit:,} pixels that are decoded here") from None
    except Exception as error:  # each of Pillow's decoders has errors of its own
        raise BadFile(f"the {media_type} is broken or ends early") from error
    return image
