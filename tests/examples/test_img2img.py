"""The pencil drawing, and the service whose queue holds ten images."""

from __future__ import annotations

import base64
import contextlib
import io
import os
import signal
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.examples.jobs import serve_jobs
from tests.services.serving import Service
from tests.with_media import need_media

SIDE = 32  # pixels
WHITE = 255


@pytest.fixture(scope="module", autouse=True)
def _media() -> None:
    need_media()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serve_jobs("examples.img2img.app:run_app()", tmp_path_factory.mktemp("jobs")) as service:
        yield service


@pytest.fixture(scope="module")
def client(service: Service) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service.url, timeout=30) as client:
        yield client


def halves(left: int, right: int) -> Any:
    """Return an image of two greys, left and right."""
    import numpy as np

    grey = np.full((SIDE, SIDE), left, np.uint8)
    grey[:, SIDE // 2 :] = right
    return grey


def png(grey: Any) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(grey).save(buffer, "png")
    return buffer.getvalue()


def pixels(content: str) -> Any:
    import numpy as np
    from PIL import Image

    return np.array(Image.open(io.BytesIO(base64.b64decode(content))))


def ended(client: httpx.Client, job: dict[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = client.get(job["links"]["status"], params={"wait": 20}).json()
    return shown


@pytest.mark.parametrize("grey", [1, 90, 255])
def test_an_image_of_one_grey_becomes_white(grey: int) -> None:
    from examples.img2img.drawing import draw

    assert (draw(halves(grey, grey), radius=3) == WHITE).all()


def test_an_edge_is_drawn_on_its_dark_side_alone() -> None:
    from examples.img2img.drawing import draw

    drawn = draw(halves(100, 200), radius=3)

    middle = SIDE // 2
    assert (drawn[:, middle - 1] < 200).all()
    assert (drawn[:, middle:] == WHITE).all()
    assert (drawn[:, 0] == WHITE).all()


@pytest.mark.processes
def test_the_result_of_an_uploaded_image_is_a_drawing(client: httpx.Client) -> None:
    from examples.img2img.drawing import draw

    files = {"upload_img": ("photo.png", png(halves(100, 200)), "image/png")}
    job = client.post("/img2img", files=files, data={"radius": "3"}).json()

    shown = ended(client, job)
    assert shown["status"] == "finished"
    assert shown["result"]["file_name"] == "drawing.png"
    assert shown["result"]["content_type"] == "image/png"
    assert (pixels(shown["result"]["content"]) == draw(halves(100, 200), radius=3)).all()


@pytest.mark.processes
def test_a_file_that_is_no_image_is_refused_at_once(client: httpx.Client) -> None:
    answer = client.post("/img2img", files={"upload_img": ("photo.png", b"once upon a time", "image/png")})

    assert answer.status_code == 400
    assert answer.json()["error"].startswith("upload_img: expected an image")


@pytest.mark.processes
@pytest.mark.parametrize("radius", ["0", "101"])
def test_a_radius_out_of_range_fails_the_job_with_the_handlers_message(
    client: httpx.Client, radius: str
) -> None:
    files = {"upload_img": ("photo.png", png(halves(1, 2)), "image/png")}
    job = client.post("/img2img", files=files, data={"radius": radius}).json()

    shown = ended(client, job)
    assert (shown["status"], shown["error"]) == ("failed", "radius has to be above 0 and at most 100")


@pytest.mark.processes
def test_the_queue_takes_ten_images_and_refuses_more_with_retry_after(client: httpx.Client) -> None:
    picture = base64.b64encode(png(halves(50, 60))).decode()
    with stopped_replicas(client):
        answers = [client.post("/img2img", json={"upload_img": picture}) for _ in range(12)]

    taken = [answer.json() for answer in answers if answer.status_code == 202]
    refused = [answer for answer in answers if answer.status_code != 202]
    assert 10 <= len(taken) <= 11
    assert all(answer.status_code == 429 and int(answer.headers["retry-after"]) > 0 for answer in refused)
    assert {ended(client, job)["status"] for job in taken} == {"finished"}


@contextlib.contextmanager
def stopped_replicas(client: httpx.Client) -> Iterator[None]:
    """Stop the replicas with SIGSTOP until the block ends."""
    [replicas] = client.get("/__runners").json().values()
    pids = [replica["pid"] for replica in replicas]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
