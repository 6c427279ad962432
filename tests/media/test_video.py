"""Videos: from frames and back, what is refused, what is too long."""

from __future__ import annotations

import io
from typing import Any

import pytest

from aylien_model_serving.errors import FileTooLarge, SchemaMismatch
from aylien_model_serving.media import VideoFile
from aylien_model_serving.media.errors import BadFile
from tests.media import samples
from tests.with_media import need_media


@pytest.fixture(scope="module", autouse=True)
def _media() -> None:
    need_media()


def sent(content: bytes) -> VideoFile:
    video = VideoFile.from_any(content)
    video.set_field("clip")
    return video


def rewrapped(format_: str, *, with_pictures: bool = True) -> bytes:
    """Return the video in another container, or a container without frames."""
    import av
    import numpy as np

    buffer = io.BytesIO()
    with av.open(buffer, "w", format=format_) as container:
        if with_pictures:
            stream: Any = container.add_stream("mpeg4" if format_ == "avi" else "libx264", rate=12)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            for frame in samples.video_frames():
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        else:
            stream = container.add_stream("aac", rate=16000, layout="mono")
            sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            sound.sample_rate = 16000
            container.mux(stream.encode(sound))
        container.mux(stream.encode())
    return buffer.getvalue()


def test_frames_come_back_from_their_mp4() -> None:
    found = sent(samples.video())

    assert found.content_type == "video/mp4"
    assert found.content == samples.video()
    assert found.frame_rate == 12
    frames = found.to_np_array()
    assert frames.shape == samples.video_frames().shape
    assert abs(frames.astype(int) - samples.video_frames()).mean() < 8


def test_frames_come_one_by_one() -> None:
    assert [frame.shape for frame in sent(samples.video()).frames()] == [(48, 64, 3)] * 12


def test_frames_of_odd_sides_keep_their_size() -> None:
    found = VideoFile.from_np_array(samples.video_frames()[:2, :47, :63], 29.97)

    assert found.to_np_array().shape == (2, 47, 63, 3)
    assert found.frame_rate == pytest.approx(29.97, abs=0.001)


@pytest.mark.parametrize(
    ("format_", "media_type"),
    [
        ("matroska", "video/x-matroska"),
        ("avi", "video/x-msvideo"),
        ("mov", "video/quicktime"),
        ("mpegts", "video/mp2t"),
    ],
)
def test_video_in_another_container_is_recognized_and_decoded(format_: str, media_type: str) -> None:
    found = sent(rewrapped(format_))

    assert found.content_type == media_type
    assert found.to_np_array().shape == (12, 48, 64, 3)


@pytest.mark.parametrize("shape", [(2, 48, 64), (0, 48, 64, 3), (2, 48, 64, 4)])
def test_an_array_of_another_shape_is_no_video(shape: tuple[int, ...]) -> None:
    import numpy as np

    with pytest.raises(ValueError, match="a video is made of"):
        VideoFile.from_np_array(np.zeros(shape, np.uint8))


@pytest.mark.parametrize(
    "use", [lambda file: file.content, lambda file: file.to_np_array(), lambda file: file.frame_rate]
)
@pytest.mark.parametrize("share", [0.01, 0.5])
def test_truncated_video_is_refused_with_the_name_of_its_field(share: float, use: Any) -> None:
    whole = samples.video()

    with pytest.raises(SchemaMismatch, match=r"^clip: the video/mp4 is broken"):
        use(sent(whole[: max(16, int(len(whole) * share))]))


def test_a_container_without_frames_is_refused() -> None:
    with pytest.raises(SchemaMismatch, match=r"^clip: the video/x-matroska holds no pictures"):
        _ = sent(rewrapped("matroska", with_pictures=False)).content


@pytest.mark.parametrize("content", [samples.png_of(1, 1), b"#EXTM3U\n/etc/passwd", b"ffconcat version 1.0"])
def test_a_file_that_is_not_video_is_refused_when_it_arrives(content: bytes) -> None:
    with pytest.raises(BadFile, match="expected a video, not"):
        VideoFile.from_any(content)


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("MAX_MEDIA_SECONDS", "0.5", "the video is longer than the 0.5 s"),
        ("MAX_DECODED_MB", "0.05", "the video has more than the 52,428 bytes"),
        ("MAX_IMAGE_PIXELS", "3071", "a frame of 64 x 48 pixels"),
    ],
)
def test_video_that_exceeds_a_limit_when_decoded_is_refused(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, message: str
) -> None:
    monkeypatch.setenv(f"MODEL_SERVING_{variable}", value)

    with pytest.raises(FileTooLarge, match=f"^clip: {message}"):
        sent(samples.video()).to_np_array()
