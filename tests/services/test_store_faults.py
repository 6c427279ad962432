"""The file of the jobs is locked, full, gone, damaged or of another version, at the start and later on.

The service starts, says so once, answers what needs no jobs, and goes on by itself when that is mended.
"""

import os
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, suppress
from pathlib import Path

import pytest

from aylien_model_serving.jobs.opening import open_store
from tests.selection import full, matrix
from tests.services.hosts import wait_until
from tests.services.job_hosts import end_of, enqueue, entered, host_jobs, look
from tests.services.raw_http import Answer, ask, get, post
from tests.services.serving import Service
from tests.with_packages import lack

pytestmark = pytest.mark.processes

#: Seconds within which a route answers that needs no jobs: far less than a store is waited for by each call.
PROMPTLY = 1.0

#: How long a file is locked, longer than a lease lasts.
LOCKED_SECONDS = 20.0

#: Processes that use the store: a worker, and a replica.
USERS = 2

Fault = Callable[[Path], AbstractContextManager[None]]


@contextmanager
def locked(file: Path) -> Iterator[None]:
    with closing(sqlite3.connect(file, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        yield
        db.execute("ROLLBACK")


@contextmanager
def gone(file: Path) -> Iterator[None]:
    moved = file.rename(file.with_name("moved"))
    yield
    moved.rename(file)


@contextmanager
def of_another_version(file: Path) -> Iterator[None]:
    with closing(sqlite3.connect(file, isolation_level=None)) as db:
        (version,) = db.execute("PRAGMA user_version").fetchone()
        db.execute("PRAGMA user_version = 99")
        yield
        db.execute(f"PRAGMA user_version = {version}")


@contextmanager
def on_a_full_disk(file: Path) -> Iterator[None]:
    filler = file.with_name("filler")
    with filler.open("wb", buffering=0) as filling, suppress(OSError):
        while filling.write(bytes(4096)):
            pass
    assert not os.statvfs(file.parent).f_bavail
    yield
    filler.unlink()


@contextmanager
def on_a_read_only_disk(file: Path) -> Iterator[None]:
    mount("-o", "remount,ro", str(file.parent))
    yield
    mount("-o", "remount,rw", str(file.parent))


def mount(*arguments: str) -> bool:
    return subprocess.run(["mount", *arguments], capture_output=True, check=False).returncode == 0


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Return a folder that is a small disk of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if not mount("-t", "tmpfs", "-o", "size=4m", "none", str(folder)):
        lack("nothing can be mounted here: root may")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def submit(service: Service) -> Answer:
    return ask(service.port, post({"text": "x" * 200_000}, path="/work"))


def readiness(service: Service) -> Answer:
    return ask(service.port, get("/readyz"))


def is_refusal(answer: Answer, reason: str) -> bool:
    return (
        (answer.status, answer.json()["code"]) == (503, "unavailable")
        and reason in answer.json()["error"]
        and int(answer.headers["retry-after"]) > 0
    )


def slowest_echo(service: Service) -> float:
    """Return the most seconds that another route took to answer while clients ask for jobs."""
    slowest = 0.0
    asking = [threading.Thread(target=submit, args=[service]) for _ in range(4)]
    for thread in asking:
        thread.start()
    for _ in range(20):
        since = time.monotonic()
        assert ask(service.port, post({"text": "a"}, path="/echo")).json() == {"text": "a"}
        slowest = max(slowest, time.monotonic() - since)
    for thread in asking:
        thread.join()
    return slowest


def told(service: Service, words: str) -> int:
    """Return how many lines of the log tell of the store."""
    return len([line for line in service.log().splitlines() if "The job store" in line and words in line])


def is_mended(service: Service) -> bool:
    """Return whether jobs are run again, and each process has told of both changes at most once."""
    wait_until(lambda: readiness(service).status == 200)
    job = end_of(service, enqueue(service, "/work", text="after"))
    away = told(service, "does not work")
    wait_until(lambda: told(service, "works again") == told(service, "does not work"))
    return (job["status"], job["metrics"]["attempts"]) == ("finished", 1) and 1 <= away <= USERS


RUNNING: dict[str, tuple[Fault, str]] = {
    "locked": (locked, "busy: another process holds it"),
    "gone": (gone, "The job store's file is gone"),
    "full": (on_a_full_disk, "The job store's disk is full"),
}


@pytest.mark.parametrize(
    ("server", "fault"),
    matrix(
        [("gevent", "locked"), ("asgi", "locked"), ("asgi", "gone"), ("gevent", "full")],
        ("gevent", "locked"),
        rows=True,
    ),
)
def test_a_store_that_fails_under_a_service_costs_no_job_and_no_other_route(
    tmp_path: Path, disk: Path, server: str, fault: str
) -> None:
    begin, reason = RUNNING[fault]
    gate = tmp_path / "gate"
    with host_jobs(disk, "work,echo", server=server, workers=1) as service:
        before = end_of(service, enqueue(service, "/work", text="before"))
        running = enqueue(service, "/work", gate=str(gate))
        entered(gate)
        with begin(disk / "jobs.sqlite3"):
            wait_until(lambda: submit(service).status == 503)
            refused, not_ready = submit(service), readiness(service)
            slowest = slowest_echo(service)
            seen = ask(service.port, get(f"/status/{before['job_id']}")).status
        (gate / "open").touch()
        amid = end_of(service, running)
        mended = is_mended(service)

    assert is_refusal(refused, reason)
    assert (not_ready.status, not_ready.json()["error"]) == (503, refused.json()["error"])
    assert slowest < PROMPTLY
    assert seen == (503 if fault == "gone" else 200)
    assert (amid["status"], amid["metrics"]["attempts"]) == ("finished", 1)
    assert mended


STARTS: dict[str, tuple[Fault, str]] = {
    "locked": (locked, "busy: another process holds it"),
    "another version": (of_another_version, "is of a later version"),
    "full": (on_a_full_disk, "The job store"),
    "read-only": (on_a_read_only_disk, "The job store"),
}


@pytest.mark.parametrize(
    ("server", "fault"),
    matrix(
        [("gevent", "locked"), ("asgi", "another version"), ("gevent", "full"), ("asgi", "read-only")],
        ("asgi", "another version"),
        rows=True,
    ),
)
def test_a_service_starts_whatever_is_wrong_with_its_store(disk: Path, server: str, fault: str) -> None:
    begin, reason = STARTS[fault]
    file = disk / "jobs.sqlite3"
    open_store(str(file)).close()
    made = file.stat().st_ino
    with ExitStack() as broken, ExitStack() as serving:
        broken.enter_context(begin(file))
        service = serving.enter_context(host_jobs(disk, "work,echo", server=server, workers=1, ready=False))
        wait_until(lambda: is_refusal(readiness(service), reason))
        refused = submit(service)
        slowest = slowest_echo(service)
        broken.close()
        mended = is_mended(service)

    assert is_refusal(refused, reason)
    assert slowest < PROMPTLY
    assert mended
    assert file.stat().st_ino == made


@pytest.mark.parametrize("server", matrix(["gevent", "asgi"], "asgi"))
def test_a_service_goes_on_beside_a_damaged_store(tmp_path: Path, server: str) -> None:
    file = tmp_path / "jobs.sqlite3"
    file.write_bytes(b"this is no database" * 1000)
    with host_jobs(tmp_path, "work,echo", server=server, workers=1) as service:
        first = end_of(service, enqueue(service, "/work", text="first"))
        [aside] = tmp_path.glob("jobs.sqlite3.damaged-*")
        with closing(sqlite3.connect(file)) as db:  # a change, so that nobody trusts what he has read before
            db.execute("UPDATE jobs SET message = 'damaged'")
            db.commit()
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        os.truncate(file, 5000)
        wait_until(lambda: submit(service).status and told(service, "is set aside as") == 2)
        wait_until(lambda: readiness(service).status == 200)
        second = end_of(service, enqueue(service, "/work", text="second"))
        asides = told(service, "is set aside as")

    assert aside.read_bytes() == b"this is no database" * 1000
    assert [job["status"] for job in (first, second)] == ["finished"] * 2
    assert asides == 2


@full
def test_a_job_that_ends_while_its_store_is_locked_for_long_runs_once(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with host_jobs(tmp_path, "work", server="gevent", workers=1, replicas=2) as service:
        jobs = [
            enqueue(service, "/work", gate=str(gate)),
            enqueue(service, "/work", sleep=LOCKED_SECONDS / 2),
        ]
        entered(gate)
        wait_until(lambda: {look(service, job)["status"] for job in jobs} == {"processing"})
        with locked(tmp_path / "jobs.sqlite3"):
            time.sleep(LOCKED_SECONDS)
        (gate / "open").touch()
        ends = [end_of(service, job) for job in jobs]

    assert [(job["status"], job["metrics"]["attempts"]) for job in ends] == [("finished", 1)] * 2
