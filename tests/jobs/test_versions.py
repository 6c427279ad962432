"""Files of other versions, and of other programs."""

import re
from contextlib import closing
from pathlib import Path

import pytest

from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.jobs.errors import StoreUnavailable
from aylien_model_serving.jobs.opening import open_store
from aylien_model_serving.jobs.sqlite import schema
from aylien_model_serving.jobs.store import Store
from tests.jobs.stores import claim, enqueue, get, raw

VERSION_1 = """
    CREATE TABLE jobs (number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,
        service TEXT NOT NULL, route TEXT NOT NULL, status TEXT NOT NULL, created_at REAL NOT NULL,
        queued_at REAL NOT NULL,
        priority INTEGER NOT NULL, retries INTEGER NOT NULL, timeout REAL NOT NULL, keep REAL NOT NULL,
        idempotency_key TEXT, fraction REAL NOT NULL, message TEXT, error TEXT, started_at REAL,
        finished_at REAL, not_before REAL, attempts INTEGER NOT NULL, kills INTEGER NOT NULL,
        cancel_requested INTEGER NOT NULL, lease_owner TEXT, lease_until REAL, expires_at REAL, reply BLOB);
    CREATE TABLE calls (number INTEGER PRIMARY KEY REFERENCES jobs ON DELETE CASCADE, body BLOB NOT NULL);
    CREATE TABLE bodies (number INTEGER PRIMARY KEY REFERENCES jobs ON DELETE CASCADE, body BLOB NOT NULL);
    CREATE TABLE items (number INTEGER NOT NULL REFERENCES jobs ON DELETE CASCADE, position INTEGER NOT NULL,
        body BLOB NOT NULL, PRIMARY KEY (number, position));
    INSERT INTO jobs (id, service, route, status, created_at, queued_at, priority, retries, timeout, keep,
        fraction, attempts, kills, cancel_requested, idempotency_key)
        VALUES ('abc', 's', 'r', 'queued', 1.0, 1.0, 0, 0, 60.0, 100.0, 0.0, 0, 0, 0, 'k'),
            ('def', 's', 'q', 'queued', 1.0, 1.0, 0, 0, 60.0, 100.0, 0.0, 0, 0, 0, 'k');
    INSERT INTO calls VALUES (1, x'63616c6c');
    PRAGMA user_version = 1;
"""


def tables(path: Path) -> list[tuple[str, str]]:
    with raw(path) as db:
        return db.execute("SELECT type, name FROM sqlite_master ORDER BY name").fetchall()


def test_a_file_of_an_earlier_version_is_brought_to_the_last_one_with_its_jobs(path: Path) -> None:
    path.parent.mkdir()
    with raw(path) as db:
        db.executescript(VERSION_1)

    with closing(open_store(str(path))) as store:
        claimed = claim(store)
        assert claimed is not None
        assert (claimed.job.id, claimed.call, claimed.job.webhook) == ("abc", b"call", None)
        enqueue(store, webhook="https://example.com")
        assert enqueue(store, idempotency_key="k", fingerprint="f") == "abc"
        assert enqueue(store, idempotency_key="k", fingerprint="f", route="q") == "def"
        assert [job.caller for job in store.page("s", limit=9)] == ["", "", ""]
        assert {job.request_id for job in store.page("s", limit=9)} == {""}
        assert store.page("s", caller="alice", limit=9) == []

    with raw(path) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (len(schema.STEPS),)


def test_a_migration_that_fails_leaves_the_file_as_it_was(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.parent.mkdir()
    with raw(path) as db:
        db.executescript(VERSION_1)
    before = tables(path)
    monkeypatch.setattr(schema, "STEPS", (*schema.STEPS, ("ALTER TABLE unknown ADD COLUMN a",)))

    with closing(open_store(str(path))) as store, pytest.raises(StoreUnavailable):
        store.check()

    assert tables(path) == before
    with raw(path) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (1,)


def test_a_file_of_a_later_version_does_not_work_until_another_takes_its_place(
    file_store: Store, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    later = len(schema.STEPS) + 1
    file_store.close()
    with raw(path) as db:
        db.execute(f"PRAGMA user_version = {later}")

    with closing(open_store(str(path))) as store:
        for act in (enqueue, claim, lambda store: store.now(), lambda store: store.check()):
            with pytest.raises(StoreUnavailable, match="of a later version"):
                act(store)
        with raw(path) as db:
            assert db.execute("PRAGMA user_version").fetchone() == (later,)
        path.rename(path.with_name("later.db"))
        assert get(store, enqueue(store)).status == "queued"

    [line] = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert re.search(rf"version {later}.*up to {later - 1}: run .* MODEL_SERVING_JOBS_URL", line)


def test_another_programs_database_is_left_alone(path: Path) -> None:
    path.parent.mkdir()
    with raw(path) as db:
        db.execute("CREATE TABLE notes (text)")

    with pytest.raises(ConfigurationError, match="another program's database"):
        open_store(str(path))

    assert tables(path) == [("table", "notes")]
