"""The released fastsdk, pointed at a service: it finds routes, follows jobs, sends and gets images."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.selection import full
from tests.services.serving import PROJECT, clean_environment, serve
from tests.with_fastsdk import find_interpreter
from tests.with_media import need_media

pytestmark = [pytest.mark.processes, full]

PROGRAM = PROJECT / "tests" / "services" / "fastsdk_client.py"

#: Seconds that all the client does may take: it looks at a job once a second.
CLIENT_SECONDS = 100


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the client tells of its visit."""
    need_media()
    python, folder = find_interpreter(), tmp_path_factory.mktemp("fastsdk")
    with serve("tests.services.fastsdk_apps:serving()", env=store_in(folder)) as service:
        service.wait_until(lambda: service.status("/readyz") == 200)
        told = subprocess.run(
            [str(python), str(PROGRAM), service.url],
            cwd=folder,
            env={name: value for name, value in clean_environment().items() if name != "PYTHONPATH"},
            capture_output=True,
            text=True,
            timeout=CLIENT_SECONDS,
        )
    assert told.returncode == 0, told.stderr
    visit: dict[str, Any] = json.loads(told.stdout.splitlines()[-1])
    return visit


def store_in(folder: Path) -> dict[str, str]:
    return {"MODEL_SERVING_JOBS_URL": f"sqlite:///{folder}/jobs.sqlite3"}


def test_it_finds_the_routes(found: dict[str, Any]) -> None:
    assert found["specification"] == "apipod"
    assert found["routes"]["/shout"] == found["routes"]["/img2img"] == "POST"
    assert found["routes"]["/status/{job_id}"] == "GET"


def test_it_calls_a_plain_route(found: dict[str, Any]) -> None:
    assert found["plain"] == {"text": "ABAB"}


def test_it_follows_a_job_and_gets_its_result(found: dict[str, Any]) -> None:
    assert ["processing", 0.5, "frying curly"] in found["seen"]
    assert found["fries"] == "Your fries curly are ready"


def test_it_is_told_why_a_job_failed(found: dict[str, Any]) -> None:
    assert "no fish today" in found["refused"]


def test_it_sees_a_job_that_is_over_its_time_as_failed(found: dict[str, Any]) -> None:
    assert "Polling" in found["late"]


def test_it_cancels_a_job(found: dict[str, Any]) -> None:
    assert found["cancelled"] == "cancelled"


def test_it_sends_an_image_and_gets_one(found: dict[str, Any]) -> None:
    kind, name, pixels = found["image"]

    assert (kind, name) == ("ImageFile", "inverted.png")
    assert pixels == [[[50] * 3] * 3] * 2


def test_it_gets_an_image_of_a_plain_route_as_it_is(found: dict[str, Any]) -> None:
    assert bytes.fromhex(found["bytes"]) == b"\x89PNG"
