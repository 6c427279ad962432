"""Audio files: from samples and back, what is refused, what is too long."""

from __future__ import annotations

from typing import Any

import pytest

from aylien_model_serving.errors import FileTooLarge, SchemaMismatch
from aylien_model_serving.media import AudioFile
from aylien_model_serving.media.errors import BadFile
from tests.media import samples
from tests.with_media import need_media

FORMATS = {
    "wav": "audio/wav",
    "flac": "audio/flac",
    "ogg": "audio/ogg",
    "mp3": "audio/mpeg",
    "aiff": "audio/aiff",
}
LOSSLESS = ["wav", "flac", "aiff"]


@pytest.fixture(scope="module", autouse=True)
def _media() -> None:
    need_media()


def sent(content: bytes) -> AudioFile:
    audio = AudioFile.from_any(content)
    audio.set_field("speech")
    return audio


@pytest.mark.parametrize("format_", FORMATS)
def test_audio_of_each_format_is_recognized_and_decoded(format_: str) -> None:
    found = sent(samples.audio(format_))

    assert found.content_type == FORMATS[format_]
    assert found.content == samples.audio(format_)
    assert found.sample_rate == samples.SAMPLE_RATE
    assert found.seconds == pytest.approx(1, abs=0.1)
    heard = found.to_np_array()
    assert heard.dtype == "float32"
    if format_ in LOSSLESS:
        assert abs(heard - samples.tone()).max() < 1e-4


def test_both_channels_come_back() -> None:
    import numpy as np

    both = np.stack([samples.tone(100), -samples.tone(100)], axis=1)

    found = AudioFile.from_np_array(both, 8000, "flac").to_np_array()

    assert found.shape == (100, 2)
    assert abs(found - both).max() < 1e-4


def test_audio_is_decoded_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aylien_model_serving.decoding.sound._BLOCK", 1000)

    assert sent(samples.audio()).to_np_array().shape == (samples.SAMPLE_RATE,)


@pytest.mark.parametrize("use", [lambda file: file.content, lambda file: file.to_np_array()])
@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("share", [0.05, 0.4])
def test_truncated_audio_is_refused_with_the_name_of_its_field(format_: str, share: float, use: Any) -> None:
    whole = samples.audio(format_)

    with pytest.raises(SchemaMismatch, match=f"^speech: the {FORMATS[format_]} is broken"):
        use(sent(whole[: max(44, int(len(whole) * share))]))


@pytest.mark.parametrize("content", [b"fLaC", b"RIFF\0\0\0\0WAVE", b"OggS" + bytes(30), b"ID3\x04"])
def test_a_file_with_the_signature_of_audio_alone_is_refused(content: bytes) -> None:
    with pytest.raises(SchemaMismatch, match=r"^speech: the audio/.* is broken"):
        _ = sent(content).content


def test_audio_of_an_unsupported_format_is_refused() -> None:
    with pytest.raises(SchemaMismatch, match=r"^speech: audio files of type audio/mp4 are not read here"):
        _ = sent(b"\0\0\0\x20ftypM4A ").content


def test_a_file_that_is_not_audio_is_refused_when_it_arrives() -> None:
    with pytest.raises(BadFile, match="expected audio, not image/png"):
        AudioFile.from_any(samples.image())


@pytest.mark.parametrize(("variable", "value"), [("MAX_MEDIA_SECONDS", "0.5"), ("MAX_DECODED_MB", "0.01")])
@pytest.mark.parametrize("use", [lambda file: file.content, lambda file: file.to_np_array()])
def test_audio_that_exceeds_a_limit_when_decoded_is_refused(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, use: Any
) -> None:
    import numpy as np

    silence = AudioFile.from_np_array(np.zeros(60_000, np.int16), 8000, "flac").content
    assert len(silence) < 10_000
    monkeypatch.setenv(f"MODEL_SERVING_{variable}", value)

    with pytest.raises(FileTooLarge, match=r"^speech: the audio is longer than"):
        use(sent(silence))
