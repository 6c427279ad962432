"""A file that does not work for a while: what its users are told, what the log says, and what is left."""

import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest

from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.jobs import availability
from aylien_model_serving.jobs.errors import StoreUnavailable
from aylien_model_serving.jobs.opening import open_store
from aylien_model_serving.jobs.sqlite import connections, store_file
from aylien_model_serving.jobs.store import Store
from tests.jobs.stores import NOW, claim, claimed_id, enqueue, get, raw
from tests.jobs.test_faults import limit_pages


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what the log says of the store, at a level that is seen."""
    return [record.getMessage() for record in caplog.records if record.levelno >= 30]


def set_aside(path: Path) -> list[Path]:
    return sorted(path.parent.glob(f"{path.name}.damaged-*"))


def is_refused(store: Store, reason: str, act: Callable[[Store], object] = enqueue) -> bool:
    with pytest.raises(StoreUnavailable, match=reason) as caught:
        act(store)
    return caught.value.status == 503 and "Retry-After" in dict(caught.value.headers())


def check(store: Store) -> None:
    """Ask whether it works as one who asks after a while."""
    store._unit_of_work._database._availability._known_at = -1.0  # type: ignore[attr-defined]
    store.check()


def test_a_store_that_works_says_so(store: Store) -> None:
    store.check()
    enqueue(store)
    store.check()


@pytest.mark.parametrize("begin", ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"])
def test_a_locked_file_is_told_of_once_and_is_read_meanwhile(
    file_store: Store,
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    begin: str,
) -> None:
    monkeypatch.setattr(connections, "BUSY_TIMEOUT", 0.05)
    kept = enqueue(file_store)
    with raw(path) as other:
        other.execute(begin)
        for act in (enqueue, claim, check, enqueue, check):
            assert is_refused(file_store, "busy: another process holds it", act)
        assert get(file_store, kept).status == "queued"
        other.execute("ROLLBACK")
    check(file_store)

    assert claimed_id(file_store) == kept
    away, again = lines(caplog)
    assert away.startswith(f"The job store {path} does not work, and is tried again at each use: ")
    assert again == f"The job store {path} works again"


def test_who_knows_that_a_file_is_locked_does_not_wait_for_it(file_store: Store, path: Path) -> None:
    with raw(path) as other:
        other.execute("BEGIN IMMEDIATE")
        assert is_refused(file_store, "busy")
        since = time.monotonic()
        for _ in range(10):
            assert is_refused(file_store, "busy")

        assert time.monotonic() - since < connections.BUSY_TIMEOUT
        other.execute("ROLLBACK")


def test_a_transaction_waits_for_another_ones_end(file_store: Store, path: Path) -> None:
    with raw(path) as other:
        other.execute("BEGIN IMMEDIATE")
        waiting = threading.Thread(target=enqueue, args=[file_store])
        waiting.start()
        waiting.join(0.05)
        assert file_store.counts("s") == {}
        other.execute("ROLLBACK")
        waiting.join(20)

    assert file_store.counts("s") == {"r": {"queued": 1}}


def test_a_file_that_is_locked_at_the_start_is_opened_later(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(connections, "BUSY_TIMEOUT", 0.05)
    path.parent.mkdir()
    with raw(path) as other:
        other.execute("BEGIN EXCLUSIVE")
        with closing(open_store(str(path))) as store:
            for act in (enqueue, claim, check, lambda store: store.now()):
                assert is_refused(store, "busy", act)
            other.execute("ROLLBACK")

            assert get(store, enqueue(store)).status == "queued"
    assert len(lines(caplog)) == 2


def damage(path: Path, kind: str) -> bytes:
    """Damage a file that is open somewhere, and return what it holds now."""
    size = path.stat().st_size
    if kind == "overwritten":
        path.write_bytes(b"These are my notes. " * (size // 20))
    elif kind == "pages":
        content = path.read_bytes()
        path.write_bytes(content[:4096] + b"\xaa" * (size - 4096))
    else:
        os.truncate(path, {"emptied": 0, "begun": 50, "half": size // 8192 * 4096}[kind])
    return path.read_bytes()


KINDS = ["overwritten", "pages", "emptied", "begun", "half"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_file_is_set_aside_and_jobs_go_on_in_another(
    path: Path, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    with closing(open_store(str(path))) as before:
        enqueue(before, call=b"x" * 100_000)
        enqueue(before)
    left = damage(path, kind)

    with closing(open_store(str(path))) as store:
        for act in (enqueue, lambda store: store.counts("s"), check) * 2:
            with suppress(StoreUnavailable):  # a damage is found by whoever meets it
                act(store)
        enqueue(store)
        assert is_whole(path)

    if kind == "emptied":  # as a file is that is just being made
        assert set_aside(path) == []
        return
    [aside] = set_aside(path)
    assert aside.read_bytes() == left
    [line] = lines(caplog)
    assert line.startswith(f"The job store {path} is damaged (")
    assert line.endswith(f"): it is set aside as {aside.name}, and an empty one takes its place")


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_is_damaged_in_use_is_set_aside_by_one_of_its_users(
    path: Path, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    stores = [open_store(str(path)) for _ in range(3)]
    for store in stores:
        enqueue(store, call=b"x" * 100_000)
    with raw(path) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        db.execute("UPDATE jobs SET message = 'a change, so that nobody trusts what he has read before'")

    damage(path, kind)
    ends = [store for store in stores for _ in range(4) if fails(store)]
    works = [get(store, enqueue(store)).status for store in stores]
    jobs = {len(store.page("s", limit=99)) for store in stores}
    for store in stores:
        store.close()

    assert ends
    assert works == ["queued"] * 3
    assert len(jobs) == 1
    assert len([file for file in set_aside(path) if not file.name.endswith(store_file.LOGS)]) == 1
    assert is_whole(path)
    assert len([line for line in lines(caplog) if "set aside" in line]) == 1


def fails(store: Store) -> bool:
    try:
        enqueue(store)
        check(store)
    except StoreUnavailable:
        return True
    return False


def is_whole(path: Path) -> bool:
    with raw(path) as db:
        return bool(db.execute("PRAGMA integrity_check").fetchone() == ("ok",))


def test_what_may_never_have_been_a_database_is_left_where_it_is(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("These are my notes. " * 100)

    with closing(open_store(str(notes))) as store:
        assert is_refused(store, "damaged")
        assert is_refused(store, "damaged", check)

        assert notes.read_text().startswith("These are my notes.")
        assert list(tmp_path.iterdir()) == [notes]
        notes.rename(tmp_path / "elsewhere.txt")
        assert get(store, enqueue(store)).status == "queued"
    assert len(lines(caplog)) == 2


def test_a_file_that_was_removed_is_not_replaced_by_an_empty_one(
    file_store: Store, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept = enqueue(file_store)
    elsewhere = path.rename(path.with_name("elsewhere"))

    for act in (enqueue, claim, check, lambda store: store.counts("s")):
        assert is_refused(file_store, "The job store's file is gone", act)
    assert not path.exists()
    elsewhere.rename(path)

    assert get(file_store, kept).status == "queued"
    assert claimed_id(file_store) == kept
    assert len(lines(caplog)) == 2


def test_another_file_under_the_name_has_jobs_of_its_own(file_store: Store, path: Path) -> None:
    enqueue(file_store)
    other = path.with_name("other.db")
    with closing(open_store(str(other))) as store:
        theirs = enqueue(store)
    other.replace(path)

    assert [job.id for job in file_store.page("s", limit=9)] == [theirs]
    assert claimed_id(file_store) == theirs
    enqueue(file_store)
    file_store.close()
    assert is_whole(path)


def test_a_file_that_is_made_anew_does_not_get_the_log_of_the_one_before(path: Path) -> None:
    with raw_writer(path) as before:
        path.unlink()
        with closing(open_store(str(path))) as store:
            assert store.page("s", limit=9) == []
            enqueue(store)
            before.execute("INSERT INTO clocks (id, began) VALUES ('x', 1)")
            assert len(store.page("s", limit=9)) == 1
        assert is_whole(path)


def raw_writer(path: Path) -> closing[sqlite3.Connection]:
    """Return a connection to a store with a job, whose log is open."""
    with closing(open_store(str(path))) as store:
        enqueue(store)
        db = sqlite3.connect(path, isolation_level=None)
        db.execute("INSERT INTO clocks (id, began) VALUES ('a', 1)")
    return closing(db)


def test_another_programs_database_under_the_name_is_left_alone(file_store: Store, path: Path) -> None:
    file_store.close()
    path.unlink()
    with raw(path) as db:
        db.execute("CREATE TABLE notes (text)")

    assert is_refused(file_store, "is another's")
    assert is_refused(file_store, "is another's", check)

    with raw(path) as db:
        assert db.execute("SELECT name FROM sqlite_master").fetchall() == [("notes",)]


def test_a_full_disk_counts_as_mended_once_there_is_room(
    file_store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    limit_pages(file_store, spare=4)
    assert is_refused(file_store, "disk is full", lambda store: enqueue(store, call=b"x" * 100_000))
    monkeypatch.setattr(store_file, "has_room", lambda *_: False)
    assert is_refused(file_store, "disk is full", check)
    monkeypatch.undo()
    check(file_store)

    assert len(lines(caplog)) == 2


def test_a_store_that_fails_again_and_again_is_told_of_once_a_minute(
    file_store: Store, path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(5):
        moved = path.rename(path.with_name("moved"))
        assert is_refused(file_store, "gone")
        moved.rename(path)
        enqueue(file_store)
    assert len(lines(caplog)) == 2

    monkeypatch.setattr(availability, "_QUIET", 0.0)
    path.rename(path.with_name("moved"))
    assert is_refused(file_store, "gone")
    assert len(lines(caplog)) == 3


def test_a_folder_that_others_move_files_in_for_too_long_is_a_clear_503(
    file_store: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_file, "_LOCK_TIMEOUT", 0.01)
    file_store.close()
    with store_file.opening(path, alone=True):
        assert is_refused(file_store, "busy: another process holds its folder")

    assert get(file_store, enqueue(file_store)).created_at == NOW


def test_a_place_where_no_file_can_be_stops_the_start_alone(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "jobs.db"
    with closing(open_store(str(path))) as store:
        shutil.rmtree(path.parent)
        path.parent.touch()
        assert is_refused(store, "gone")

    with pytest.raises(ConfigurationError, match="No jobs can be kept in"):
        open_store(str(path))
