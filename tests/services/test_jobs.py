"""Jobs on every kind of server, with the replicas in processes of their own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.selection import matrix
from tests.services.hosts import metric
from tests.services.job_hosts import (
    SERVERS,
    end_of,
    enqueue,
    entered,
    events,
    host_jobs,
    look,
    wait_for,
)
from tests.services.raw_http import ask, get, post
from tests.services.serving import Service

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module", params=matrix(SERVERS, "gevent"))
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with host_jobs(tmp_path_factory.mktemp("jobs"), "fries,work,count", server=request.param) as service:
        yield service


def test_a_call_is_kept_worked_on_and_told(service: Service) -> None:
    answer = ask(service.port, post({"fries_name": "curly", "amount": 2}, path="/fries"))
    told = answer.json()
    end = end_of(service, told["job_id"])

    assert answer.status == 202
    assert answer.headers["location"] == told["links"]["status"] == f"/status/{told['job_id']}"
    assert told.keys() == {"job_id", "request_id", "status", "progress", "metrics", "links"}
    assert (told["status"], told["progress"]) == ("queued", 0.0)
    assert end.keys() == told.keys() | {"result", "message"}
    assert (end["status"], end["progress"]) == ("finished", 1.0)
    assert end["result"] == "Your fries curly are ready"
    assert end["message"] == "Still working on it. Almost done"
    assert end["metrics"].keys() == {
        "created_at", "queued_at", "started_at", "finished_at", "execution_time_s", "attempts"
    }  # fmt: skip
    assert end["metrics"]["attempts"] == 1


def test_the_state_is_told_in_three_forms(service: Service) -> None:
    job_id = enqueue(service, "/work", text="a")
    end = end_of(service, job_id)

    for question in (
        get(f"/status/{job_id}"),
        get(f"/status?job_id={job_id}"),
        post({"job_id": job_id}, path="/status"),
        b"POST /status?job_id="
        + job_id.encode()
        + b" HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n",
    ):
        assert ask(service.port, question).json() == end


def test_progress_comes_while_the_job_runs(service: Service) -> None:
    found = list(events(service, enqueue(service, "/fries", fries_name="straight", pause=0.2)))

    shown = [(job["progress"], job.get("message", "").split()[0:1]) for name, job in found]
    assert (0.1, ["started"]) in shown
    assert (0.5, ["I"]) in shown
    assert found[-1][0] == "finished"
    assert found[-1][1]["result"] == "Your fries straight are ready"


def test_items_come_as_they_are_made(service: Service, tmp_path: Path) -> None:
    job_id = enqueue(service, "/count", count=3, pause=0.3)
    statuses = [
        (data, look(service, job_id)["status"]) for name, data in events(service, job_id) if name == "item"
    ]

    assert [data for data, _ in statuses] == [{"number": number} for number in range(3)]
    assert statuses[0][1] == "streaming"
    assert end_of(service, job_id)["result"] == [{"number": number} for number in range(3)]


def test_what_is_wrong_with_a_call_is_told_at_once(service: Service) -> None:
    assert ask(service.port, post({}, path="/fries")).status == 400
    assert ask(service.port, post({"fries_name": 1}, path="/fries")).status == 400
    assert ask(service.port, post({"job_progress": 1, "fries_name": "x"}, path="/fries")).status == 400


def test_what_a_handler_refuses_is_told_and_what_breaks_it_is_not(service: Service, tmp_path: Path) -> None:
    refused = end_of(service, enqueue(service, "/work", refuse=True))
    broken = end_of(service, enqueue(service, "/work", fail_times=9, diary=str(tmp_path / "diary")))

    assert (refused["status"], refused["error"]) == ("failed", "not this text")
    assert refused["metrics"]["attempts"] == 1
    assert (broken["status"], broken["error"]) == ("failed", "The service failed to answer this request")
    assert broken["metrics"]["attempts"] == 2


def test_an_unknown_job_is_404(service: Service) -> None:
    for path in ("/status/nothing", "/status?job_id=nothing", "/stream/nothing"):
        assert ask(service.port, get(path)).status == 404
    assert ask(service.port, post({}, path="/cancel/nothing")).status == 404


@pytest.mark.parametrize("service", matrix(["gthread", "gevent", "asgi"], "gevent"), indirect=True)
def test_a_job_is_reachable_from_every_worker(service: Service, tmp_path: Path) -> None:
    first, second = service.workers()
    gate = tmp_path / "gate"
    with service.alone(first):
        job_id = enqueue(service, "/work", gate=str(gate))
        entered(gate)
    with service.alone(second):
        assert wait_for(service, job_id, "processing")
        (gate / "open").touch()
        assert end_of(service, job_id)["status"] == "finished"


def test_every_worker_shows_the_number_of_jobs_of_the_whole_service(service: Service) -> None:
    end_of(service, enqueue(service, "/work"))
    kept = ask(service.port, get("/jobs?route=work&status=finished&limit=100")).json()["jobs"]

    def shown() -> float:
        return metric(service, "model_serving_jobs", route="work", status="finished")

    service.wait_until(lambda: shown() == len(kept))
    assert [shown() for _ in range(8)] == [len(kept)] * 8
    assert metric(service, "model_serving_jobs", route="work", status="queued") == 0


def test_jobs_are_listed_by_route_and_state(service: Service) -> None:
    ids = [enqueue(service, "/work", text=str(number)) for number in range(3)]
    for job_id in ids:
        end_of(service, job_id)

    first = ask(service.port, get("/jobs?route=work&status=finished&limit=2")).json()
    rest = ask(service.port, get(f"/jobs?route=work&limit=1&before={first['next']}")).json()

    assert [job["job_id"] for job in (*first["jobs"], *rest["jobs"])] == ids[::-1]
