"""Videos, decoded by PyAV in a decoder.

Only the demuxer of the format that the first bytes show is used: others would open the files that a playlist
names. Frames are decoded one by one, and sent as they are asked for.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aylien_model_serving.decoding import packages
from aylien_model_serving.decoding.errors import BadFile, TooLarge
from aylien_model_serving.decoding.messages import DecodeLimits, DecodeRequest, DecodeResponse

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

#: Media types of the videos that are decoded.
MEDIA_TYPES = frozenset(_FORMATS)

#: FFmpeg's codecs that are decoded: those of video, and none of single pictures.
CODECS = frozenset(
    {
        "av1",
        "dnxhd",
        "dvvideo",
        "flv",
        "h263",
        "h264",
        "hevc",
        "libdav1d",
        "libvpx",
        "libvpx-vp9",
        "mjpeg",
        "mpeg1video",
        "mpeg2video",
        "mpeg4",
        "msmpeg4",
        "msmpeg4v2",
        "prores",
        "theora",
        "vp6f",
        "vp8",
        "vp9",
        "wmv1",
        "wmv2",
    }
)

#: Frames that count as a second at least, however short the durations that a video declares.
_MAX_FRAME_RATE = 120

#: Bytes of the frames that are sent for one request.
_BATCH = 8 << 20

#: Major version of PyAV from which on metadata that are no UTF-8 are no error.
_ANY_CODING = 19

#: Pixels by which FFmpeg widens a frame, 64 columns, of as many rows as it takes.
_MAX_PADDING = 64 * 65_536

_COLOURS = 3


def load(_: str) -> None:
    """Import what decodes video, before memory is limited."""
    packages.av()
    packages.numpy()


def parts(request: DecodeRequest, content: bytes) -> Iterator[tuple[DecodeResponse, Any]]:
    """Yield the frames of a video, each as rows x columns x 3 (RGB) bytes."""
    with _opened(content, request.media_type, request.limits) as stream:
        rate = float(stream.average_rate or 0)
        if request.want == "header":
            yield DecodeResponse(rate=rate), b""
            return
        frames = _frames(stream, request.limits)
        if request.want == "check":
            next(frames)
        elif request.want == "all":
            codec = stream.codec_context
            _check_together(stream.frames * codec.width * codec.height * _COLOURS, request.limits)
            yield from _together(frames, request.limits)
        else:
            yield from _in_batches(frames)
    yield DecodeResponse(rate=rate), b""


def _check_together(size: int, limits: DecodeLimits) -> None:
    if size > limits.bytes:
        raise TooLarge(f"the video has more than the {limits.bytes:,} bytes that are decoded here")


def _together(frames: Iterator[Any], limits: DecodeLimits) -> Iterator[tuple[DecodeResponse, Any]]:
    """Yield frames that make one array."""
    size = 0
    shape: tuple[int, ...] = ()
    for frame in frames:
        size += frame.nbytes
        _check_together(size, limits)
        if frame.shape != (shape := shape or frame.shape):
            raise BadFile("the frames of the video differ in size")
        yield DecodeResponse(is_last=False, shape=shape), memoryview(frame).cast("B")


def _in_batches(frames: Iterator[Any]) -> Iterator[tuple[DecodeResponse, Any]]:
    """Yield frames, and say after so many bytes that the next ones have to be asked for."""
    size = 0
    for frame in frames:
        size += frame.nbytes
        is_full = size >= _BATCH
        size = 0 if is_full else size
        yield DecodeResponse(is_last=is_full, is_end=False, shape=frame.shape), memoryview(frame).cast("B")


@contextmanager
def _opened(content: bytes, media_type: str, limits: DecodeLimits) -> Iterator[Any]:
    """Open the first video stream of a file."""
    av = packages.av()
    options = {"codec_whitelist": ",".join(sorted(CODECS))}
    try:
        with av.open(
            io.BytesIO(content), format=_FORMATS[media_type], options=options, **_metadata(av)
        ) as container:
            if not container.streams.video:
                raise BadFile(f"the {media_type} holds no pictures")
            stream = container.streams.video[0]
            _restrict(stream, limits)
            yield stream
    except (av.error.FFmpegError, IndexError) as error:
        raise BadFile(
            f"the {media_type} is broken, ends early, or has a coding that is not read here"
        ) from error


def _metadata(av: Any) -> dict[str, str]:
    """Return the argument by which metadata may be in any coding; PyAV 19 needs none."""
    return {"metadata_errors": "replace"} if int(av.__version__.partition(".")[0]) < _ANY_CODING else {}


def _restrict(stream: Any, limits: DecodeLimits) -> None:
    """Have FFmpeg refuse frames that are too large before it makes one."""
    codec = stream.codec_context
    if codec is None or codec.codec.name not in CODECS:
        name = "an unknown coding" if codec is None else codec.codec.name
        raise BadFile(f"videos coded as {name} are not read here")
    _check_size(codec.width, codec.height, limits)
    codec.thread_count = 1
    codec.options = {"max_pixels": str(limits.pixels + _MAX_PADDING)}


def _check_size(width: int, height: int, limits: DecodeLimits) -> None:
    if width * height > limits.pixels or width * height * _COLOURS > limits.bytes:
        raise TooLarge(f"a frame of {width} x {height} pixels is not decoded here")


def _frames(stream: Any, limits: DecodeLimits) -> Iterator[Any]:
    numpy = packages.numpy()
    count = 0
    for frame in stream.container.decode(stream):
        count += 1
        _check_size(frame.width, frame.height, limits)
        seconds = max(frame.time or 0, count / _MAX_FRAME_RATE)
        if seconds > limits.seconds:
            raise TooLarge(f"the video is longer than the {limits.seconds:g} s decoded here")
        yield numpy.ascontiguousarray(frame.to_ndarray(format="rgb24"))
    if not count:
        raise BadFile("the video holds no pictures, or ends before the first one")
