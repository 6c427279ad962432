"""What can break beneath a store, and what is left of the job then."""

import sqlite3
from pathlib import Path

import pytest

from aylien_model_serving.jobs.errors import LeaseLost, StoreUnavailable
from aylien_model_serving.jobs.sqlite import connections
from aylien_model_serving.jobs.store import Store
from tests.jobs.stores import LEASE, NOW, REPLY, claim, claimed_id, enqueue, new_job, raw


def test_a_file_that_another_process_holds_is_a_clear_503(
    file_store: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "BUSY_TIMEOUT", 0.05)
    job_id = enqueue(file_store)
    file_store.close()
    with raw(path) as other:
        other.execute("BEGIN EXCLUSIVE")

        with pytest.raises(StoreUnavailable, match="busy: another process holds it") as caught:
            claim(file_store)

        assert (caught.value.status, dict(caught.value.headers())["Retry-After"]) == (503, "1")
        assert file_store.get("s", job_id) is not None
        other.execute("ROLLBACK")
    assert claimed_id(file_store) == job_id


def test_a_full_disk_is_a_clear_503_and_keeps_nothing_of_the_job(file_store: Store, path: Path) -> None:
    kept = enqueue(file_store)
    limit_pages(file_store, spare=4)

    with pytest.raises(StoreUnavailable, match="disk is full"):
        enqueue(file_store, call=b"x" * 100_000)

    assert [job.id for job in file_store.page("s", limit=9)] == [kept]
    with raw(path) as db:
        assert db.execute("SELECT count(*) FROM calls").fetchone() == (1,)
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_result_that_finds_no_room_leaves_the_job_with_its_owner(file_store: Store) -> None:
    job_id = enqueue(file_store)
    claim(file_store)
    limit_pages(file_store, spare=4)

    with pytest.raises(StoreUnavailable, match="disk is full"):
        file_store.finish(job_id, "me", REPLY, b"x" * 100_000, NOW)

    assert file_store.get("s", job_id).status == "processing"  # type: ignore[union-attr]
    assert file_store.finish(job_id, "me", REPLY, b"x" * 100_000, NOW).status == "finished"


def limit_pages(store: Store, spare: int) -> None:
    """Let the connection that comes next find a disk with so few pages left."""
    with store._unit_of_work.read() as repository:
        db: sqlite3.Connection = repository._db  # type: ignore[attr-defined]
        (pages,) = db.execute("PRAGMA page_count").fetchone()
        db.execute(f"PRAGMA max_page_count = {pages + spare}").fetchall()


def test_a_file_that_can_not_be_written_is_a_clear_503(file_store: Store) -> None:
    with file_store._unit_of_work.read() as repository:
        repository._db.execute("PRAGMA query_only = ON")  # type: ignore[attr-defined]

    with pytest.raises(StoreUnavailable, match="can't be written to"):
        enqueue(file_store)

    assert file_store.page("s", limit=9) == []


def test_a_mistake_in_a_call_is_not_reported_as_a_fault_of_the_store(file_store: Store) -> None:
    new = new_job()
    file_store.enqueue(new, NOW)

    with pytest.raises(sqlite3.IntegrityError):
        file_store.enqueue(new, NOW)

    assert len(file_store.page("s", limit=9)) == 1


def test_what_is_refused_leaves_no_transaction_behind(file_store: Store, path: Path) -> None:
    with pytest.raises(LeaseLost):
        file_store.heartbeat("unknown", "me", LEASE, NOW)

    with raw(path) as other:
        other.execute("BEGIN IMMEDIATE")
