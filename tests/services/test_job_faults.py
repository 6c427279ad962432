"""Processes and files that fail under jobs: no job is lost, none ends twice, and none is stuck."""

import json
import os
import random
import signal
import sqlite3
import threading
import time
from collections import Counter
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from aylien_model_serving.testing import ServiceFailed
from tests.selection import full
from tests.services.hosts import replicas, wait_until
from tests.services.job_hosts import end_of, enqueue, entered, host_jobs, look
from tests.services.raw_http import connect, post
from tests.services.serving import Service

pytestmark = pytest.mark.processes

JOBS = 500
KILLS = 10
RELOADS = 2

#: Seconds within which a job runs again whose process was killed: less than its lease, which would be the
#: only way back if nobody looked for the process.
SOON = 5.0


def ready(service: Service, name: str) -> list[int]:
    """Return the processes that work for a route."""
    return [replica["pid"] for replica in replicas(service, name) if replica["state"] == "ready"]


def rows(folder: Path) -> list[dict[str, Any]]:
    """Return all jobs as they lie in the store."""
    with closing(sqlite3.connect(folder / "jobs.sqlite3")) as db:
        db.row_factory = sqlite3.Row
        return [dict(row) for row in db.execute("SELECT * FROM jobs")]


def test_a_job_whose_replica_is_killed_runs_again_on_another(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with host_jobs(tmp_path, "work", workers=1, replicas=2) as service:
        wait_until(lambda: len(ready(service, "work")) == 2)
        job_id = enqueue(service, "/work", gate=str(gate), diary=str(tmp_path / "diary"))
        entered(gate)
        [row] = rows(tmp_path)
        [killed] = [pid for pid in ready(service, "work") if f" {pid}-" in row["lease_owner"]]
        (gate / "entered").unlink()
        os.kill(killed, signal.SIGKILL)
        since = time.monotonic()
        entered(gate)
        again = time.monotonic() - since
        (gate / "open").touch()
        end = end_of(service, job_id)

    assert again < SOON
    assert (end["status"], end["metrics"]["attempts"]) == ("finished", 2)
    assert end["result"]["pid"] != killed
    assert len((tmp_path / "diary").read_text().splitlines()) == 2


@full
def test_a_job_that_kills_its_replica_too_often_ends_as_failed(tmp_path: Path) -> None:
    with host_jobs(tmp_path, "work", workers=1) as service:
        deadly = enqueue(service, "/work", die_if=str(tmp_path))
        innocent = enqueue(service, "/work")
        end = end_of(service, deadly)
        other = end_of(service, innocent)

    assert (end["status"], end["metrics"]["attempts"]) == ("failed", 3)  # retries + 2
    assert end["error"] == "Its process ended 3 times while it worked on this job"
    assert (other["status"], other["metrics"]["attempts"]) == ("finished", 1)


@full
def test_a_restart_gives_a_running_job_back_without_counting_it(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with host_jobs(tmp_path, "work", workers=1) as service:
        running = enqueue(service, "/work", gate=str(gate))
        entered(gate)
        waiting = enqueue(service, "/work", text="waiting")
    states = {row["id"]: (row["status"], row["attempts"], row["kills"]) for row in rows(tmp_path)}
    (gate / "open").touch()
    with host_jobs(tmp_path, "work", workers=1) as service:
        ends = [end_of(service, job_id) for job_id in (running, waiting)]

    assert states == {running: ("queued", 0, 0), waiting: ("queued", 0, 0)}
    assert [(end["status"], end["metrics"]["attempts"]) for end in ends] == [("finished", 1)] * 2


@full
def test_a_service_that_is_killed_loses_no_job(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with host_jobs(tmp_path, "work", workers=1) as service:
        running = enqueue(service, "/work", gate=str(gate))
        entered(gate)
        waiting = enqueue(service, "/work", text="waiting")
        os.killpg(service.pid, signal.SIGKILL)
        service.process.wait()
    (gate / "open").touch()
    with host_jobs(tmp_path, "work", workers=1) as service:
        ends = [end_of(service, job_id) for job_id in (running, waiting)]

    assert [end["status"] for end in ends] == ["finished"] * 2


@full
def test_a_service_that_names_another_ones_store_does_not_start(tmp_path: Path) -> None:
    with host_jobs(tmp_path, "work", workers=1, model_serving_service_name="one") as one:
        job_id = enqueue(one, "/work", text="one's")
        with (
            pytest.raises(ServiceFailed) as caught,
            host_jobs(tmp_path, "work", workers=1, model_serving_service_name="two"),
        ):
            pass
        assert end_of(one, job_id)["status"] == "finished"
        with host_jobs(tmp_path, "work", workers=1, model_serving_service_name="one") as again:
            assert look(again, job_id)["result"]["text"] == "one's"

    assert "MODEL_SERVING_JOBS_URL" in str(caught.value)
    assert "keeps the jobs of the service 'one', and this one is 'two'" in str(caught.value)


class Producer(threading.Thread):
    """Has jobs kept, and asks again with the same key where a connection breaks or the service is busy."""

    def __init__(self, service: Service, number: int, folder: Path) -> None:
        super().__init__(daemon=True)
        self._service = service
        self._number = number
        self._folder = folder
        self.ids: dict[str, str] = {}

    def run(self) -> None:
        path = ("/work", "/more")[self._number % 2]
        for number in range(JOBS // 4):
            key = f"{self._number}-{number}"
            fields = {"text": key, "sleep": 0.01, "diary": str(self._folder / path[1:])}
            self.ids[key] = wait_until(partial(self._ask, path, key, fields))

    def _ask(self, path: str, key: str, fields: dict[str, Any]) -> str | None:
        try:
            with connect(self._service.port) as connection:
                answer = connection.ask(post(fields, f"Idempotency-Key: {key}", path=path))
        except OSError:
            return None
        return str(answer.json()["job_id"]) if answer is not None and answer.status == 202 else None


@full
def test_five_hundred_jobs_survive_killed_replicas_and_restarted_workers(tmp_path: Path) -> None:
    chance = random.Random(5)
    # Chance may kill one job again and again: no job may run out of retries by that.
    with host_jobs(tmp_path, "work,more", replicas=2, retries=KILLS) as service:
        producers = [Producer(service, number, tmp_path) for number in range(4)]
        for producer in producers:
            producer.start()
        for event in chance.sample(["kill"] * KILLS + ["reload"] * RELOADS, KILLS + RELOADS):
            time.sleep(chance.uniform(0.05, 0.3))  # anywhere in the life of a job
            if event == "reload":
                os.kill(service.pid, signal.SIGHUP)
            else:
                name = chance.choice(["work", "more"])
                killed = chance.choice(wait_until(lambda name=name: living(service, name)))
                with suppress(ProcessLookupError):  # gone by itself since it was seen: a reload replaces it
                    os.kill(killed, signal.SIGKILL)
        for producer in producers:
            producer.join(60)
        wait_until(lambda: all(row["finished_at"] is not None for row in rows(tmp_path)), 60)
        kept = rows(tmp_path)
        results = {row["id"]: look(service, row["id"]).get("result", {}).get("text") for row in kept[::25]}

    ids = {job_id: key for producer in producers for key, job_id in producer.ids.items()}
    assert [row["error"] for row in kept if row["status"] != "finished"] == []
    assert len(kept) == len(ids) == JOBS
    assert {row["id"] for row in kept} == set(ids)
    assert all(results[job_id] == ids[job_id] for job_id in results)
    assert all(row["attempts"] == 1 + row["kills"] for row in kept)
    runs = Counter(line for name in ("work", "more") for line in (tmp_path / name).read_text().split())
    assert runs.keys() == set(ids.values())
    assert all(runs[ids[row["id"]]] <= row["attempts"] for row in kept)


def living(service: Service, name: str) -> list[int]:
    """Return the processes that work for a route, where a worker answers at all."""
    try:
        return ready(service, name)
    except (OSError, AssertionError, json.JSONDecodeError):
        return []
