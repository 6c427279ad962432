"""What holds jobs back or ends them: full queues, cancellation, time."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.hosts import replicas
from tests.services.job_hosts import cancel, end_of, enqueue, entered, host_jobs, look
from tests.services.raw_http import ask, post
from tests.services.serving import Service

pytestmark = pytest.mark.processes

#: Seconds within which a job that reports stops, with a margin for busy machines.
PROMPTLY = 3.0


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with host_jobs(tmp_path_factory.mktemp("jobs"), "work,few,report,stuck,hasty,count") as service:
        yield service


def pid_of(service: Service, name: str) -> int:
    [replica] = replicas(service, name)
    pid: int = replica["pid"]
    return pid


def test_a_queued_job_is_cancelled_at_once_and_never_runs(service: Service, tmp_path: Path) -> None:
    gate, diary = tmp_path / "gate", tmp_path / "diary"
    first = enqueue(service, "/work", gate=str(gate))
    entered(gate)
    second = enqueue(service, "/work", text="second", diary=str(diary))
    answer = cancel(service, second)
    (gate / "open").touch()

    assert (answer.status, answer.json()["status"]) == (200, "cancelled")
    assert end_of(service, first)["status"] == "finished"
    assert end_of(service, enqueue(service, "/work"))["status"] == "finished"
    assert look(service, second)["status"] == "cancelled"
    assert not diary.exists()


def test_a_running_job_stops_at_its_next_report(service: Service, tmp_path: Path) -> None:
    pid = pid_of(service, "report")
    job_id = enqueue(service, "/report", gate=str(tmp_path))
    entered(tmp_path)
    asked = time.monotonic()
    cancel(service, job_id)
    end = end_of(service, job_id)

    assert time.monotonic() - asked < PROMPTLY
    assert (end["status"], end["progress"], end["message"]) == ("cancelled", 0.25, "at work")
    assert pid_of(service, "report") == pid
    assert "report failed" not in service.log()


def test_a_generator_stops_at_its_next_item(service: Service) -> None:
    pid = pid_of(service, "count")
    job_id = enqueue(service, "/count", count=1000, pause=0.05)
    while look(service, job_id)["status"] != "streaming":
        pass
    cancel(service, job_id)

    assert end_of(service, job_id)["status"] == "cancelled"
    assert pid_of(service, "count") == pid


def test_a_job_that_never_reports_is_ended_with_its_replica(service: Service, tmp_path: Path) -> None:
    pid = pid_of(service, "stuck")
    job_id = enqueue(service, "/stuck", gate=str(tmp_path))
    entered(tmp_path)
    waiting = enqueue(service, "/stuck", text="next")
    cancel(service, job_id)
    end, following = end_of(service, job_id), end_of(service, waiting)

    assert (end["status"], end["metrics"]["attempts"]) == ("cancelled", 1)
    assert (following["status"], following["metrics"]["attempts"]) == ("finished", 1)
    assert following["result"]["pid"] != pid


def test_a_job_out_of_time_ends_as_failed_whatever_its_retries(service: Service, tmp_path: Path) -> None:
    job_id = enqueue(service, "/hasty", gate=str(tmp_path))
    end = end_of(service, job_id)

    assert (end["status"], end["error"]) == ("failed", "It took longer than 0.5 seconds")
    assert end["metrics"]["attempts"] == 1
    assert 0.5 <= end["metrics"]["execution_time_s"] < 0.5 + 0.3 + PROMPTLY


def test_a_full_queue_refuses_and_says_when_to_come_back(service: Service, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    running = enqueue(service, "/few", gate=str(gate))
    entered(gate)
    queued = [enqueue(service, "/few", f"Idempotency-Key: {number}") for number in range(2)]

    refused = ask(service.port, post({}, path="/few"))
    known = enqueue(service, "/few", "Idempotency-Key: 0")
    elsewhere = enqueue(service, "/work")
    (gate / "open").touch()

    assert (refused.status, refused.json()["code"]) == (429, "too_many_requests")
    assert int(refused.headers["retry-after"]) >= 1
    assert known == queued[0]
    for job_id in (running, *queued, elsewhere):
        assert end_of(service, job_id)["status"] == "finished"


def test_a_failed_job_is_tried_again_after_a_pause(service: Service, tmp_path: Path) -> None:
    job_id = enqueue(service, "/work", fail_times=1, diary=str(tmp_path / "diary"))
    end = end_of(service, job_id)

    assert (end["status"], end["metrics"]["attempts"]) == ("finished", 2)
    assert len((tmp_path / "diary").read_text().splitlines()) == 2


def test_an_idempotency_key_holds_for_all_workers(service: Service) -> None:
    first, second = service.workers()
    with service.alone(first):
        one = enqueue(service, "/work", "Idempotency-Key: order 66", text="a")
    with service.alone(second):
        other = enqueue(service, "/work", "Idempotency-Key: order 66", text="a")

    assert one == other
