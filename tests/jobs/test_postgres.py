"""What PostgreSQL adds to the contract: writers at once, its clock, texts, versions, shared names."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.jobs.errors import QueueFull, StoreUnavailable
from aylien_model_serving.jobs.opening import open_store
from aylien_model_serving.jobs.postgres import schema
from aylien_model_serving.jobs.postgres.schema import JOBS, SERVICES, STEPS, Step
from aylien_model_serving.jobs.postgres.statements import Statements, _read, _stored
from aylien_model_serving.jobs.service_identity import ServiceIdentity
from aylien_model_serving.jobs.store import Store
from tests.jobs.stores import NOW, REPLY, claim, claimed_id, enqueue, get, new_job
from tests.services.postgres_server import PASSWORD

SOON = 20.0
MEBIBYTE = 1024 * 1024


@pytest.fixture
def store(postgres_url: str) -> Iterator[Store]:
    store = open_store(postgres_url)
    yield store
    store.close()


def all_at_once(act: Callable[[int], object], times: int) -> list[object]:
    """Return what an act returned or raised, begun on so many threads at the same moment."""
    barrier = threading.Barrier(times)

    def run(number: int) -> object:
        barrier.wait(SOON)
        try:
            return act(number)
        except Exception as error:
            return type(error)

    with ThreadPoolExecutor(times) as threads:
        return list(threads.map(run, range(times)))


def test_writers_at_the_same_time_fill_a_queue_to_its_last_place_and_no_further(store: Store) -> None:
    found = all_at_once(lambda number: enqueue(store, queue_size=5), 16)

    assert found.count(QueueFull) == 11
    assert store.counts("s") == {"r": {"queued": 5}}


def test_writers_at_the_same_time_make_one_job_of_one_idempotency_key(store: Store) -> None:
    def make(number: int) -> tuple[str, bool]:
        job, is_new = store.enqueue(new_job(idempotency_key="k", fingerprint="f"), NOW)
        return job.id, is_new

    found = all_at_once(make, 12)

    assert len({job_id for job_id, _ in found}) == 1  # type: ignore[misc]
    assert sorted(is_new for _, is_new in found) == [False] * 11 + [True]  # type: ignore[misc]


def test_a_worker_passes_over_the_job_that_another_one_is_about_to_take(
    store: Store, postgres_url: str
) -> None:
    first, second = enqueue(store), enqueue(store)

    with psycopg.connect(postgres_url) as other:
        other.execute(f"SELECT 1 FROM {JOBS} WHERE id = %s FOR UPDATE", (first,))
        assert claimed_id(store) == second
        other.rollback()

    assert claimed_id(store) == first


def test_a_standby_or_a_read_only_database_is_known_before_anything_is_written(
    store: Store, postgres_url: str
) -> None:
    store.check()
    name = postgres_url.rpartition("/")[2]
    with psycopg.connect(postgres_url, autocommit=True) as db:
        db.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    store.close()
    time.sleep(0.6)  # for which the last check stands

    with pytest.raises(StoreUnavailable, match="can't be written to"):
        store.check()

    with psycopg.connect(postgres_url, autocommit=True) as db:
        db.execute("SET default_transaction_read_only = off")
        db.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
    until = time.monotonic() + SOON
    while True:
        try:
            enqueue(store)
            store.check()
            break
        except StoreUnavailable:
            assert time.monotonic() < until


def test_what_is_asked_of_many_jobs_is_found_by_an_index_in_its_order(
    store: Store, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(20):
        enqueue(store, caller="me" if number % 2 else "", webhook="https://example.com", retries=number % 3)
    plans: dict[str, str] = {}
    rows = Statements.rows

    def explained(self: Statements, statement: str, *values: object) -> list[tuple[object, ...]]:
        if statement.startswith(("SELECT", "DELETE")):
            for setting in ("seqscan", "sort", "incremental_sort"):
                self._db.execute(f"SET enable_{setting} = off")
            found = rows(self, f"EXPLAIN {statement}", *values)
            plans[statement] = "\n".join(str(line) for (line,) in found)
        return rows(self, statement, *values)

    monkeypatch.setattr(Statements, "rows", explained)
    for given_ in ({}, {"caller": "me"}, {"status": "queued", "route": "r"}, {"route": "r"}, {"before": 9}):
        store.page("s", limit=5, **given_)  # type: ignore[arg-type]
    claim(store, NOW, "me", "s", "r", "q")
    store.next_due("s", ["r", "q"], NOW)
    store.webhooks_due("s", 5, 1.0, NOW)
    store.sweep(NOW)
    for retrieve in (store.get, store.result):
        retrieve("s", "0" * 32)

    assert len(plans) > 11
    for statement, plan in plans.items():
        counts = "count(*)" in statement or "sum(" in statement
        assert "Seq Scan" not in plan or counts, (statement, plan)
        assert "Sort" not in plan or "lease_until <=" in statement, (statement, plan)


@settings(max_examples=200)
@given(st.text())
def test_any_text_is_read_as_it_was_stored(text: str) -> None:
    stored = _stored(text + "\0\\0")

    assert "\0" not in str(stored)
    assert _read(stored) == text + "\0\\0"


def test_nul_characters_are_kept_wherever_a_handler_or_a_client_may_write_them(store: Store) -> None:
    job_id = enqueue(store, idempotency_key="a\0b\\0", caller="\0", request_id="\0\\")
    claim(store)
    store.report(job_id, "me", 0.5, "one\0two\\", NOW)
    store.fail(job_id, "me", "no\0", NOW, again=False)

    job = get(store, job_id)

    assert (job.idempotency_key, job.caller, job.request_id) == ("a\0b\\0", "\0", "\0\\")
    assert (job.message, job.error) == ("one\0two\\", "no\0")


@pytest.mark.parametrize("size", [0, 1, MEBIBYTE - 1, MEBIBYTE, MEBIBYTE + 1, 5 * MEBIBYTE + 7])
def test_bodies_of_any_size_come_back_whole(store: Store, size: int) -> None:
    body = os.urandom(size)
    job_id = enqueue(store, call=body)

    claimed = claim(store)
    assert claimed is not None
    assert claimed.call == body
    store.streaming(job_id, "me", NOW)
    for index in range(3):
        store.add_item(job_id, "me", index, body)
    store.finish(job_id, "me", REPLY, body, NOW)

    assert store.result("s", job_id) == (REPLY, body)
    assert store.items("s", job_id, 0, 1) == [(1, body)]
    assert store.items("s", job_id, 0, 9) == [(1, body), (2, body)]


def test_the_bytes_of_a_job_are_counted_while_they_are_kept(store: Store, postgres_url: str) -> None:
    def size() -> int:
        with psycopg.connect(postgres_url) as db:
            row = db.execute(f"SELECT sum(size) FROM {JOBS}").fetchone()
        return int(row[0] or 0) if row else 0

    job_id = enqueue(store, call=b"c" * 1000)
    row = size() - 1000
    claim(store)
    store.streaming(job_id, "me", NOW)
    store.add_item(job_id, "me", 0, b"i" * 100)
    store.add_item(job_id, "me", 0, b"i" * 10)
    assert size() == row + 1010

    store.release(job_id, "me", NOW)
    assert size() == row + 1000
    claim(store)
    store.finish(job_id, "me", REPLY, b"r" * 5, NOW)
    assert size() == row + 5


def test_times_are_the_databases(store: Store, postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as db:
        before, after = store.now(), db.execute("SELECT extract(epoch FROM clock_timestamp())").fetchone()

    assert after is not None
    assert abs(float(after[0]) - before) < 1.0


def test_idle_workers_are_woken_on_whatever_machine_when_a_job_of_their_route_comes(
    store: Store, postgres_url: str
) -> None:
    woken, others = threading.Event(), threading.Event()
    with closing(open_store(postgres_url)) as elsewhere:
        stops = [
            elsewhere.listen("s", ["r"], woken.set),
            elsewhere.listen("s", ["q"], others.set),
        ]
        assert woken.wait(SOON)  # once it listens
        assert others.wait(SOON)
        woken.clear()
        others.clear()

        job_id = enqueue(store)
        assert woken.wait(SOON)
        assert not others.is_set()

        woken.clear()
        claim(store)
        assert not woken.is_set()
        store.release(job_id, "me", NOW)
        assert woken.wait(SOON)
        for stop in stops:
            stop()


def test_a_listener_that_has_lost_its_connection_listens_again_and_wakes_for_what_it_missed(
    store: Store, postgres_url: str
) -> None:
    woken = threading.Event()
    stop = store.listen("s", ["r"], woken.set)
    assert woken.wait(SOON)
    woken.clear()

    with psycopg.connect(postgres_url) as db:
        ended = db.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"
            " AND datname = current_database()"
        ).fetchall()

    assert len(ended) == 1
    assert woken.wait(SOON)
    woken.clear()
    enqueue(store)
    assert woken.wait(SOON)
    stop()


def test_connections_that_the_server_has_closed_are_replaced_unseen(store: Store, postgres_url: str) -> None:
    enqueue(store)
    with psycopg.connect(postgres_url) as db:
        db.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    until = time.monotonic() + SOON
    while True:
        try:
            assert claimed_id(store) is not None
            break
        except StoreUnavailable:  # at most the one that was used within the last second
            assert time.monotonic() < until


@pytest.mark.processes
def test_a_child_of_a_fork_has_connections_of_its_own(store: Store) -> None:
    job_id = enqueue(store)

    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.write(writer, str(claimed_id(store, NOW, "child") == job_id).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answered:
        answer = answered.read()
    os.waitpid(child, 0)

    assert answer == "True"
    assert get(store, job_id).lease_owner == "child"


def test_versions_go_on_beside_each_other_while_a_service_is_rolled_out(postgres_url: str) -> None:
    adds = Step((f"ALTER TABLE {JOBS} ADD COLUMN colour TEXT NOT NULL DEFAULT 'red'",), readable_from=1)
    with closing(open_store(postgres_url)) as earlier:
        enqueue(earlier)
        with psycopg.connect(postgres_url, autocommit=True) as later:
            schema.prepare(later, None, (*STEPS, adds))
        enqueue(earlier)
        assert claimed_id(earlier) is not None

    with closing(open_store(postgres_url)) as started_afterwards:
        assert claimed_id(started_afterwards) is not None


def test_a_version_that_does_not_understand_the_tables_keeps_off_and_says_so(
    postgres_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    breaks = Step((f"ALTER TABLE {JOBS} RENAME COLUMN keep TO kept",), readable_from=len(STEPS) + 1)
    with psycopg.connect(postgres_url, autocommit=True) as later:
        schema.prepare(later, None, (*STEPS, breaks))

    earlier = open_store(postgres_url)
    with closing(earlier), pytest.raises(StoreUnavailable, match="later version"):
        enqueue(earlier)

    assert f"version {len(STEPS) + 1}" in caplog.text


def test_tables_that_are_gone_are_made_again(store: Store, postgres_url: str) -> None:
    enqueue(store)
    with psycopg.connect(postgres_url) as db:
        names = ", ".join((JOBS, schema.PARTS, SERVICES, schema.VERSIONS))
        db.execute(f"DROP TABLE {names} CASCADE")

    with pytest.raises(StoreUnavailable, match="tables are missing"):
        enqueue(store)

    assert claimed_id(store) is None
    assert enqueue(store)


def test_a_version_of_the_same_service_goes_on_with_its_name(postgres_url: str) -> None:
    for handlers in (("a=app.A",), ("a=app.A", "b=app.B"), ("b=app.B",)):
        open_store(postgres_url, service=ServiceIdentity("s", handlers)).close()


def test_another_service_of_the_same_name_is_refused_with_what_to_do(postgres_url: str) -> None:
    open_store(postgres_url, service=ServiceIdentity("s", ("a=app.A",))).close()

    with pytest.raises(
        ConfigurationError, match=r"another service named 's'.*a=app\.A.*MODEL_SERVING_SERVICE_NAME"
    ):
        open_store(postgres_url, service=ServiceIdentity("s", ("a=other.A",)))

    open_store(postgres_url, service=ServiceIdentity("t", ("a=other.A",))).close()


def test_its_workers_do_not_change_what_is_known_of_a_service(postgres_url: str) -> None:
    open_store(postgres_url, service=ServiceIdentity("s", ("a=app.A",))).close()
    open_store(postgres_url, service=ServiceIdentity("s")).close()

    with pytest.raises(ConfigurationError):
        open_store(postgres_url, service=ServiceIdentity("s", ("b=app.B",)))


@pytest.mark.parametrize("wrong", ["postgresql://me:{}@[half", "postgresql://me:{}@host/db?no_such=1"])
def test_a_url_that_is_none_is_refused_without_its_password(wrong: str) -> None:
    with pytest.raises(ConfigurationError, match="no URL of PostgreSQL") as caught:
        open_store(wrong.format(PASSWORD))

    assert PASSWORD not in f"{caught.value!r} {caught.value.__cause__!r}"
    assert caught.value.__suppress_context__


def test_a_server_that_is_not_there_or_lets_nobody_in_is_unavailable_and_no_password_is_told(
    postgres_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    for url in (
        postgres_url.replace(PASSWORD, "wr0ng-" + PASSWORD),
        f"postgresql://me:{PASSWORD}@127.0.0.1:1/nothing",
    ):
        store = open_store(url)
        began = time.monotonic()
        for _ in range(3):
            with pytest.raises(StoreUnavailable) as caught:
                enqueue(store)
            assert dict(caught.value.headers())["Retry-After"]
        assert time.monotonic() - began < SOON
        store.close()

    assert "does not work, and is tried again at each use" in caplog.text
    assert PASSWORD not in caplog.text
