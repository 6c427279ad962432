"""A job that fails can be traced: the log has its id and that of its request, and so has its status."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.selection import full, matrix
from tests.services.job_hosts import end_of, enqueue, host_jobs
from tests.services.raw_http import ask, get
from tests.services.serving import Service

pytestmark = pytest.mark.processes


def lines_of(service: Service, job: Any) -> list[str]:
    """Return the log's lines about a job, without time and logger."""
    origin = f" [{job['request_id']} job {job['job_id']}] "
    return [line.partition(origin)[2] for line in service.log().splitlines() if origin in line]


@pytest.mark.parametrize("server", matrix(("asgi", "gevent", "gthread"), "asgi"))
def test_what_a_failed_job_has_logged_has_the_ids_that_its_status_shows(tmp_path: Path, server: str) -> None:
    with host_jobs(tmp_path, "fail", server=server, workers=1) as service:
        job = end_of(service, enqueue(service, "/fail", "X-Request-ID: demo-1", text="one"))
        [listed] = ask(service.port, get("/jobs?status=failed")).json()["jobs"]
        lines = lines_of(service, job)

    assert (job["status"], job["request_id"]) == ("failed", "demo-1")
    assert listed["request_id"] == "demo-1"
    begins, goes_on, raised, failed = lines
    assert (begins, goes_on) == ("begins one", "goes on with one")
    assert "ValueError: the secret of the model" in raised
    assert failed == f"Job {job['job_id']} of fail failed: {job['error']}"


@full
def test_each_way_to_fail_is_a_line_of_the_log(tmp_path: Path) -> None:
    with host_jobs(tmp_path, "work,stuck,hasty", workers=1) as service:
        refused = end_of(service, enqueue(service, "/work", refuse=True))
        late = end_of(service, enqueue(service, "/hasty", sleep=2))
        fatal = end_of(service, enqueue(service, "/work", die_if=str(tmp_path)))
        tried = enqueue(service, "/work", fail_times=1, diary=str(tmp_path / "diary"))
        again = end_of(service, tried)
        service.wait_until(lambda: lines_of(service, fatal))
        lines = {job["job_id"]: lines_of(service, job) for job in (refused, late, fatal, again)}

    assert lines[refused["job_id"]][-1].endswith(" of work failed: not this text")
    assert "did not stop within 0.3 seconds" in lines[late["job_id"]][0]
    assert lines[late["job_id"]][-1].endswith(" of hasty failed: It took longer than 0.5 seconds")
    assert [line.endswith(" is queued again: its process has ended") for line in lines[fatal["job_id"]]] == [
        True,
        True,
        False,
    ]
    assert lines[fatal["job_id"]][-1].endswith(f" of work failed: {fatal['error']}")
    assert [line.partition(": ")[0].rpartition(" of ")[2] for line in lines[again["job_id"]]] == [
        "POST /work failed",
        "work is tried again",
    ]


@full
def test_a_line_as_json_has_both_ids_too(tmp_path: Path) -> None:
    with host_jobs(tmp_path, "fail", workers=1, model_serving_log_format="json") as service:
        job = end_of(service, enqueue(service, "/fail", "X-Request-ID: demo-1", text="one"))
        lines = [json.loads(line) for line in service.log().splitlines() if '"job_id"' in line]

    assert {(line["request_id"], line["job_id"]) for line in lines} == {("demo-1", job["job_id"])}
    assert [line["message"] for line in lines][:2] == ["begins one", "goes on with one"]
