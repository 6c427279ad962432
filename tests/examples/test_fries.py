"""The fries, started with Gunicorn: a job whose progress is streamed, and one that is cancelled."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.examples.jobs import events, serve_jobs
from tests.selection import full

pytestmark = [pytest.mark.processes, full]

MESSAGES = [
    "started new fries creation curly",
    "I am working on it. Lots of work to do 3",
    "Still working on it. Almost done",
]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with (
        serve_jobs("examples.fries.app:run_app()", tmp_path_factory.mktemp("jobs")) as service,
        httpx.Client(base_url=service.url) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def followed(client: httpx.Client) -> list[tuple[str, dict[str, Any]]]:
    """The events of one job from its start to its end."""
    job = client.post("/make_fries", json={"fries_name": "curly", "amount": 3}).json()
    with client.stream("GET", job["links"]["stream"], timeout=30) as answer:
        return list(events(answer.iter_lines()))


def test_a_request_returns_a_job_with_its_links_at_once(client: httpx.Client) -> None:
    answer = client.post("/make_fries", json={"fries_name": "curly"})

    job = answer.json()
    assert (answer.status_code, job["status"]) == (202, "queued")
    assert answer.headers["location"] == job["links"]["status"] == f"/status/{job['job_id']}"
    client.post(job["links"]["cancel"])


def test_the_stream_has_the_progress_that_the_handler_reports(
    followed: list[tuple[str, dict[str, Any]]],
) -> None:
    progress = [(job["progress"], job["message"]) for name, job in followed if "message" in job]

    assert [message for _, message in dict.fromkeys(progress)][:3] == MESSAGES
    assert sorted(progress, key=lambda step: step[0]) == progress


def test_the_last_event_is_the_result(followed: list[tuple[str, dict[str, Any]]]) -> None:
    name, job = followed[-1]

    assert name == job["status"] == "finished"
    assert (job["result"], job["progress"]) == ("Your fries curly are ready", 1.0)
    assert job["metrics"]["execution_time_s"] >= 5


def test_a_running_job_is_cancelled_at_its_next_report_of_progress(client: httpx.Client) -> None:
    job = client.post("/make_fries", json={"fries_name": "burnt"}).json()
    with client.stream("GET", job["links"]["stream"], timeout=30) as answer:
        for _, shown in events(answer.iter_lines()):
            if shown["status"] == "processing":
                break

    client.post(job["links"]["cancel"])

    ended = client.get(job["links"]["status"], params={"wait": 20}, timeout=30).json()
    assert ended["status"] == "cancelled"
    assert "result" not in ended


@pytest.mark.parametrize(
    ("fields", "named"), [({}, "fries_name"), ({"fries_name": "a", "amount": "b"}, "amount")]
)
def test_an_invalid_request_is_refused_without_creating_a_job(
    client: httpx.Client, fields: dict[str, str], named: str
) -> None:
    answer = client.post("/make_fries", json=fields)

    assert answer.status_code == 400
    assert named in answer.json()["error"]
