"""Files as responses: which Accept gets the bytes, and which the JSON file object."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from aylien_model_serving.codecs import file_responses
from aylien_model_serving.core.messages import Reply
from aylien_model_serving.media import AudioFile, ImageFile, MediaFile
from tests.media.samples import png_of

PNG = png_of(2, 2)
TEXT = base64.b64encode(PNG).decode()
VARIES = [("Vary", "Accept")]

CHROME = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8"


def answered(accept: str, result: Any) -> Reply:
    return file_responses.encoder_for(accept).reply(result)


@pytest.mark.parametrize(
    "accept",
    [
        "*/*",
        CHROME,
        "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8",
        "image/*",
        "IMAGE/PNG",
        "image/png, application/json",
        "application/json;q=0.5, image/png",
        "text/html, */*;q=0.1",
    ],
)
def test_a_client_that_accepts_images_gets_the_image(accept: str) -> None:
    assert answered(accept, ImageFile.from_bytes(PNG)) == Reply(200, PNG, "image/png", VARIES)


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "application/json",
        "application/json, text/plain, */*",
        "application/json, image/*",
        "image/webp",
        "image/png;q=0, */*",
        "image/png;q=0.1, application/json",
        "text/html",
        "application/*",
    ],
)
def test_any_other_gets_the_file_object(accept: str) -> None:
    reply = answered(accept, ImageFile.from_bytes(PNG, file_name="a.png"))

    assert (reply.media_type, reply.headers) == ("application/json", VARIES)
    shown = json.loads(reply.body)
    assert shown == {"file_name": "a.png", "content_type": "image/png", "content": TEXT}


@pytest.mark.parametrize("accept", ["", "*/*", "image/*"])
@pytest.mark.parametrize("result", [{"a": 1}, None, [1], "text"])
def test_what_is_no_image_is_json_for_all(accept: str, result: Any) -> None:
    assert answered(accept, result) == Reply(200, json.dumps(result, separators=(",", ":")).encode())


@pytest.mark.parametrize("accept", ["", "*/*", "image/*"])
def test_an_image_within_a_result_is_a_file_object(accept: str) -> None:
    reply = answered(accept, {"images": [ImageFile.from_bytes(PNG)]})

    [inner] = json.loads(reply.body)["images"]
    assert inner == {"file_name": None, "content_type": "image/png", "content": TEXT}


@pytest.mark.parametrize(
    "result",
    [ImageFile(), ImageFile(b"<svg onload=alert(1)>", "image/svg+xml"), MediaFile.from_bytes(PNG)],
)
def test_only_bytes_that_are_an_image_go_out_as_one(result: MediaFile) -> None:
    assert answered("image/*", result).media_type == "application/json"


def test_audio_goes_out_as_an_image_does() -> None:
    wave = b"RIFF\x24\x00\x00\x00WAVEfmt "

    reply = answered("audio/*, */*;q=0.1", AudioFile.from_bytes(wave))

    assert (reply.body, reply.media_type.partition("/")[0]) == (wave, "audio")
    assert answered("application/json", AudioFile.from_bytes(wave)).media_type == "application/json"


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("a b.png", 'inline; filename="a b.png"'),
        ("ä.png", "inline; filename=\"_.png\"; filename*=UTF-8''%C3%A4.png"),
        ('a".png', "inline; filename=\"a_.png\"; filename*=UTF-8''a%22.png"),
        ("50%.png", "inline; filename=\"50_.png\"; filename*=UTF-8''50%25.png"),
    ],
)
def test_a_file_goes_out_under_its_name(name: str, sent: str) -> None:
    reply = answered("*/*", ImageFile.from_bytes(PNG, file_name=name))

    assert reply.headers == [*VARIES, ("Content-Disposition", sent)]


def test_headers_that_treat_files_alike_share_cached_responses() -> None:
    kinds = {
        accept: file_responses.encoder_for(accept).media_type
        for accept in ("", "application/json", "*/*", "a/b, */*")
    }

    assert kinds == {
        "": "application/json",
        "application/json": "application/json",
        "*/*": "*/*",
        "a/b, */*": "*/*",
    }
