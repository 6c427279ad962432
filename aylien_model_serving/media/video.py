"""Videos, decoded by PyAV.

Only the demuxer of the format that the first bytes show is used: others would open the files that a playlist
names. Frames are decoded one by one, so that a long video needs no more memory than the handler keeps of it.
"""

from __future__ import annotations

import io
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar

from aylien_model_serving.core.settings import Settings
from aylien_model_serving.media import packages, sniffing
from aylien_model_serving.media.errors import BadFile, TooLarge, as_request_error
from aylien_model_serving.media.files import MediaFile

if TYPE_CHECKING:
    from typing_extensions import Self

#: FFmpeg's demuxers.
_FORMATS = {
    "video/mp4": "mp4",
    "video/quicktime": "mov",
    "video/webm": "matroska",
    "video/x-matroska": "matroska",
    "video/x-msvideo": "avi",
    "video/mp2t": "mpegts",
    "video/mpeg": "mpeg",
    "video/ogg": "ogg",
    "video/x-flv": "flv",
}

#: Frames that count as a second at least, however short the durations that a video declares.
_MAX_FRAME_RATE = 120

_COLOURS = 3


class VideoFile(MediaFile):
    """A video: MP4, QuickTime, WebM, Matroska, AVI, MPEG, Ogg or FLV."""

    __slots__ = ()

    family: ClassVar[str] = "video"
    noun: ClassVar[str] = "a video"
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
        with as_request_error(self._field), _opened(self._raw_content()) as stream:
            return float(stream.average_rate or 0)

    def frames(self) -> Iterator[Any]:
        """Yield the frames, each as rows x columns x 3 (RGB) numbers of type uint8.

        Raises:
            BadRequest: the client's video is broken; the message names the field.
            FileTooLarge: it lasts longer, or a frame has more pixels, than the operator allows.
        """
        content = self._raw_content()
        with as_request_error(self._field):
            yield from _frames(content)
        self._is_verified = True

    def to_np_array(self) -> Any:
        """Return frames x rows x columns x 3 (RGB) numbers of type uint8.

        Raises:
            BadRequest: the client's video is broken; the message names the field.
            FileTooLarge: as in `frames`, or all of them together take too much memory.
        """
        limit = Settings.load_public().max_decoded_bytes
        frames: list[Any] = []
        content = self._raw_content()
        with as_request_error(self._field):
            for frame in _frames(content):
                frames.append(frame)
                if len(frames) * frame.nbytes > limit:
                    raise TooLarge(f"the video has more than the {limit:,} bytes that are decoded here")
        self._is_verified = True
        return packages.numpy().stack(frames)

    def _verify(self, content: bytes) -> None:
        with closing(_frames(content)) as frames:
            next(frames)


@contextmanager
def _opened(content: bytes) -> Iterator[Any]:
    """Open the first video stream of a file."""
    av = packages.av()
    media_type = sniffing.media_type_of(content) or ""
    if media_type not in _FORMATS:
        raise BadFile(f"videos of type {media_type} are not read here")
    broken = f"the {media_type} is broken, ends early, or has a coding that is not read here"
    try:
        with av.open(io.BytesIO(content), format=_FORMATS[media_type]) as container:
            if not container.streams.video:
                raise BadFile(f"the {media_type} holds no pictures")
            yield container.streams.video[0]
    except (av.error.FFmpegError, IndexError) as error:
        raise BadFile(broken) from error


def _frames(content: bytes) -> Generator[Any, None, None]:
    settings = Settings.load_public()
    count = 0
    with _opened(content) as stream:
        for frame in stream.container.decode(stream):
            count += 1
            if frame.width * frame.height > settings.max_image_pixels:
                raise TooLarge(f"a frame of {frame.width} x {frame.height} pixels is not decoded here")
            seconds = max(frame.time or 0, count / _MAX_FRAME_RATE)
            if seconds > settings.max_media_seconds:
                raise TooLarge(f"the video is longer than the {settings.max_media_seconds:g} s decoded here")
            yield frame.to_ndarray(format="rgb24")
    if not count:
        raise BadFile("the video holds no pictures, or ends before the first one")


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
