"""Audio files, decoded by soundfile in a process that can be killed (`decoding.sound`)."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from aylien_model_serving.decoding import packages
from aylien_model_serving.decoding.messages import DecodeResponse, Family
from aylien_model_serving.decoding.sound import MEDIA_TYPES
from aylien_model_serving.media.errors import as_request_error
from aylien_model_serving.media.files import MediaFile

if TYPE_CHECKING:
    from typing_extensions import Self


class AudioFile(MediaFile):
    """An audio file: WAV, FLAC, Ogg (Vorbis, Opus), MP3, AIFF or AU."""

    __slots__ = ()

    family: ClassVar[Family | Literal[""]] = "audio"
    decoded: ClassVar[frozenset[str]] = MEDIA_TYPES
    noun: ClassVar[str] = "audio"
    noun_of_many: ClassVar[str] = "audio files"
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
        return int(self._header().rate)

    @property
    def seconds(self) -> float:
        """The duration, as the header declares it."""
        header = self._header()
        return header.frames / header.rate

    def to_np_array(self) -> Any:
        """Return the samples, or samples x channels, as numbers from -1 to 1 of type float32.

        Raises:
            BadRequest: the client's file is broken; the message names the field.
            FileTooLarge: it lasts longer, or takes more memory or time, than the operator allows.
            DeadlineExceeded: the deadline of the client's request passed.
            Unavailable: too many files are being decoded.
        """
        numpy = packages.numpy()
        content = self._raw_content()
        with as_request_error(self._field):
            responses, samples = self._decode(content).whole("all")
        self._is_verified = True
        return numpy.frombuffer(samples, numpy.float32).reshape(-1, *responses[-1].shape)

    def _header(self) -> DecodeResponse:
        content = self._raw_content()
        with as_request_error(self._field):
            return self._decode(content).whole("header")[0][0]
