"""Small files that would take much: each is refused, in one sentence, by a decoder that goes on."""

from __future__ import annotations

import io
import random
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from aylien_model_serving.decoding import pool
from aylien_model_serving.errors import BadRequest, FileTooLarge
from aylien_model_serving.media import AudioFile, ImageFile, MediaFile, VideoFile
from aylien_model_serving.media.errors import BadFile
from tests.decoding import bombs
from tests.media import samples
from tests.selection import examples, full, matrix
from tests.with_media import need_media

MIB = 1 << 20

#: What a decoder may have in memory: itself, its limit, and what it works with.
PEAK = 400 * MIB

MAKERS = {
    **dict.fromkeys(bombs.IMAGES, ImageFile),
    **dict.fromkeys(bombs.SOUNDS, AudioFile),
    **dict.fromkeys(bombs.FILMS, VideoFile),
}
BOMBS: dict[str, Callable[[], bytes]] = {**bombs.IMAGES, **bombs.SOUNDS, **bombs.FILMS}

#: Those that take no time to make.
QUICK = [name for name in bombs.IMAGES if not name.startswith(("avif", "png_of"))]

#: Files that say less than they hold: what they say comes of them, or a refusal.
LIARS = {"avif_larger_than_it_says"}


@pytest.fixture(scope="module", autouse=True)
def _media() -> None:
    need_media()


def sent(kind: type[MediaFile], content: bytes) -> MediaFile:
    file = kind.from_any(content)
    file.set_field("file")
    return file


def refusal_of(file: MediaFile) -> str:
    """Return why a file is refused, or nothing where it is decoded."""
    try:
        file.to_np_array()
    except (FileTooLarge, BadRequest) as error:
        return str(error)
    return ""


def peak_of_decoders() -> int:
    """Return the most that a decoder of this process has had in memory, in bytes."""
    found = [Path(f"/proc/{pid}/status").read_text() for pid in decoders()]
    return max(int(text.partition("VmHWM:")[2].split()[0]) * 1024 for text in found)


def decoders() -> list[int]:
    return [decoder.pid for decoder in pool.of_process(2)._idle]


@pytest.mark.processes
@pytest.mark.parametrize("name", matrix(BOMBS, *QUICK))
def test_a_bomb_is_refused_in_one_sentence(name: str) -> None:
    file = sent(MAKERS[name], BOMBS[name]())

    refusal = refusal_of(file)

    assert re.fullmatch(r"file: [^\n]{10,200}", refusal) or name in LIARS
    assert peak_of_decoders() < PEAK


@full
@pytest.mark.processes
def test_eight_channels_of_silence_are_refused_by_their_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_SERVING_MAX_DECODED_MB", "32")

    with pytest.raises(FileTooLarge, match=r"^file: the audio is longer than"):
        sent(AudioFile, bombs.flac_of_silence()).to_np_array()


@pytest.mark.processes
def test_a_picture_that_takes_too_long_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_SERVING_DECODE_TIMEOUT", "0.3")
    slow = sent(ImageFile, bombs.slow_bmp())
    since = time.monotonic()

    with pytest.raises(FileTooLarge, match=r"^file: the image/bmp takes longer than 0\.3 s to decode$"):
        slow.to_np_array()

    assert time.monotonic() - since < 5


@pytest.mark.parametrize(
    "content",
    [
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 1 1\n(%pipe%touch /tmp/x) (w) file\n",
        b"\xc5\xd0\xd3\xc6" + bytes(100),  # EPS with a preview
        b"8BPS\0\1" + bytes(100),
        b"\0\0\1\0\1\0" + bytes(100),  # ICO
        b"icns" + bytes(100),
        b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(100),  # JPEG 2000
        b"\xff\x4f\xff\x51" + bytes(100),
        b"P6 1 1 255 abc",
        b"qoif" + bytes(100),
        b"II+\0\x08\0\0\0" + bytes(100),  # BigTIFF
        b"\xd7\xcd\xc6\x9a" + bytes(100),  # WMF
    ],
)
def test_a_format_that_is_not_on_the_list_is_no_image(content: bytes) -> None:
    with pytest.raises(BadFile, match="expected an image, not"):
        ImageFile.from_any(content)


@pytest.mark.processes
@pytest.mark.parametrize("disguise", [b"BM" + bytes(8), b"GIF89a", b"II*\0\x08\0\0\0", b"\xff\xd8\xff"])
def test_a_disguised_file_is_seen_by_no_other_decoder(disguise: bytes) -> None:
    content = disguise + b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 1 1\n%%EndComments\n"

    with pytest.raises((BadRequest, FileTooLarge), match=r"^file: the image"):
        sent(ImageFile, content).to_np_array()


@pytest.mark.processes
def test_no_damage_to_a_file_is_more_than_its_own() -> None:
    """A few hundred files with some bytes changed: each is decoded, or refused as a client's."""
    dice = random.Random(1)
    whole = [(ImageFile, samples.image(format_)) for format_ in ("png", "jpeg", "webp", "gif", "bmp", "tiff")]
    whole += [(AudioFile, samples.audio(format_)) for format_ in ("wav", "flac", "ogg", "mp3", "aiff")]
    whole += [(VideoFile, samples.video())]
    for _ in range(examples(1500)):
        kind, content = dice.choice(whole)
        damaged = bytearray(content)
        for _ in range(dice.choice((1, 4))):
            damaged[dice.randrange(dice.choice((60, len(content))))] = dice.choice(
                (0, 255, dice.randrange(256))
            )
        damaged[:12] = content[:12]

        refusal_of(sent(kind, bytes(damaged)))


@pytest.mark.processes
def test_only_the_first_frame_of_an_animation_is_decoded() -> None:
    import PIL.Image

    for format_ in ("gif", "png", "webp"):
        buffer = io.BytesIO()
        frames = [PIL.Image.new("RGB", (20, 10), (40 * number, 0, 0)) for number in range(6)]
        frames[0].save(buffer, format_, save_all=True, append_images=frames[1:])

        assert sent(ImageFile, buffer.getvalue()).to_np_array().shape == (10, 20, 3)


@pytest.mark.processes
def test_the_largest_picture_that_is_allowed_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    import PIL.Image

    buffer = io.BytesIO()
    PIL.Image.new("RGB", (4000, 4000)).save(buffer, "jpeg", progressive=True, subsampling=0)

    assert sent(ImageFile, buffer.getvalue()).to_np_array().shape == (4000, 4000, 3)
    assert peak_of_decoders() < PEAK


@pytest.mark.processes
def test_the_largest_frame_that_is_allowed_is_decoded() -> None:
    film = sent(VideoFile, bombs.film("libx264", "mp4", 4000))

    assert film.to_np_array().shape == (1, 4000, 4000, 3)


@pytest.mark.processes
def test_metadata_of_a_video_may_be_in_any_coding() -> None:
    whole = bombs.film("mpeg4", "matroska", 64, 3)
    assert b"Lavf" in whole

    film = sent(VideoFile, whole.replace(b"Lavf", b"L\xe4vf"))

    assert film.to_np_array().shape == (3, 64, 64, 3)


@pytest.mark.processes
def test_metadata_of_a_picture_come_along() -> None:
    import PIL.Image

    buffer = io.BytesIO()
    image = PIL.Image.new("P", (3, 2), 1)
    image.putpalette([0, 0, 0, 9, 8, 7])
    image.save(buffer, "png", dpi=(72, 72), transparency=0)

    found = sent(ImageFile, buffer.getvalue()).to_image()

    assert (found.mode, found.size, found.info["transparency"]) == ("P", (3, 2), 0)
    assert found.convert("RGB").getpixel((0, 0)) == (9, 8, 7)
    assert "dpi" in found.info


@pytest.mark.processes
@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "F"])
def test_a_picture_of_each_mode_comes_back(mode: str) -> None:
    import numpy as np
    import PIL.Image

    image = PIL.Image.fromarray(samples.pixels()).convert("L" if mode in ("I;16", "F") else mode)
    image = image.convert("I").convert(mode) if mode == "I;16" else image.convert(mode)
    buffer = io.BytesIO()
    image.save(buffer, "tiff")

    found = sent(ImageFile, buffer.getvalue())

    assert found.to_image().mode == mode
    assert np.array_equal(np.array(found.to_image()), np.array(image))
    assert np.array_equal(found.to_np_array("L"), np.array(image.convert("L")))
