"""The speech, started with Gunicorn: its words as a stream in each format, and as a job."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from examples.transcript.app import SPEECH, transcribe
from tests.examples.jobs import events, serve_jobs
from tests.selection import matrix

pytestmark = pytest.mark.processes

WORDS = SPEECH.split()
QUICK = 100


@pytest.fixture(scope="module", params=matrix(["gthread", "gevent"], "gevent"))
def client(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("jobs")
    with (
        serve_jobs("examples.transcript.app:run_app()", folder, request.param) as service,
        httpx.Client(base_url=service.url, timeout=30) as client,
    ):
        yield client


def words_of(words: list[dict[str, Any]]) -> list[str]:
    return [word["word"] for word in words]


def test_each_word_has_its_start_and_end() -> None:
    words = list(transcribe("one three", speed=1000))

    assert words == [
        {"word": "one", "start": 0.1, "end": 0.28},
        {"word": "three", "start": 0.38, "end": 0.68},
    ]


def test_words_are_streamed_as_lines(client: httpx.Client) -> None:
    answer = client.post("/transcribe", json={"speed": QUICK})

    assert answer.headers["content-type"] == "application/x-ndjson"
    assert words_of([json.loads(line) for line in answer.text.splitlines()]) == WORDS


def test_words_are_streamed_as_events_if_accept_names_them(client: httpx.Client) -> None:
    answer = client.get("/transcribe", params={"speed": QUICK}, headers={"Accept": "text/event-stream"})

    assert answer.headers["content-type"].startswith("text/event-stream")
    assert words_of([word for _, word in events(answer.text.splitlines())]) == WORDS


def test_the_first_word_arrives_long_before_the_last(client: httpx.Client) -> None:
    fields = {"text": "this is not sent at once", "speed": 2}
    with client.stream("POST", "/transcribe", json=fields) as answer:
        arrivals = [time.monotonic() for _ in answer.iter_lines()]

    assert len(arrivals) == 6
    assert arrivals[-1] - arrivals[0] > 0.5


def test_a_job_streams_its_words_and_has_all_of_them_as_its_result(client: httpx.Client) -> None:
    job = client.post("/transcripts", json={"speed": QUICK}).json()
    with client.stream("GET", job["links"]["stream"]) as answer:
        followed = list(events(answer.iter_lines()))

    name, last = followed[-1]
    assert words_of([word for name, word in followed if not name]) == WORDS
    assert name == "finished"
    assert words_of(last["result"]) == WORDS


def test_a_speed_out_of_range_is_an_error_in_the_stream(client: httpx.Client) -> None:
    answer = client.post("/transcribe", json={"speed": 0})

    assert json.loads(answer.text)["error"] == "speed has to be from 0.1 to 1000"
