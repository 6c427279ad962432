"""The database of the jobs is away, in each way: jobs are refused meanwhile, and go on by themselves."""

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.selection import full, longer
from tests.services.hosts import wait_until
from tests.services.job_hosts import end_of, enqueue, entered
from tests.services.machines import machine
from tests.services.postgres_server import PASSWORD, USER, PostgresServer, postgres_server, standby_of
from tests.services.raw_http import Answer, ask, get, post
from tests.services.serving import Service

pytestmark = pytest.mark.processes

#: Seconds within which a route answers that needs no jobs.
PROMPTLY = 2.0

#: Seconds that the database is away: longer than a lease lasts.
AWAY_SECONDS = longer(8.0, 60.0)

Fault = Callable[[PostgresServer], AbstractContextManager[None]]


@contextmanager
def stopped(server: PostgresServer) -> Iterator[None]:
    server.stop()
    yield
    server.start()


@contextmanager
def killed(server: PostgresServer) -> Iterator[None]:
    server.kill()
    yield
    server.start()


@contextmanager
def frozen(server: PostgresServer) -> Iterator[None]:
    server.send(signal.SIGSTOP)
    try:
        yield
    finally:
        server.send(signal.SIGCONT)


@contextmanager
def read_only(server: PostgresServer) -> Iterator[None]:
    server.ask("ALTER SYSTEM SET default_transaction_read_only = on")
    server.ask("SELECT pg_reload_conf()")
    try:
        yield
    finally:
        with psycopg.connect(server.url(), autocommit=True) as db:
            db.execute("SET default_transaction_read_only = off")
            db.execute("ALTER SYSTEM RESET default_transaction_read_only")
            db.execute("SELECT pg_reload_conf()")


FAULTS: dict[str, tuple[Fault, str]] = {
    "stopped": (stopped, "can't be reached"),
    "killed": (killed, "can't be reached"),
    "frozen": (frozen, "The job store"),
    "read-only": (read_only, "can't be written to"),
}


@pytest.fixture
def postgres() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


def submit(service: Service) -> Answer:
    return ask(service.port, post({"text": "a"}, path="/work"))


def is_refusal(answer: Answer, reason: str) -> bool:
    return (
        (answer.status, answer.json().get("code")) == (503, "unavailable")
        and reason in answer.json()["error"]
        and int(answer.headers["retry-after"]) > 0
    )


def echo_seconds(service: Service) -> float:
    since = time.monotonic()
    assert ask(service.port, post({"text": "a"}, path="/echo")).json() == {"text": "a"}
    return time.monotonic() - since


@full
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", FAULTS)
def test_a_database_that_is_away_costs_calls_about_jobs_alone_and_no_job(
    name: str, postgres: PostgresServer, tmp_path: Path
) -> None:
    fault, reason = FAULTS[name]
    gate = tmp_path / "gate"
    with machine("first", postgres.new_database(), "work,echo", retries=5) as service:
        running = enqueue(service, "/work", gate=str(gate), diary=str(tmp_path / "diary"))
        entered(gate)
        waiting = enqueue(service, "/work", text="waiting")
        with fault(postgres):
            until = time.monotonic() + AWAY_SECONDS
            wait_until(lambda: is_refusal(submit(service), reason))
            (gate / "open").touch()  # it ends while its end can't be kept
            echoes = []
            while time.monotonic() < until:
                assert submit(service).status == 503
                echoes.append(echo_seconds(service))
            assert max(echoes) < PROMPTLY
            ready = ask(service.port, get("/readyz"))
            assert (ready.status, b"is about jobs" in ready.body) == (200, True)
        back = time.monotonic()
        wait_until(lambda: submit(service).status == 202)
        taken = time.monotonic() - back
        ends = [end_of(service, job_id) for job_id in (running, waiting)]
        ended = time.monotonic() - back
        after = end_of(service, enqueue(service, "/work", text="after"))
        log = service.log()
    told = [line for line in log.splitlines() if "The job store postgresql" in line]
    sys.stdout.write(
        f"{name} for {AWAY_SECONDS:g} s: {len(echoes)} other calls answered, the slowest after "
        f"{max(echoes):.2f} s; jobs taken {taken:.1f} s after its return, and ended by {ended:.1f} s"
    )

    assert [end["status"] for end in (*ends, after)] == ["finished"] * 3
    assert len((tmp_path / "diary").read_text().splitlines()) == 1  # its end was kept, not run again
    assert PASSWORD not in log
    assert len(told) < 20
    assert any("works again" in line for line in told)


@full
def test_a_standby_that_is_promoted_goes_on_with_the_jobs(tmp_path: Path) -> None:
    options = {"wal_level": "replica", "hot_standby": "on"}
    with postgres_server(**options) as primary, standby_of(primary) as standby:
        primary.ask("CREATE DATABASE jobs")
        both = f"127.0.0.1:{primary.port},127.0.0.1:{standby.port}"
        url = f"postgresql://{USER}:{PASSWORD}@{both}/jobs?target_session_attrs=read-write"
        gate = tmp_path / "gate"
        with machine("first", url, "work,echo", retries=5) as service:
            running = enqueue(service, "/work", gate=str(gate))
            entered(gate)
            waiting = enqueue(service, "/work", text="waiting")
            wait_until(lambda: standby.has_all_of(primary))
            primary.kill()
            wait_until(lambda: submit(service).status == 503)
            standby.promote()
            (gate / "open").touch()
            wait_until(lambda: submit(service).status == 202)
            ends = [end_of(service, job_id) for job_id in (running, waiting)]
            after = end_of(service, enqueue(service, "/work", text="after"))

    assert [end["status"] for end in (*ends, after)] == ["finished"] * 3


@full
def test_a_database_without_a_free_connection_refuses_jobs_and_takes_them_when_there_is_one(
    tmp_path: Path,
) -> None:
    with postgres_server(max_connections="12", superuser_reserved_connections="3") as postgres:
        url = postgres.new_database()
        postgres.ask("CREATE ROLE client LOGIN PASSWORD 'word'")
        postgres.ask("GRANT CREATE, CONNECT ON DATABASE jobs_1 TO client")
        postgres.ask("GRANT ALL ON SCHEMA public TO client", "jobs_1")
        own = url.replace(f"{USER}:{PASSWORD}", "client:word")
        with machine("first", own, "work,echo") as service, ExitStack() as held:
            end_of(service, enqueue(service, "/work", text="before"))

            def take_all() -> bool:
                try:
                    held.enter_context(psycopg.connect(own, connect_timeout=5))
                except psycopg.OperationalError:
                    postgres.ask(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE application_name = 'model-serving'"
                    )
                return submit(service).status == 503

            wait_until(take_all)
            assert echo_seconds(service) < PROMPTLY
            held.close()
            job_id = wait_until(lambda: submit(service).json().get("job_id"))
            assert end_of(service, job_id)["status"] == "finished"
