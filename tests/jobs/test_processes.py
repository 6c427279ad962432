"""One store and many processes: none takes another's job, and none leaves a broken file behind."""

import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from aylien_model_serving.jobs.store import Store
from aylien_model_serving.rpc.headers import ReplyHeader
from tests.jobs.stores import NOW, REPLY, claim, claimed_id, enqueue

pytestmark = pytest.mark.processes

PRELUDE = """
import sys, uuid
from aylien_model_serving.jobs.job import NewJob
from aylien_model_serving.jobs.opening import open_store
from aylien_model_serving.rpc.headers import ReplyHeader
url, service, owner = sys.argv[1:]
store = open_store(url)
print("ready", flush=True)
sys.stdin.readline()
"""

TAKE_ALL = """
while claimed := store.claim(service, ["r"], owner, 60.0, 4e9):
    store.report(claimed.job.id, owner, 0.5, None, 4e9)
    store.finish(claimed.job.id, owner, ReplyHeader(200, "text/plain", []), owner.encode(), 4e9)
    print(claimed.job.id)
"""

GO_ON_FOR_EVER = """
while True:
    new = NewJob(id=uuid.uuid4().hex, service=service, route="r", call=b"x" * 20_000, queue_size=10**9)
    store.enqueue(new, 4e9)
    claimed = store.claim(service, ["r"], owner, 60.0, 4e9)
    store.finish(claimed.job.id, owner, ReplyHeader(200, "text/plain", []), b"y" * 20_000, 4e9)
    print(claimed.job.id, flush=True)
"""


class Program:
    """A process with the store open, which begins when it is asked to."""

    def __init__(self, text: str, url: str | Path, service: str, owner: str) -> None:
        self.owner = owner
        self.process = subprocess.Popen(
            [sys.executable, "-c", PRELUDE + text, str(url), service, owner],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def read_line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def go(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def wait(self) -> list[str]:
        """Return the lines that it has printed at its end."""
        output, _ = self.process.communicate()
        return output.split()

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


def start(*programs: Program) -> None:
    """Let all of them begin together."""
    for program in programs:
        assert program.read_line() == "ready"
    for program in programs:
        program.go()


@pytest.fixture
def programs() -> Iterator[list[Program]]:
    running: list[Program] = []
    yield running
    for program in running:
        program.kill()


def test_many_processes_take_each_job_once(
    shared_store: Store, shared_url: str, programs: list[Program]
) -> None:
    jobs = [enqueue(shared_store, queue_size=200) for _ in range(200)]

    programs += [Program(TAKE_ALL, shared_url, "s", f"owner {number}") for number in range(4)]
    start(*programs)
    taken = {program.owner: program.wait() for program in programs}

    assert sorted(job_id for ids in taken.values() for job_id in ids) == sorted(jobs)
    assert sum(bool(ids) for ids in taken.values()) > 1
    for owner, ids in taken.items():
        for job_id in ids:
            job = shared_store.get("s", job_id)
            assert job is not None
            assert (job.status, job.attempts) == ("finished", 1)
            assert shared_store.result("s", job_id) == (ReplyHeader(200, "text/plain", []), owner.encode())


def test_services_that_share_a_store_take_their_own_jobs_alone(
    shared_store: Store, shared_url: str, programs: list[Program]
) -> None:
    jobs = {service: [enqueue(shared_store, service=service) for _ in range(50)] for service in "st"}

    programs += [Program(TAKE_ALL, shared_url, service, service) for service in jobs]
    start(*programs)

    assert {program.owner: program.wait() for program in programs} == jobs


def test_processes_that_make_the_store_at_the_same_time_make_one(
    shared_url: str, programs: list[Program]
) -> None:
    programs += [Program(TAKE_ALL, shared_url, "s", "me") for _ in range(4)]

    start(*programs)

    assert [program.wait() for program in programs] == [[]] * 4
    assert [program.process.returncode for program in programs] == [0] * 4


@pytest.mark.parametrize("after", [1, 7, 30])
def test_a_process_that_is_killed_amid_its_transactions_leaves_a_whole_file(
    file_store: Store, path: Path, programs: list[Program], after: int
) -> None:
    programs += [Program(GO_ON_FOR_EVER, path, "s", f"owner {number}") for number in range(2)]
    start(*programs)

    done = [programs[0].read_line() for _ in range(after)]
    for program in programs:
        program.kill()

    for job_id in done:
        result = file_store.result("s", job_id)
        assert result is not None
        assert result[1] == b"y" * 20_000
    assert is_whole(path)
    assert claimed_id(file_store, NOW + 1000) is not None or not file_store.counts("s")["r"].get("queued")
    enqueue(file_store, queue_size=10**9)


def is_whole(path: Path) -> bool:
    """Return whether SQLite finds no fault, and each job has the bodies that belong to its state."""
    with closing(sqlite3.connect(path)) as db:
        (verdict,) = db.execute("PRAGMA integrity_check").fetchone()
        ended = "status IN ('finished', 'failed', 'cancelled')"
        (torn,) = db.execute(
            f"SELECT count(*) FROM jobs WHERE ({ended}) = (number IN (SELECT number FROM calls))"
            " OR (status = 'finished') != (number IN (SELECT number FROM bodies))"
        ).fetchone()
        return bool(verdict == "ok" and torn == 0)


def test_a_child_of_a_fork_holds_locks_of_its_own(file_store: Store, path: Path) -> None:
    job_id = enqueue(file_store)
    inode = path.stat().st_ino

    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            found = claimed_id(file_store, NOW, "child") == job_id
            mine = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
            locked = any(row[4] == str(os.getpid()) and row[5].endswith(f":{inode}") for row in mine)
            os.write(writer, f"{found} {locked}".encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answered:
        answer = answered.read()
    os.waitpid(child, 0)

    assert answer == "True True"
    assert claim(file_store) is None
    assert file_store.get("s", job_id).lease_owner == "child"  # type: ignore[union-attr]


def test_threads_of_a_process_take_each_job_once(shared_store: Store) -> None:
    jobs = [enqueue(shared_store) for _ in range(100)]
    taken: list[str] = []

    def take_all(owner: str) -> None:
        while (job_id := claimed_id(shared_store, NOW, owner)) is not None:
            shared_store.finish(job_id, owner, REPLY, b"", NOW)
            taken.append(job_id)

    threads = [threading.Thread(target=take_all, args=(f"thread {number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(taken) == sorted(jobs)
