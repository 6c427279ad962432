"""A service whose handlers take and answer files, and the requests that it gets through every adapter."""

from __future__ import annotations

import base64
from typing import Any

from aylien_model_serving import AudioFile, ImageFile, MediaFile
from aylien_model_serving.app_factory import FlaskAppWrapper
from aylien_model_serving.web.app import ServingFlask
from tests.contracts.adapters import Request
from tests.contracts.cases import FORM, JSON, MULTIPART_TYPE, Case, post, send
from tests.contracts.flask_handlers import GET, route

#: A PNG of two grey rows of two pixels; written out, since a case stands where Pillow may be missing.
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAAAAABX3VL4AAAADElEQVR4nGNgaABCAAMGAQHk/o6jAAAAAElFTkSuQmCC"
)
TEXT = base64.b64encode(PNG).decode()
FETCHING = {"MODEL_SERVING_URL_FETCH": "1"}
FEW_PIXELS = {"MODEL_SERVING_MAX_IMAGE_PIXELS": "3"}

FORM_WITH_FILES = (
    b'--cut\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n'
    b"Content-Type: image/png\r\n\r\n" + PNG + b"\r\n--cut--\r\n"
)


def describe(image: ImageFile) -> dict[str, Any]:
    return {"name": image.file_name, "type": image.content_type, "shape": list(image.to_np_array().shape)}


def invert(image: ImageFile) -> ImageFile:
    return ImageFile.from_np_array(255 - image.to_np_array(), "bmp", image.file_name)


def compare(images: list[ImageFile], other: MediaFile | None = None) -> dict[str, Any]:
    return {"sizes": [len(image.content) for image in images], "other": other}


def listen(sound: AudioFile) -> float:
    return float(sound.seconds)


def describe_all(image: list[ImageFile]) -> list[dict[str, Any]]:
    return [describe(one) for one in image]


def service() -> ServingFlask:
    """Return a service that takes and answers files."""
    return FlaskAppWrapper.create_app(
        [
            route("/describe", describe, ["POST", "GET"]),
            route("/invert", invert),
            route("/cached", invert, GET, cache=True, name="cached"),
            route("/compare", compare),
            route("/listen", listen),
            route("/describe-all", describe_all, batch={"max_size": 4, "max_wait_ms": 0}),
        ],
        {"SECRET_KEY": "secret"},
    )


def case(status: int, request: Request, **keys: Any) -> Case:
    return Case((request,), (status,), build=service, **keys)


CASES = {
    "base64": case(200, post("/describe", {"image": TEXT})),
    "a data URL": case(200, post("/describe", {"image": f"data:image/png;base64,{TEXT}"})),
    "a file object": case(200, post("/describe", {"image": {"file_name": "a.png", "content": TEXT}})),
    "a part of a form": case(200, send("/describe", FORM_WITH_FILES, MULTIPART_TYPE)),
    "a part of a form in chunks": case(200, send("/describe", FORM_WITH_FILES, MULTIPART_TYPE, chunked=True)),
    "a field of a form": case(200, send("/describe", f"image={TEXT}".encode(), FORM)),
    "a field of a query": case(200, Request("GET", f"/describe?image={TEXT}")),
    "an item of a batch": case(200, post("/describe-all", {"image": TEXT})),
    "a list": case(200, post("/compare", {"images": [TEXT, TEXT], "other": "aGVsbG8="})),
    "an image for anybody": case(200, post("/invert", {"image": TEXT}, ("accept", "*/*"))),
    "an image for a browser": case(200, post("/invert", {"image": TEXT}, ("accept", "image/*,*/*;q=0.8"))),
    "an image for no Accept": case(200, post("/invert", {"image": TEXT})),
    "an image for JSON": case(200, post("/invert", {"image": TEXT}, ("accept", "application/json"))),
    "an image of another type": case(200, post("/invert", {"image": TEXT}, ("accept", "image/webp"))),
    "kept images": Case(
        tuple(
            Request("GET", f"/cached?image={TEXT}", headers=(("accept", accept),))
            for accept in ("*/*", "application/json", "*/*", "application/json")
        ),
        (200,) * 4,
        build=service,
    ),
    "text for an image": case(400, post("/describe", {"image": "aGVsbG8="})),
    "an image for audio": case(400, post("/listen", {"sound": TEXT})),
    "a cut image": case(400, post("/describe", {"image": base64.b64encode(PNG[:45]).decode()})),
    "a cut image of a batch": case(
        400, post("/describe-all", {"image": base64.b64encode(PNG[:45]).decode()})
    ),
    "a number for an image": case(400, post("/describe", {"image": 1})),
    "too many pixels": case(413, post("/describe", {"image": TEXT}), environ=FEW_PIXELS),
    "a URL": case(400, post("/describe", {"image": "https://files.example/a.png"})),
    "a URL that leads inside": case(
        400, post("/describe", {"image": "http://2130706433/"}), environ=FETCHING
    ),
    "an empty file": case(400, send("/describe", b'{"image": ""}', JSON)),
}
