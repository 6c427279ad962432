"""What a file will need, as its bytes tell before a decoder sees it."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aylien_model_serving.decoding import jpeg, sizes, tiff
from aylien_model_serving.decoding.errors import BadFile, TooLarge
from aylien_model_serving.decoding.messages import DecodeLimits
from tests.decoding import bombs
from tests.media import samples
from tests.with_media import need_media

LIMITS = DecodeLimits(pixels=1_000_000, bytes=4_000_000, seconds=60)
FORMATS = ("png", "gif", "bmp", "webp", "avif")


@pytest.fixture(scope="module", autouse=True)
def _media() -> None:
    need_media()


def picture(format_: str, mode: str = "RGB", size: tuple[int, int] = (40, 30), **options: Any) -> bytes:
    import PIL.Image

    buffer = io.BytesIO()
    PIL.Image.new(mode, size).save(buffer, format_, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("format_", FORMATS)
def test_the_declared_size_is_that_of_the_picture(format_: str) -> None:
    assert set(sizes.declared(picture(format_), f"image/{format_}")) == {(40, 30)}


@pytest.mark.parametrize("options", [{"lossless": True}, {"lossless": False}, {"exif": b"Exif\0\0"}])
def test_each_kind_of_webp_declares_its_size(options: dict[str, Any]) -> None:
    assert set(sizes.declared(picture("webp", **options), "image/webp")) == {(40, 30)}


def test_an_animation_declares_its_canvas_and_its_frames() -> None:
    found = sizes.declared(bombs.webp_of_a_large_canvas(), "image/webp")

    assert found[0] == (16_384, 16_384)
    assert set(found[1:]) == {(16, 16)}


@pytest.mark.parametrize("format_", FORMATS)
@given(content=st.binary(max_size=200))
def test_no_bytes_break_the_reading_of_sizes(format_: str, content: bytes) -> None:
    for cut in (content, samples.image(format_)[: len(content)] + content):
        assert all(width >= 0 <= height for width, height in sizes.declared(cut, f"image/{format_}"))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"progressive": True},
        {"restart_marker_blocks": 1},
        {"exif": b"Exif\0\0\xff\xda\xff\xd9" * 9},
        {"comment": b"x" * 9},
    ],
)
def test_a_jpegs_size_and_scans_are_found(options: dict[str, Any]) -> None:
    assert jpeg.measure(picture("jpeg", size=(41, 31), **options)) == (41, 31)


def test_what_follows_the_end_of_a_jpeg_does_not_count() -> None:
    """A phone's film behind the picture, or the second one of two."""
    assert jpeg.measure(picture("jpeg") + b"\xff\xda" * 1000) == (40, 30)


@pytest.mark.parametrize(("scans", "is_large"), [(jpeg.MAX_SCANS - 6, False), (jpeg.MAX_SCANS + 1, True)])
def test_a_jpeg_has_64_scans_at_most(scans: int, is_large: bool) -> None:
    content = bombs.jpeg_of_many_scans(64, scans)

    if is_large:
        with pytest.raises(TooLarge, match="64 scans"):
            jpeg.measure(content)
    else:
        assert jpeg.measure(content) == (64, 64)


def test_scans_behind_a_marker_that_is_skipped_are_counted() -> None:
    """Libjpeg skips a reserved marker within a scan alone, and no segment behind it."""
    content = bombs.jpeg_of_many_scans(64, 100)
    end = content.index(b"\xff\xda") + 20

    with pytest.raises(TooLarge, match="64 scans"):
        jpeg.measure(content[:end] + b"\xff\x02\xff\xff" + content[end:])


@given(st.binary(max_size=300))
def test_no_bytes_break_the_reading_of_a_jpeg(content: bytes) -> None:
    for cut in (content, samples.image("jpeg")[: len(content)] + content):
        try:
            jpeg.measure(cut)
        except BadFile:
            continue


@pytest.mark.parametrize("mode", ["1", "L", "RGB", "RGBA", "CMYK", "I;16", "F", "P"])
@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_an_ordinary_tiff_is_within_its_limits(mode: str, compression: str | None) -> None:
    content = picture("tiff", mode, (600, 500), compression=compression)

    assert tiff.measure(content, LIMITS) == (600, 500)


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (bombs.tiff_with_a_large_tile, TooLarge),
        (bombs.tiff_of_many_tiles, BadFile),
        (bombs.tiff_of_overlapping_strips, BadFile),
        (bombs.tiff_of_more_strips_than_rows, TooLarge),
        (bombs.tiff_of_many_tags, BadFile),
    ],
)
def test_a_tiff_that_would_take_more_is_refused(make: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        tiff.measure(make(), LIMITS)


@given(st.binary(max_size=300), st.sampled_from([b"II*\0", b"MM\0*"]))
def test_no_bytes_break_the_reading_of_a_tiff(content: bytes, head: bytes) -> None:
    for cut in (
        head + content,
        head + b"\x08\0\0\0" + content,
        samples.image("tiff")[: len(content)] + content,
    ):
        try:
            tiff.measure(cut, LIMITS)
        except BadFile:
            continue
