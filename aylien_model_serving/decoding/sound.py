"""Audio files, decoded by soundfile in a decoder.

Samples are read block by block, so that decoding stops as soon as a file has more of them than the limit.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any, Literal

from aylien_model_serving.decoding import packages
from aylien_model_serving.decoding.errors import BadFile, TooLarge
from aylien_model_serving.decoding.messages import DecodeLimits, DecodeRequest, DecodeResponse

#: What libsndfile calls the formats that are read, by media type.
_FORMATS = {
    "audio/wav": {"WAV", "WAVEX"},
    "audio/flac": {"FLAC"},
    "audio/ogg": {"OGG"},
    "audio/mpeg": {"MP3", "MPEG"},
    "audio/aiff": {"AIFF"},
    "audio/basic": {"AU"},
}

#: Media types of the audio that is decoded.
MEDIA_TYPES = frozenset(_FORMATS)

#: Samples of all channels that are read in one block.
_BLOCK = 1 << 20

_SAMPLE_BYTES = 4

#: Samples that an MP3 may have fewer than it declares: encoders pad its ends with up to four frames.
_PADDING = 4 * 1152

#: Declared lengths of a WAV that was written to a pipe, whose length was unknown.
_OPEN_ENDED = frozenset({0, 0xFFFFFFFF, 0x7FFFFFFF + 36})

#: Formats that declare their length in their first bytes.
_BYTE_ORDERS: dict[str, Literal["little", "big"]] = {"audio/wav": "little", "audio/aiff": "big"}


def load(_: str) -> None:
    """Import what decodes audio, before memory is limited."""
    packages.soundfile()
    packages.numpy()


def parts(request: DecodeRequest, content: bytes) -> Iterator[tuple[DecodeResponse, Any]]:
    """Yield the samples of an audio file in blocks."""
    file = _opened(content, request.media_type)
    with file:
        if request.want != "header":
            for block in _blocks(file, request.media_type, request.limits):
                if request.want == "all":
                    yield DecodeResponse(is_last=False, shape=block.shape), memoryview(block).cast("B")
        shape = () if file.channels == 1 else (file.channels,)
        yield DecodeResponse(shape=shape, rate=float(file.samplerate), frames=file.frames), b""


def _opened(content: bytes, media_type: str) -> Any:
    if media_type in _BYTE_ORDERS and _is_truncated(content, _BYTE_ORDERS[media_type]):
        raise BadFile(_broken(media_type))
    soundfile = packages.soundfile()
    try:
        file = soundfile.SoundFile(io.BytesIO(content))
    except (soundfile.SoundFileError, RuntimeError) as error:
        raise BadFile(_broken(media_type)) from error
    if file.format not in _FORMATS[media_type]:
        file.close()
        raise BadFile(_broken(media_type))
    return file


def _blocks(file: Any, media_type: str, limits: DecodeLimits) -> Iterator[Any]:
    """Yield the samples in order.

    Raises:
        BadFile: there are none, or fewer than the header declares.
        TooLarge: there are more than the operator allows.
    """
    errors = (packages.soundfile().SoundFileError, RuntimeError)
    channels = file.channels
    allowed = min(limits.bytes // (_SAMPLE_BYTES * channels), int(limits.seconds * file.samplerate))
    too_long = f"the audio is longer than the {allowed / file.samplerate:g} s decoded here"
    if file.frames > allowed:
        raise TooLarge(too_long)
    block_length = max(1, _BLOCK // channels)
    count = 0
    while True:
        try:
            block = file.read(min(block_length, allowed - count + 1), dtype="float32")
        except errors as error:
            raise BadFile(_broken(media_type)) from error
        count += len(block)
        if count > allowed:
            raise TooLarge(too_long)
        if not len(block):
            break
        yield block
    tolerance = _PADDING if media_type == "audio/mpeg" else 0
    if not count or count < file.frames - tolerance:
        raise BadFile(_broken(media_type))


def _broken(media_type: str) -> str:
    return f"the {media_type} is broken, ends early, or has a coding that is not read here"


def _is_truncated(content: bytes, order: Literal["little", "big"]) -> bool:
    """Return whether a file has fewer bytes than its header declares, which its decoder does not report."""
    declared = int.from_bytes(content[4:8], order)
    return declared not in _OPEN_ENDED and declared + 8 > len(content)
