"""A job as clients see it: the words of FastTaskAPI, and nothing that is not known."""

import json
from typing import Any

import msgspec

from aylien_model_serving.jobs import transitions
from aylien_model_serving.jobs.job import JobRecord
from aylien_model_serving.jobs.view import show
from tests.jobs.stores import REPLY, new_job

NOW = 1_700_000_000.0
QUEUED = transitions.created(new_job(id="a" * 32), NOW)
RUNNING = transitions.claimed(QUEUED, "me", 10.0, NOW + 1)
FINISHED = transitions.finished(RUNNING, REPLY, NOW + 3.5)


def shown(job: JobRecord, result: bytes | None = None) -> Any:
    return json.loads(msgspec.json.encode(show(job, result)))


def test_a_queued_job_has_no_more_than_is_known() -> None:
    assert shown(QUEUED) == {
        "job_id": "a" * 32,
        "status": "queued",
        "progress": 0.0,
        "metrics": {
            "created_at": "2023-11-14T22:13:20.000+00:00",
            "queued_at": "2023-11-14T22:13:20.000+00:00",
            "attempts": 0,
        },
        "links": {
            "status": f"/status/{'a' * 32}",
            "cancel": f"/cancel/{'a' * 32}",
            "stream": f"/stream/{'a' * 32}",
        },
    }


def test_a_finished_job_has_its_result_and_how_long_it_took() -> None:
    found = shown(FINISHED, b'{"a":[1]}')

    assert (found["status"], found["progress"], found["result"]) == ("finished", 1.0, {"a": [1]})
    assert found["metrics"]["execution_time_s"] == 2.5
    assert found["metrics"]["finished_at"] == "2023-11-14T22:13:23.500+00:00"


def test_a_result_of_null_is_dropped() -> None:
    assert "result" not in shown(FINISHED, b"null")
    assert shown(FINISHED, b"0")["result"] == 0


def test_a_failed_job_says_why_and_keeps_the_fraction_that_it_reached() -> None:
    reported = transitions.reported(RUNNING, 0.25, "at work")

    found = shown(transitions.failed(reported, "no more", NOW + 2, again=False))

    assert (found["status"], found["error"], found["progress"], found["message"]) == (
        "failed", "no more", 0.25, "at work"
    )  # fmt: skip


def test_a_job_that_was_never_begun_took_no_time() -> None:
    assert "execution_time_s" not in shown(transitions.cancelled(QUEUED, NOW + 1))["metrics"]
