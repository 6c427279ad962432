"""Videos, decoded by PyAV in a process that can be killed (`decoding.film`).

Frames come in batches, so that a long video needs no more memory than the handler keeps of it.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import closing
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from aylien_model_serving.decoding import packages
from aylien_model_serving.decoding.film import MEDIA_TYPES
from aylien_model_serving.decoding.messages import Family
from aylien_model_serving.media.errors import as_request_error
from aylien_model_serving.media.files import MediaFile

if TYPE_CHECKING:
    from typing_extensions import Self

_COLOURS = 3


class VideoFile(MediaFile):
    """A video: MP4, QuickTime, WebM, Matroska, AVI, MPEG, Ogg or FLV."""

    __slots__ = ()

    family: ClassVar[Family | Literal[""]] = "video"
    decoded: ClassVar[frozenset[str]] = MEDIA_TYPES
    noun: ClassVar[str] = "a video"
    noun_of_many: ClassVar[str] = "videos"
    package: ClassVar[str | None] = "av"

    @classmethod
    def from_np_array(cls, array: Any, frame_rate: float = 25, file_name: str | None = None) -> Self:
        """Return an MP4 (H.264, without sound) that holds frames.

        Args:
            array: frames x rows x columns x 3 (RGB) numbers of type uint8.
            frame_rate: in Hz.
            file_name: without folders.

        Raises:
            ValueError: the array has another shape or type.
        """
        numpy = packages.numpy()
        array = numpy.asarray(array)
        if array.ndim != 4 or array.shape[3] != _COLOURS or not array.size or array.dtype != numpy.uint8:
            raise ValueError(
                "a video is made of frames x rows x columns x 3 numbers of type uint8, "
                f"not {array.shape} of type {array.dtype}"
            )
        buffer = io.BytesIO()
        _encode(buffer, array, Fraction(frame_rate).limit_denominator(1001))
        return cls.from_bytes(buffer.getvalue(), file_name=file_name)

    @property
    def frame_rate(self) -> float:
        """Frames in a second, on average."""
        content = self._raw_content()
        with as_request_error(self._field):
            return self._decode(content).whole("header")[0][0].rate

    def frames(self) -> Iterator[Any]:
        """Yield the frames, each as rows x columns x 3 (RGB) numbers of type uint8.

        Raises:
            BadRequest: the client's video is broken; the message names the field.
            FileTooLarge: it lasts longer, or a frame has more pixels, than the operator allows.
            DeadlineExceeded: the deadline of the client's request passed.
            Unavailable: too many files are being decoded.
        """
        numpy = packages.numpy()
        content = self._raw_content()
        with as_request_error(self._field), closing(self._decode(content).batches()) as frames:
            for response, pixels in frames:
                yield numpy.frombuffer(pixels, numpy.uint8).reshape(response.shape)
        self._is_verified = True

    def to_np_array(self) -> Any:
        """Return frames x rows x columns x 3 (RGB) numbers of type uint8.

        Raises:
            ServingError: as in `frames`; FileTooLarge also where all frames together take too much memory.
        """
        numpy = packages.numpy()
        content = self._raw_content()
        with as_request_error(self._field):
            responses, pixels = self._decode(content).whole("all")
        self._is_verified = True
        return numpy.frombuffer(pixels, numpy.uint8).reshape(-1, *responses[0].shape)


def _encode(buffer: io.BytesIO, array: Any, frame_rate: Fraction) -> None:
    av = packages.av()
    rows, columns = array.shape[1:3]
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=frame_rate)
        stream.width, stream.height = columns, rows
        # Players expect 4:2:0, which halves both sides; what can't be halved keeps all of its colours.
        stream.pix_fmt = "yuv420p" if rows % 2 == columns % 2 == 0 else "yuv444p"
        for frame in array:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
