"""Jobs in PostgreSQL, on two machines: seen and cancelled on either, and finished by whoever is left."""

import json
import os
import random
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from tests.selection import full, matrix
from tests.services.hosts import replicas, wait_until
from tests.services.job_hosts import end_of, enqueue, entered, events
from tests.services.machines import balancer, machine, pull_the_plug
from tests.services.postgres_server import PostgresServer, postgres_server
from tests.services.raw_http import ask, connect, get, post
from tests.services.serving import Service

pytestmark = pytest.mark.processes

JOBS, KILLS = 600, 10

#: How many of these are the database's own: it may forget a claim then, and no end.
CRASHES = 2


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


@pytest.fixture
def url(postgres: PostgresServer) -> str:
    return postgres.new_database()


def rows(url: str) -> list[dict[str, Any]]:
    """Return all jobs as they lie in the database."""
    with closing(psycopg.connect(url, row_factory=dict_row)) as db:
        return db.execute("SELECT * FROM model_serving_jobs").fetchall()


def ask_twice(port: int, path: str, status: int = 200) -> list[Any]:
    """Return what two calls are answered, which a balancer gives to both machines."""
    answers = [ask(port, get(path)) for _ in range(2)]
    assert [answer.status for answer in answers] == [status] * 2, answers
    return [answer.json() for answer in answers]


@pytest.mark.parametrize("server", matrix(["asgi", "gevent", "gthread"], "asgi"))
def test_a_job_is_one_behind_a_balancer_whichever_machine_is_asked(
    server: str, url: str, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    with (
        machine("first", url, "work,count,report", server=server) as first,
        machine("second", url, "work,count,report", server=server) as second,
        balancer(tmp_path, first, second) as port,
    ):
        body = post({"text": "a", "gate": str(gate)}, "Idempotency-Key: k", path="/work")
        made = [ask(port, body) for _ in range(4)]
        assert {answer.status for answer in made} == {202}
        [job_id] = {answer.json()["job_id"] for answer in made}
        entered(gate)
        assert [job["status"] for job in ask_twice(port, f"/status/{job_id}")] == ["processing"] * 2
        (gate / "open").touch()
        ends = ask_twice(port, f"/status/{job_id}?wait=30")
        assert ends[0] == ends[1]
        assert (ends[0]["status"], ends[0]["result"]["text"]) == ("finished", "a")

        counted = ask(port, post({"count": 3}, path="/count")).json()["job_id"]
        for service in (first, second):
            streamed = [data for name, data in events(service, counted) if name == "item"]
            assert streamed == [{"number": number} for number in range(3)]

        reporting = ask(port, post({"gate": str(tmp_path / "other")}, path="/report")).json()["job_id"]
        (tmp_path / "other").mkdir(exist_ok=True)
        entered(tmp_path / "other")
        for service in (first, second):
            ask(service.port, post({}, path=f"/cancel/{reporting}"))
        assert [job["status"] for job in ask_twice(port, f"/status/{reporting}?wait=30")] == ["cancelled"] * 2
        assert len(ask_twice(port, "/jobs")[0]["jobs"]) == 3


@full
def test_a_machine_that_goes_out_with_jobs_running_leaves_them_to_the_other_which_ends_each_once(
    url: str, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    with machine("first", url, "work") as first:
        jobs = [enqueue(first, "/work", gate=str(gate), diary=str(tmp_path / "diary"))]
        entered(gate)
        jobs += [enqueue(first, "/work", text=str(number)) for number in range(5)]
        with machine("second", url, "work") as second:
            pull_the_plug(first)
            (gate / "open").touch()
            ends = [end_of(second, job_id) for job_id in jobs]

    assert [end["status"] for end in ends] == ["finished"] * 6
    assert [end["metrics"]["attempts"] for end in ends] == [2, 1, 1, 1, 1, 1]
    assert len((tmp_path / "diary").read_text().splitlines()) == 2


class Producer(threading.Thread):
    """Has jobs kept by whichever machine answers, with the same key until one has."""

    def __init__(self, ports: list[int], number: int, diary: Path) -> None:
        super().__init__(daemon=True)
        self._ports = ports
        self._number = number
        self._diary = diary
        self.ids: dict[str, str] = {}

    def run(self) -> None:
        for number in range(JOBS // 4):
            key = f"{self._number}-{number}"
            fields = {"text": key, "sleep": 0.01, "diary": str(self._diary)}
            self.ids[key] = wait_until(partial(self._ask, self._ports[number % 2], key, fields), 120)

    def _ask(self, port: int, key: str, fields: dict[str, Any]) -> str | None:
        try:
            with connect(port) as connection:
                answer = connection.ask(post(fields, f"Idempotency-Key: {key}", path="/work"))
        except OSError:
            return None
        return str(answer.json()["job_id"]) if answer is not None and answer.status == 202 else None


@full
def test_hundreds_of_jobs_survive_kills_of_replicas_workers_and_the_database(
    postgres: PostgresServer, url: str, tmp_path: Path
) -> None:
    chance = random.Random(7)
    diary = tmp_path / "diary"
    acts = ["replica"] * (KILLS - 2 - CRASHES) + ["worker"] * 2 + ["database"] * CRASHES
    with (
        machine("first", url, "work", retries=KILLS, replicas=2) as first,
        machine("second", url, "work", retries=KILLS, replicas=2) as second,
    ):
        services = [first, second]
        producers = [Producer([each.port for each in services], number, diary) for number in range(4)]
        for producer in producers:
            producer.start()
        for act in chance.sample(acts, KILLS):
            threading.Event().wait(chance.uniform(0.2, 0.8))  # anywhere in the life of a job
            service = chance.choice(services)
            if act == "database":
                postgres.kill()
                postgres.start()
                continue
            found = service.workers() if act == "worker" else living(service)
            if found:
                os.kill(chance.choice(found), signal.SIGKILL)
        for producer in producers:
            producer.join(240)
        wait_until(lambda: all(row["finished_at"] is not None for row in rows(url)), 120)
        kept = rows(url)

    ids = {job_id: key for producer in producers for key, job_id in producer.ids.items()}
    assert [row["error"] for row in kept if row["status"] != "finished"] == []
    assert {row["id"] for row in kept} == set(ids)
    assert len(ids) == JOBS
    runs = Counter(diary.read_text().split())
    assert runs.keys() == set(ids.values())
    assert all(runs[ids[row["id"]]] <= row["attempts"] + CRASHES for row in kept)


def living(service: Service) -> list[int]:
    try:
        return [replica["pid"] for replica in replicas(service, "work") if replica["state"] == "ready"]
    except (OSError, AssertionError, json.JSONDecodeError):
        return []
