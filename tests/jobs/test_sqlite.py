"""What is particular to the file: who may read it, how it is queried, its versions, and what can break."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.jobs.opening import open_store
from aylien_model_serving.jobs.sqlite import file_connection
from aylien_model_serving.jobs.sqlite.connections import Connections
from aylien_model_serving.jobs.sqlite.repository import SqliteRepository
from aylien_model_serving.jobs.store import Store
from tests.jobs.stores import NOW, REPLY, claim, enqueue, modes, raw


def test_the_file_and_its_folder_are_for_this_user_alone(file_store: Store, path: Path) -> None:
    enqueue(file_store)

    assert modes(path.parent) == dict.fromkeys(["jobs.db", "jobs.db-wal", "jobs.db-shm"], 0o600)
    assert modes(path.parent.parent)["kept"] == 0o700


def test_a_path_may_hold_what_means_something_in_a_url(tmp_path: Path) -> None:
    for name in ("a b?mode=memory", "100%41#x", "ä"):
        store = open_store(f"sqlite:///{tmp_path / name}")
        enqueue(store)
        store.close()

        assert (tmp_path / name).is_file()


@pytest.mark.parametrize(
    "url", ["redis://localhost", "sqlite://", "sqlite:///", "sqlite:jobs://x", "memory://x", ""]
)
def test_what_names_no_store_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError):
        open_store(url)


def test_a_place_where_no_file_can_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    for place in (tmp_path, tmp_path / "file" / "jobs.db"):
        with pytest.raises(ConfigurationError, match="No jobs can be kept in"):
            open_store(str(place))


#: Each query, and the terms that its index answers.
QUERIES: dict[str, tuple[Callable[[SqliteRepository], object], str]] = {
    "find": (lambda repository: repository.find("x"), "id=?"),
    "key": (
        lambda repository: repository.find_keyed("s", "a", "k"),
        "service=? AND caller=? AND idempotency_key=?",
    ),
    "page": (lambda repository: repository.page("s", None, None, None, 9, None, NOW), "service=?"),
    "page before": (
        lambda repository: repository.page("s", None, None, None, 9, 7, NOW),
        "service=? AND rowid<?",
    ),
    "of a status": (
        lambda repository: repository.page("s", None, "queued", None, 9, 7, NOW),
        "service=? AND status=? AND rowid<?",
    ),
    "of a route": (
        lambda repository: repository.page("s", None, None, "r", 9, 7, NOW),
        "service=? AND route=? AND rowid<?",
    ),
    "of both": (
        lambda repository: repository.page("s", None, "queued", "r", 9, 7, NOW),
        "service=? AND route=? AND status=? AND rowid<?",
    ),
    "of a caller": (
        lambda repository: repository.page("s", "a", None, None, 9, 7, NOW),
        "service=? AND caller=? AND rowid<?",
    ),
    "of a caller and a status": (
        lambda repository: repository.page("s", "a", "queued", None, 9, 7, NOW),
        "service=? AND caller=? AND status=? AND rowid<?",
    ),
    "of a caller and a route": (
        lambda repository: repository.page("s", "a", None, "r", 9, 7, NOW),
        "service=? AND caller=? AND route=? AND rowid<?",
    ),
    "of a caller and both": (
        lambda repository: repository.page("s", "a", "queued", "r", 9, 7, NOW),
        "service=? AND caller=? AND route=? AND status=? AND rowid<?",
    ),
    "room": (lambda repository: repository.has_room("s", "r", 9), "service=? AND route=? AND status=?"),
    "claim": (lambda repository: repository.first_ready("s", "r"), "jobs_ready (service=? AND route=?)"),
    "pauses": (
        lambda repository: repository.retry_due("s", "r", NOW, 9),
        "service=? AND route=? AND not_before<?",
    ),
    "leases": (
        lambda repository: repository.lease_expired("s", "r", NOW, 9),
        "service=? AND route=? AND lease_until<?",
    ),
    "next": (lambda repository: repository.outlook("s", ["r"]), "service=? AND route=? AND not_before>?"),
    "webhooks": (lambda repository: repository.webhook_due("s", NOW, 9), "service=? AND webhook_due<?"),
    "counts": (
        lambda repository: repository.counts("s", NOW),
        "COVERING INDEX jobs_by_route_and_status (service=?)",
    ),
    "expired counts": (lambda repository: repository.counts("s", NOW), "jobs_expiring (expires_at<?"),
    "ended": (lambda repository: repository.count_ended(9), "jobs_expiring (expires_at>?"),
    "first to expire": (
        lambda repository: repository.remove_first_to_expire(),
        "jobs_expiring (expires_at>?",
    ),
    "sweep": (lambda repository: repository.remove_expired(NOW, 9), "expires_at<?"),
}


@pytest.mark.parametrize("query", QUERIES)
def test_no_query_scans_or_sorts(path: Path, query: str) -> None:
    act, terms = QUERIES[query]
    with closing(Connections(path)) as kept, kept.take() as db:
        statements: list[str] = []
        db.set_trace_callback(statements.append)
        act(SqliteRepository(db))
        db.set_trace_callback(None)

        plans = [row[3] for each in statements for row in db.execute(f"EXPLAIN QUERY PLAN {each}")]

    assert [plan for plan in plans if terms in plan]
    assert not [plan for plan in plans if plan.startswith("SCAN") and "subquery" not in plan]
    assert not [plan for plan in plans if "TEMP B-TREE" in plan]


def test_the_log_is_cut_when_large_jobs_have_gone_through(file_store: Store, path: Path) -> None:
    for _ in range(6):
        job_id = enqueue(file_store, call=b"x" * (4 << 20))
        claim(file_store)
        file_store.finish(job_id, "me", REPLY, b"y" * (4 << 20), NOW)
    enqueue(file_store)

    assert path.with_name("jobs.db-wal").stat().st_size <= file_connection.LOG_SIZE


def test_a_sweep_gives_space_back(file_store: Store, path: Path) -> None:
    job_id = enqueue(file_store)
    claim(file_store)
    file_store.finish(job_id, "me", REPLY, b"x" * (2 << 20), NOW)

    file_store.sweep(NOW + 100)
    file_store.close()

    assert path.stat().st_size < 1 << 20


def test_a_call_is_forgotten_when_its_job_has_ended(file_store: Store, path: Path) -> None:
    job_id = enqueue(file_store)
    file_store.cancel("s", job_id, NOW)

    with raw(path) as db:
        assert db.execute("SELECT count(*) FROM calls").fetchone() == (0,)
