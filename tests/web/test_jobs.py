"""The endpoints of jobs, over a store in this process's memory: no other process is needed."""

import gzip
import threading
import time
from datetime import datetime

import pytest

from aylien_model_serving import InvalidRequest
from aylien_model_serving.process import native_threads
from aylien_model_serving.web import jobs as web_jobs
from tests.web.jobs import LONG, JobGate, begin, count, echo, end_of, jobs
from tests.web.requests import error, post, route, serve

pytestmark = pytest.mark.usefixtures("in_memory")


def test_a_call_is_answered_at_once_with_its_job(job_gate: JobGate) -> None:
    client = jobs(lambda text: job_gate.wait())

    response = post(client, {"text": "a"})
    job = response.get_json()

    job_id = job["job_id"]
    assert response.status_code == 202
    assert response.headers["Location"] == f"/status/{job_id}"
    assert job.keys() == {"job_id", "request_id", "status", "progress", "metrics", "links"}
    assert job["request_id"] == response.headers["X-Request-ID"]
    assert (job["status"], job["progress"]) == ("queued", 0.0)
    assert job["links"] == {
        "status": f"/status/{job_id}",
        "cancel": f"/cancel/{job_id}",
        "stream": f"/stream/{job_id}",
    }
    assert job["metrics"].keys() == {"created_at", "queued_at", "attempts"}
    assert job["metrics"]["attempts"] == 0


def test_a_finished_job_has_its_result_and_its_times() -> None:
    client = jobs(echo)

    job = end_of(client, begin(client, {"text": "a"}))

    assert (job["status"], job["result"], job["progress"]) == ("finished", {"text": "a"}, 1.0)
    assert "error" not in job
    metrics = job["metrics"]
    times = [metrics[name] for name in ("created_at", "queued_at", "started_at", "finished_at")]
    assert times == sorted(times, key=datetime.fromisoformat)
    assert 0 <= metrics["execution_time_s"] < LONG
    assert metrics["attempts"] == 1


def test_a_job_of_a_compressed_call_runs() -> None:
    client = jobs(echo)

    response = post(client, gzip.compress(b'{"text": "a"}'), "/p", content_encoding="gzip")

    assert end_of(client, response.get_json()["job_id"])["result"] == {"text": "a"}


def test_a_result_of_null_is_dropped_and_other_false_ones_are_not() -> None:
    client = jobs(lambda value: value)

    assert "result" not in end_of(client, begin(client, {"value": None}))
    assert end_of(client, begin(client, {"value": 0}))["result"] == 0
    assert end_of(client, begin(client, {"value": False}))["result"] is False
    assert end_of(client, begin(client, {"value": ""}))["result"] == ""


def test_a_job_is_returned_at_three_paths() -> None:
    client = jobs(echo)
    job_id = begin(client)
    end = end_of(client, job_id)

    assert client.get(f"/status?job_id={job_id}").get_json() == end
    assert client.post(f"/status?job_id={job_id}").get_json() == end
    assert client.post("/status", json={"job_id": job_id}).get_json() == end
    assert client.get(f"/status/{job_id}").get_json() == end


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/status/nothing"),
        ("GET", "/status?job_id=nothing"),
        ("POST", "/status?job_id=nothing"),
        ("POST", "/cancel/nothing"),
        ("GET", "/stream/nothing"),
        ("GET", "/status/%F0%9F%92%A9"),
        ("GET", f"/status/{'0' * 3000}"),
    ],
)
def test_an_unknown_job_is_404(method: str, path: str) -> None:
    response = jobs(echo).open(path, method=method)

    status, code, message = error(response)
    assert (status, code) == (404, "not_found")
    assert message.startswith("There is no job ")
    assert len(message) < 200


def test_another_services_job_is_unknown() -> None:
    job_id = begin(jobs(echo))

    assert jobs(echo).get(f"/status/{job_id}").status_code == 404


def test_waiting_for_a_job_ends_with_it_or_with_the_time(job_gate: JobGate) -> None:
    client = jobs(lambda text="": job_gate.wait())
    job_id = begin(client)
    assert job_gate.entered.wait(LONG)

    before = time.monotonic()
    early = client.get(f"/status/{job_id}?wait=0.2").get_json()
    waited = time.monotonic() - before
    threading.Timer(0.1, job_gate.open.set).start()
    late = end_of(client, job_id)

    assert waited >= 0.2
    assert early["status"] == "processing"
    assert late["status"] == "finished"


def test_a_wait_that_holds_a_thread_is_cut_short(job_gate: JobGate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native_threads, "is_patched", lambda: False)
    monkeypatch.setattr(web_jobs, "LONGEST_WAIT_OF_THREAD", 0.2)
    client = jobs(lambda text="": job_gate.wait())
    job_id = begin(client)

    state = client.get(f"/status/{job_id}?wait={LONG}").get_json()

    assert state["status"] in ("queued", "processing")
    job_gate.open.set()


def test_a_client_beyond_the_places_is_refused_and_answered_without_a_wait(
    job_gate: JobGate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODEL_SERVING_MAX_WAITERS", "1")
    client = jobs(lambda text="": job_gate.wait())
    job_id = begin(client)
    stream = client.get(f"/stream/{job_id}")

    refused = client.get(f"/status/{job_id}?wait=1")
    second = client.get(f"/stream/{job_id}")

    assert [error(response)[:2] for response in (refused, second)] == [(503, "unavailable")] * 2
    assert refused.headers["Retry-After"] == second.headers["Retry-After"] == "5"
    assert client.get(f"/status/{job_id}").status_code == 200
    stream.close()
    job_gate.open.set()
    assert client.get(f"/stream/{job_id}").status_code == 200


@pytest.mark.parametrize("wait", ["-1", "nan", "inf", "soon", "true"])
def test_waiting_for_nonsense_does_not_wait_for_ever(wait: str) -> None:
    client = jobs(echo)
    job_id = begin(client)
    end_of(client, job_id)

    assert client.get(f"/status/{job_id}?wait={wait}").status_code in (200, 400)


def test_invalid_fields_are_refused_at_once() -> None:
    client = jobs(echo)

    assert error(post(client, {"txt": "a"}))[0] == 400
    assert error(post(client, {"text": 1}))[0] == 400
    assert error(post(client, b"{"))[0] == 400
    assert client.get("/jobs").get_json() == {"jobs": []}


def test_what_a_handler_refuses_ends_as_failed_with_its_words() -> None:
    def refuse(text: str = "") -> None:
        raise InvalidRequest("not this text")

    client = jobs(refuse, retries=3)
    job = end_of(client, begin(client))

    assert (job["status"], job["error"], job["metrics"]["attempts"]) == ("failed", "not this text", 1)
    assert "result" not in job


def test_a_failure_keeps_its_secrets() -> None:
    def fail(text: str = "") -> None:
        raise ValueError("the secret of the model")

    client = jobs(fail)
    job = end_of(client, begin(client))

    assert job["status"] == "failed"
    assert job["error"] == "The service failed to answer this request"


def test_metrics_show_the_jobs_of_each_route_and_status() -> None:
    client = serve(route(echo, job=True), route(count, "/count", job=True))
    end_of(client, begin(client))

    lines = client.get("/metrics").text.splitlines()

    assert 'model_serving_jobs{route="echo",status="finished"} 1.0' in lines
    assert 'model_serving_jobs{route="echo",status="queued"} 0.0' in lines
    assert 'model_serving_jobs{route="count",status="processing"} 0.0' in lines


def test_jobs_are_listed_the_last_one_first() -> None:
    client = serve(route(echo, job=True), route(count, "/count", job=True))
    ids = [begin(client), begin(client, {"number": 1}, "/count"), begin(client)]
    for job_id in ids:
        end_of(client, job_id)

    listed = client.get("/jobs").get_json()["jobs"]
    of_route = client.get("/jobs?route=count").get_json()["jobs"]

    assert [job["job_id"] for job in listed] == ids[::-1]
    assert [job["route"] for job in listed] == ["echo", "count", "echo"]
    assert all("result" not in job for job in listed)
    assert [job["job_id"] for job in of_route] == [ids[1]]
    assert len(client.get("/jobs?status=finished").get_json()["jobs"]) == 3
    assert client.get("/jobs?status=failed").get_json() == {"jobs": []}


def test_pages_of_jobs_follow_each_other_without_gaps() -> None:
    client = jobs(echo)
    ids = [begin(client) for _ in range(5)]

    found, query = [], "limit=2"
    while True:
        page = client.get(f"/jobs?{query}").get_json()
        found += [job["job_id"] for job in page["jobs"]]
        if "next" not in page:
            break
        begin(client)  # which is on no later page
        query = f"limit=2&before={page['next']}"

    assert found == ids[::-1]


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "status=done", "before=x", "what=1"])
def test_a_list_that_can_not_be_is_400(query: str) -> None:
    assert error(jobs(echo).get(f"/jobs?{query}"))[0] == 400


def test_a_page_of_another_origin_enqueues_and_cancels_nothing(job_gate: JobGate) -> None:
    client = jobs(lambda text="": job_gate.wait())
    job_id = begin(client)
    foreign = {"Origin": "https://evil.example"}

    for path in ("/p", f"/cancel/{job_id}", "/cancel", "/status", "/jobs"):
        assert error(client.post(path, json={}, headers=foreign))[:2] == (403, "cross_origin_refused")
    job_gate.open.set()

    assert end_of(client, job_id)["status"] == "finished"
    assert len(client.get("/jobs").get_json()["jobs"]) == 1
