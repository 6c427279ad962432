"""Images: from arrays and back, what is refused, what is too large."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aylien_model_serving.errors import FileTooLarge, SchemaMismatch
from aylien_model_serving.media import ImageFile, MediaFile
from aylien_model_serving.media.errors import BadFile, TooLarge
from tests.media import samples
from tests.with_media import need_media

TEXT = base64.b64encode(samples.image()).decode()
FORMATS = ["png", "jpeg", "webp", "gif", "bmp", "tiff", "avif"]
LOSSLESS = ["png", "bmp", "tiff"]


@pytest.fixture(scope="module", autouse=True)
def _media() -> None:
    need_media()


def sent(content: bytes) -> ImageFile:
    """Return the image that a client sent in the field `photo`."""
    image = ImageFile.from_any(content)
    image.set_field("photo")
    return image


@given(
    st.integers(1, 8).flatmap(
        lambda rows: st.integers(1, 8).flatmap(
            lambda columns: st.sampled_from(
                [(rows, columns), (rows, columns, 3), (rows, columns, 4)]
            ).flatmap(
                lambda shape: st.tuples(
                    st.just(shape), st.binary(min_size=rows * columns * 4, max_size=rows * columns * 4)
                )
            )
        )
    )
)
def test_an_array_comes_back_from_its_png(given_: tuple[tuple[int, ...], bytes]) -> None:
    import numpy as np

    shape, content = given_
    array = np.frombuffer(content, np.uint8)[: int(np.prod(shape))].reshape(shape)
    mode = {2: "L", 3: "RGB" if shape[-1] == 3 else "RGBA"}[len(shape)]

    image = ImageFile().from_np_array(array)

    assert np.array_equal(image.to_np_array(mode), array)


@pytest.mark.parametrize("format_", FORMATS)
def test_an_image_of_each_format_is_recognized_and_decoded(format_: str) -> None:
    found = sent(samples.image(format_))

    assert found.content_type == f"image/{format_}"
    assert found.content == samples.image(format_)
    assert found.to_np_array().shape == (24, 32, 3)
    if format_ in LOSSLESS:
        assert (found.to_np_array() == samples.pixels()).all()


def test_an_image_is_taken_for_an_array() -> None:
    import numpy as np

    image = sent(samples.image())

    assert (np.array(image) == samples.pixels()).all()
    assert np.asarray(image, dtype=np.float32).dtype == np.float32


def test_arrays_of_booleans_and_of_one_colour_are_images() -> None:
    import numpy as np

    truths = ImageFile.from_np_array(np.eye(3, dtype=bool))
    grey = ImageFile.from_np_array(np.full((2, 3, 1), 7, np.uint8))

    assert (truths.to_np_array("L") == np.eye(3) * 255).all()
    assert grey.to_np_array("L").tolist() == [[7, 7, 7], [7, 7, 7]]


@pytest.mark.parametrize("shape", [(3,), (2, 2, 2), (0, 3, 3), (2, 2, 2, 3)])
def test_an_array_of_another_shape_is_no_image(shape: tuple[int, ...]) -> None:
    import numpy as np

    with pytest.raises(ValueError, match="rows, columns"):
        ImageFile.from_np_array(np.zeros(shape, np.uint8))


def test_numbers_of_another_type_are_no_image() -> None:
    import numpy as np

    with pytest.raises(ValueError, match="uint8, not float64"):
        ImageFile.from_np_array(np.ones((2, 2)))


def test_an_image_with_transparency_becomes_a_jpeg_without_it() -> None:
    import numpy as np

    assert ImageFile.from_np_array(np.zeros((4, 4, 4), np.uint8), "jpg").content_type == "image/jpeg"


def test_an_image_is_turned_upright() -> None:
    import PIL.Image

    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # Orientation: turn right
    buffer = io.BytesIO()
    PIL.Image.new("RGB", (4, 2)).save(buffer, "jpeg", exif=exif)

    assert sent(buffer.getvalue()).to_np_array().shape == (4, 2, 3)


@pytest.mark.parametrize("use", [lambda file: file.content, lambda file: file.to_np_array()])
@pytest.mark.parametrize("format_", FORMATS)
def test_a_truncated_image_is_refused_with_the_name_of_its_field(format_: str, use: Any) -> None:
    cut = samples.image(format_)[: len(samples.image(format_)) * 2 // 3]

    with pytest.raises(SchemaMismatch, match=f"^photo: the image/{format_} is broken"):
        use(sent(cut))


@pytest.mark.parametrize(
    "content", [samples.png_of(10, 10), samples.png_of(0, 10), b"GIF89a", b"\xff\xd8\xff"]
)
def test_a_file_with_the_signature_of_an_image_alone_is_refused(content: bytes) -> None:
    with pytest.raises(SchemaMismatch, match=r"^photo: the image/.* is broken"):
        _ = sent(content).content


@pytest.mark.parametrize(
    "content", [b"plain text", b"<svg></svg>", b"%PDF-1.7", b"ID3", b"%!PS-Adobe-3.0 EPSF"]
)
def test_a_file_that_is_not_an_image_is_refused_when_it_arrives(content: bytes) -> None:
    with pytest.raises(BadFile, match="expected an image, not"):
        ImageFile.from_any(content)


def test_an_image_of_an_unsupported_format_is_refused() -> None:
    with pytest.raises(SchemaMismatch, match="photo: images of type image/heic are not read here"):
        _ = sent(b"\0\0\0\x20ftypheic").content


@pytest.mark.parametrize("use", [lambda file: file.content, lambda file: file.to_np_array()])
def test_a_decompression_bomb_is_refused_before_it_is_decompressed(use: Any) -> None:
    assert len(samples.bomb()) < 200_000

    with pytest.raises(FileTooLarge, match=r"^photo: the image has .*more than the 16,000,000"):
        use(sent(samples.bomb()))


def test_a_declared_size_over_the_limit_is_refused_before_pillow_warns() -> None:
    with pytest.raises(FileTooLarge, match=r"^photo: the image has"):
        _ = sent(samples.png_of(60_000, 60_000)).content


def test_the_operator_sets_the_limit_of_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    image = sent(samples.image())
    monkeypatch.setenv("MODEL_SERVING_MAX_IMAGE_PIXELS", str(24 * 32 - 1))
    with pytest.raises(FileTooLarge, match="24"):
        _ = image.content

    monkeypatch.setenv("MODEL_SERVING_MAX_IMAGE_PIXELS", str(24 * 32))
    assert image.content


def test_an_image_of_the_services_own_is_an_error_of_the_service() -> None:
    with pytest.raises(BadFile, match=r"^expected an image"):
        ImageFile.from_bytes(b"plain text")
    with pytest.raises(TooLarge, match=r"^the image has"):
        ImageFile.from_bytes(samples.bomb()).to_np_array()


def test_an_image_is_saved_under_its_own_name(tmp_path: Path) -> None:
    image = ImageFile.from_bytes(samples.image(), file_name="../a.png")

    assert image.save(tmp_path) == tmp_path / "a.png"
    assert image.save(tmp_path / "b.png") == tmp_path / "b.png"
    assert ImageFile.from_file(tmp_path / "b.png").content == samples.image()
    assert ImageFile.from_file(tmp_path / "b.png").file_name == "b.png"


@pytest.mark.parametrize("name", [".bashrc", "-rf", "nul", "a.", "x/.ssh", "a\\.profile"])
def test_a_clients_file_is_not_saved_under_a_name_that_is_not_plain(tmp_path: Path, name: str) -> None:
    image = ImageFile.from_any({"file_name": name, "content": TEXT})
    image.set_field("photo")

    with pytest.raises(SchemaMismatch, match=r"^photo: '.*' is no plain file name"):
        image.save(tmp_path)

    assert list(tmp_path.iterdir()) == []


def test_a_file_that_can_not_be_decoded_is_not_saved(tmp_path: Path) -> None:
    image = ImageFile.from_any({"file_name": "a.png", "content": TEXT[: len(TEXT) // 2]})
    image.set_field("photo")

    with pytest.raises(SchemaMismatch, match="is broken"):
        image.save(tmp_path)

    assert list(tmp_path.iterdir()) == []


def test_nothing_in_a_folder_is_replaced(tmp_path: Path) -> None:
    image = ImageFile.from_bytes(samples.image(), file_name="a.png")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "a.png").write_bytes(b"before")
    (tmp_path / "elsewhere" / "a.png").symlink_to(tmp_path / "target.png")

    for folder in ("there", "elsewhere"):
        with pytest.raises(FileExistsError):
            image.save(tmp_path / folder)

    assert (tmp_path / "there" / "a.png").read_bytes() == b"before"
    assert not (tmp_path / "target.png").exists()


def test_a_file_without_a_name_needs_one_to_be_saved(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has no name"):
        ImageFile.from_bytes(samples.image()).save(tmp_path)


def test_a_file_of_any_kind_becomes_an_image_if_it_is_one() -> None:
    assert ImageFile.from_any(MediaFile.from_any(samples.image())).to_np_array().shape == (24, 32, 3)
    with pytest.raises(BadFile):
        ImageFile.from_any(MediaFile.from_any(b"plain text"))
