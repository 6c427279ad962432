"""Files are read and answered alike behind all adapters."""

from __future__ import annotations

import json

import pytest

from tests.contracts import files
from tests.contracts.adapters import ServiceByAdapter
from tests.contracts.comparison import assert_equal_responses
from tests.with_media import need_media


@pytest.fixture(autouse=True)
def _media() -> None:
    need_media()


@pytest.mark.parametrize("name", files.CASES)
def test_all_adapters_respond_alike(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case = files.CASES[name]
    for variable, value in case.environ.items():  # limits are read when a file is decoded
        monkeypatch.setenv(variable, value)

    assert_equal_responses(ServiceByAdapter(case.build, case.environ), case)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("text for an image", "image: expected an image, not bytes of no known kind"),
        ("an image for audio", "sound: expected audio, not image/png"),
        ("a cut image", "image: the image/png is broken or ends early"),
        ("a cut image of a batch", "image: the image/png is broken or ends early"),
        ("too many pixels", "image: the image has 2 x 2 pixels, more than the 3 that are decoded here"),
        ("a URL", "image: files are not fetched from URLs here: send the file itself"),
        ("a URL that leads inside", "image: the URL leads to an address that is not public"),
    ],
)
def test_a_refusal_names_the_field(name: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case = files.CASES[name]
    for variable, value in case.environ.items():
        monkeypatch.setenv(variable, value)

    answer = ServiceByAdapter(case.build, case.environ).send("flask", case.requests[0])

    assert json.loads(answer.body)["error"] == message


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("an image for anybody", "image/bmp"),
        ("an image for a browser", "image/bmp"),
        ("an image for no Accept", "application/json"),
        ("an image for JSON", "application/json"),
        ("an image of another type", "application/json"),
    ],
)
def test_an_image_goes_out_as_its_client_likes_it(name: str, media_type: str) -> None:
    answer = ServiceByAdapter(files.service, {}).send("flask", files.CASES[name].requests[0])

    headers = dict(answer.headers)
    assert (headers["content-type"], headers["vary"]) == (media_type, "Accept")
    assert answer.body.startswith(b"BM" if media_type == "image/bmp" else b'{"file_name":')


def test_kept_images_are_kept_for_each_form() -> None:
    case = files.CASES["kept images"]
    by_adapter = ServiceByAdapter(files.service, {})

    found = [dict(by_adapter.send("flask", request).headers) for request in case.requests]

    assert [(headers["x-cache"], headers["content-type"]) for headers in found] == [
        ("miss", "image/bmp"),
        ("miss", "application/json"),
        ("hit", "image/bmp"),
        ("hit", "application/json"),
    ]
