"""What is particular to jobs in a process's memory: who has them, for how long, and nothing on a disk."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from aylien_model_serving.jobs.errors import LeaseLost
from aylien_model_serving.jobs.opening import _memory, open_store
from aylien_model_serving.jobs.sqlite import database
from aylien_model_serving.jobs.store import Store
from aylien_model_serving.process import native_threads
from tests.jobs.stores import LEASE, NOW, claimed_id, enqueue, get


@pytest.fixture
def memory_store() -> Iterator[Store]:
    store = open_store("memory://")
    yield store
    store.close()


def test_all_who_open_it_in_one_process_have_the_same_jobs(memory_store: Store) -> None:
    job_id = enqueue(memory_store)

    assert get(open_store("memory://"), job_id).id == job_id


def test_its_jobs_are_gone_when_it_is_closed(memory_store: Store) -> None:
    job_id = enqueue(memory_store)
    memory_store.close()

    assert memory_store.get("s", job_id) is None


def test_a_forked_child_begins_without_jobs_and_leaves_its_parents_alone(memory_store: Store) -> None:
    job_id = enqueue(memory_store)
    child = os.fork()
    if not child:
        is_right = False
        try:
            is_right = memory_store.get("s", job_id) is None and claimed_id(memory_store) is None
            enqueue(memory_store)
        finally:
            os._exit(0 if is_right else 1)

    assert os.waitpid(child, 0)[1] == 0
    assert [job.id for job in memory_store.page("s", limit=9)] == [job_id]


@pytest.mark.skipif(native_threads.is_patched(), reason="a greenlet does not go on while its process forks")
def test_a_fork_waits_for_transactions_of_other_threads(memory_store: Store) -> None:
    begun, is_over = threading.Event(), threading.Event()

    def work() -> None:
        with _memory._database.take():
            begun.set()
            time.sleep(0.2)
            is_over.set()

    thread = threading.Thread(target=work)
    thread.start()
    assert begun.wait(9)
    child = os.fork()
    if not child:
        os._exit(0 if is_over.is_set() and not memory_store.counts("s") else 1)

    assert os.waitpid(child, 0)[1] == 0
    thread.join()
    enqueue(memory_store)


@pytest.mark.skipif(native_threads.is_patched(), reason="a greenlet does not go on while its process forks")
def test_a_fork_does_not_wait_for_long(memory_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "FORK_TIMEOUT", 0.05)
    job_id = enqueue(memory_store)
    begun, is_over = threading.Event(), threading.Event()

    def work() -> None:
        with _memory._database.take():
            begun.set()
            assert is_over.wait(60)

    thread = threading.Thread(target=work)
    thread.start()
    assert begun.wait(9)
    child = os.fork()
    if not child:
        os._exit(0 if not memory_store.counts("s") else 1)
    is_over.set()

    assert os.waitpid(child, 0)[1] == 0
    thread.join()
    assert get(memory_store, job_id).id == job_id


def test_a_fork_within_a_transaction_of_its_own_does_not_wait(memory_store: Store) -> None:
    with _memory._database.take():
        child = os.fork()
        if not child:
            os._exit(0 if not memory_store.counts("s") else 1)

    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.skipif(native_threads.is_patched(), reason="a greenlet does not go on while its process forks")
def test_a_child_can_use_sqlite_whatever_other_threads_did_at_the_fork(
    memory_store: Store, tmp_path: Path
) -> None:
    file_store = open_store(f"sqlite:///{tmp_path}/jobs.sqlite3")
    is_over = threading.Event()

    def work(store: Store) -> None:
        while not is_over.is_set():
            store.counts("s")

    threads = [
        threading.Thread(target=work, args=[store]) for store in (memory_store, file_store, file_store)
    ]
    for thread in threads:
        thread.start()
    children = [_fork_and_count(memory_store, file_store) for _ in range(20)]
    is_over.set()
    for thread in threads:
        thread.join()

    ends = [os.waitpid(child, 0)[1] for child in children]
    file_store.close()
    assert ends == [0] * 20


def _fork_and_count(*stores: Store) -> int:
    """Fork a child that ends with 0 once it has read the stores; a hanging one is killed by the alarm."""
    child = os.fork()
    if not child:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(20)
        os._exit(0 if not any(store.counts("s") for store in stores) else 1)
    return child


def test_threads_take_turns(memory_store: Store) -> None:
    taken: list[str | None] = []

    def work(owner: str) -> None:
        for _ in range(50):
            enqueue(memory_store)
            taken.append(claimed_id(memory_store, owner=owner))

    threads = [threading.Thread(target=work, args=[f"owner {number}"]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(taken)) == len(taken) == 200
    assert memory_store.counts("s") == {"r": {"processing": 200}}


def test_what_is_refused_leaves_no_transaction_behind(memory_store: Store) -> None:
    with pytest.raises(LeaseLost):
        memory_store.heartbeat("unknown", "me", LEASE, NOW)

    assert claimed_id(memory_store) is None
    enqueue(memory_store)


def test_nothing_of_it_lies_on_a_disk(memory_store: Store) -> None:
    enqueue(memory_store, call=b"x" * (8 << 20))

    files = [link.readlink() for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    assert not [file for file in files if "etilqs" in file.name or file.suffix == ".sqlite3"]
