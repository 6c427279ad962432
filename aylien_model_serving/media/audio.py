"""Audio files, decoded by soundfile.

Samples are read block by block, so that decoding stops as soon as a file has more of them than the limit.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from aylien_model_serving.core.settings import Settings
from aylien_model_serving.media import packages, sniffing
from aylien_model_serving.media.errors import BadFile, TooLarge, as_request_error
from aylien_model_serving.media.files import MediaFile

if TYPE_CHECKING:
    from typing_extensions import Self

#: Samples of all channels that are read in one block.
_BLOCK = 1 << 20

_SAMPLE_BYTES = 4

#: Samples that an MP3 may have fewer than it declares: encoders pad its ends with up to four frames.
_PADDING = 4 * 1152

#: Declared lengths of a WAV that was written to a pipe, whose length was unknown.
_OPEN_ENDED = frozenset({0, 0xFFFFFFFF, 0x7FFFFFFF + 36})

#: Formats that declare their length in their first bytes.
_BYTE_ORDERS: dict[str, Literal["little", "big"]] = {"audio/wav": "little", "audio/aiff": "big"}


class AudioFile(MediaFile):
    """An audio file: WAV, FLAC, Ogg (Vorbis, Opus), MP3, AIFF or AU."""

    __slots__ = ()

    family: ClassVar[str] = "audio"
    noun: ClassVar[str] = "audio"
    package: ClassVar[str | None] = "soundfile"

    @classmethod
    def from_np_array(
        cls,
        array: Any,
        sample_rate: int,
        format: str = "wav",  # noqa: A002  # as soundfile calls it
        file_name: str | None = None,
    ) -> Self:
        """Return a file that holds samples.

        Args:
            array: samples, or samples x channels, from -1 to 1, or whole numbers of type int16 or int32.
            sample_rate: in Hz.
            format: one that soundfile writes, e.g. "wav", "flac", "ogg", "mp3".
            file_name: without folders.
        """
        buffer = io.BytesIO()
        packages.soundfile().write(
            buffer, packages.numpy().asarray(array), sample_rate, format=format.upper()
        )
        return cls.from_bytes(buffer.getvalue(), file_name=file_name)

    @property
    def sample_rate(self) -> int:
        """Samples per second of one channel, in Hz."""
        with as_request_error(self._field), _AudioReader(self._raw_content()) as reader:
            return reader.sample_rate

    @property
    def seconds(self) -> float:
        """The duration, as the header declares it."""
        with as_request_error(self._field), _AudioReader(self._raw_content()) as reader:
            return reader.frames / reader.sample_rate

    def to_np_array(self) -> Any:
        """Return the samples, or samples x channels, as numbers from -1 to 1 of type float32.

        Raises:
            BadRequest: the client's file is broken; the message names the field.
            FileTooLarge: it lasts longer, or takes more memory, than the operator allows.
        """
        content = self._raw_content()
        with as_request_error(self._field), _AudioReader(content) as reader:
            blocks = list(reader.blocks())
        self._is_verified = True
        return packages.numpy().concatenate(blocks)

    def _verify(self, content: bytes) -> None:
        with _AudioReader(content) as reader:
            for _ in reader.blocks():
                pass


class _AudioReader:
    """Decodes one file."""

    def __init__(self, content: bytes) -> None:
        self._media_type = sniffing.media_type_of(content) or ""
        if self._media_type in _BYTE_ORDERS and _is_truncated(content, _BYTE_ORDERS[self._media_type]):
            raise BadFile(self._broken())
        soundfile = packages.soundfile()
        self._errors = (soundfile.SoundFileError, RuntimeError)
        try:
            self._file = soundfile.SoundFile(io.BytesIO(content))
        except self._errors as error:
            raise BadFile(self._broken()) from error
        self.sample_rate: int = self._file.samplerate
        self.frames: int = self._file.frames

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def blocks(self) -> Iterator[Any]:
        """Yield the samples in order.

        Raises:
            BadFile: there are none, or fewer than the header declares.
            TooLarge: there are more than the operator allows.
        """
        settings = Settings.load_public()
        channels = self._file.channels
        allowed = min(
            settings.max_decoded_bytes // (_SAMPLE_BYTES * channels),
            int(settings.max_media_seconds * self.sample_rate),
        )
        block_length = max(1, _BLOCK // channels)
        count = 0
        while True:
            try:
                block = self._file.read(min(block_length, allowed - count + 1), dtype="float32")
            except self._errors as error:
                raise BadFile(self._broken()) from error
            count += len(block)
            if count > allowed:
                raise TooLarge(f"the audio is longer than the {allowed / self.sample_rate:g} s decoded here")
            if not len(block):
                break
            yield block
        tolerance = _PADDING if self._media_type == "audio/mpeg" else 0
        if not count or count < self.frames - tolerance:
            raise BadFile(self._broken())

    def _broken(self) -> str:
        return f"the {self._media_type} is broken, ends early, or has a coding that is not read here"


def _is_truncated(content: bytes, order: Literal["little", "big"]) -> bool:
    """Return whether a file has fewer bytes than its header declares, which its decoder does not report."""
    declared = int.from_bytes(content[4:8], order)
    return declared not in _OPEN_ENDED and declared + 8 > len(content)
