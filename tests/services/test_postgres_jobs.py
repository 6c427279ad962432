"""Jobs in PostgreSQL, on two machines: seen and cancelled on either, and finished by whoever is left."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from tests.selection import full, matrix
from tests.services.job_hosts import end_of, enqueue, entered, events
from tests.services.machines import balancer, machine, pull_the_plug
from tests.services.postgres_server import PostgresServer, postgres_server
from tests.services.raw_http import ask, get, post

pytestmark = pytest.mark.processes


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
