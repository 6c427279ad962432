"""Webhooks of running services: told at least once, whatever is restarted meanwhile."""

from pathlib import Path

import pytest

from tests.jobs.webhook_receiver import SECRET, receiving
from tests.selection import full
from tests.services.hosts import processes, wait_until
from tests.services.job_hosts import cancel, end_of, enqueue, entered, host_jobs
from tests.services.raw_http import ask, post

pytestmark = pytest.mark.processes

ALLOWED = {"model_serving_webhook_allow": "http://127.0.0.1:*", "model_serving_webhook_secret": SECRET}


def test_the_ends_of_jobs_are_told(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with receiving() as receiver, host_jobs(tmp_path, "work", workers=1, **ALLOWED) as service:
        header = f"X-Webhook-Url: {receiver.url}"
        first = enqueue(service, "/work", header, text="first", gate=str(gate))
        entered(gate)
        second = enqueue(service, "/work", header, text="second")
        silent = enqueue(service, "/work", text="third")
        cancel(service, second)
        (gate / "open").touch()
        end = end_of(service, first)
        end_of(service, silent)
        wait_until(lambda: len(receiver.received) == 2)
        environments = {
            line: Path(f"/proc/{pid}/environ").read_bytes() for pid, line in processes(service).items()
        }
        refused = ask(service.port, post({}, "X-Webhook-Url: http://elsewhere.test/", path="/work"))

    received = {each.job["job_id"]: each.job for each in receiver.received}
    assert received.keys() == {first, second}
    assert received[first] == end
    assert received[second]["status"] == "cancelled"
    assert (refused.status, refused.json()["code"]) == (400, "bad_request")
    of_runners = [found for line, found in environments.items() if ".replicas." in line]
    assert len(of_runners) >= 2, "the supervisor and a replica"
    assert not any(SECRET.encode() in found for found in of_runners), "which sign webhooks all the same"


@full
def test_who_was_away_is_told_after_a_restart(tmp_path: Path) -> None:
    with receiving() as receiver:
        pass
    with host_jobs(tmp_path, "work", workers=1, **ALLOWED) as service:
        job_id = enqueue(service, "/work", f"X-Webhook-Url: {receiver.url}", text="a")
        end = end_of(service, job_id)
        service.wait_until(lambda: f"The webhook of job {job_id} was not delivered" in service.log())
    with receiver.listening(), host_jobs(tmp_path, "work", workers=1, **ALLOWED):
        wait_until(lambda: receiver.received)

    assert [received.job for received in receiver.received] == [end]
