"""How many ended jobs a store keeps, and how large it gets: those that would expire first go early."""

import logging
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from aylien_model_serving.jobs.errors import StoreUnavailable
from aylien_model_serving.jobs.postgres.opened_database import open_database
from aylien_model_serving.jobs.retention import Limits
from aylien_model_serving.jobs.sqlite.repository import open_file, open_memory
from aylien_model_serving.jobs.store import BATCH, Store
from aylien_model_serving.jobs.unit_of_work import UnitOfWork
from tests.jobs.stores import NOW, REPLY, claim, enqueue

MEBIBYTE = 1024 * 1024

LimitedStore = Callable[[Limits], Store]


@pytest.fixture(params=["file", "memory", "postgres"])
def limited(request: pytest.FixtureRequest, tmp_path: Path) -> LimitedStore:
    def unit_of_work() -> UnitOfWork:
        if request.param == "postgres":
            return open_database(request.getfixturevalue("postgres_url"))
        return open_memory() if request.param == "memory" else open_file(str(tmp_path / "jobs.db"))

    def make(limits: Limits) -> Store:
        store = Store(unit_of_work(), limits=limits)
        request.addfinalizer(store.close)
        return store

    return make


def finish(store: Store, body: bytes = b"body", now: float = NOW, **given: object) -> str:
    job_id = enqueue(store, now, **given)
    claim(store, now)
    store.finish(job_id, "me", REPLY, body, now)
    return job_id


def ids(store: Store) -> list[str]:
    return [job.id for job in store.page("s", limit=10_000)]


def test_of_too_many_ended_jobs_those_go_that_would_expire_first(limited: LimitedStore) -> None:
    store = limited(Limits(max_ended=3))
    long, short, first, second = [finish(store, keep=keep) for keep in (1000.0, 10.0, 100.0, 200.0)]

    assert store.sweep(NOW) == 1
    assert store.sweep(NOW) == 0

    assert ids(store) == [second, first, long]
    assert store.result("s", short) is None


def test_what_has_not_ended_stays(limited: LimitedStore) -> None:
    store = limited(Limits(max_ended=1))
    running = enqueue(store)
    claim(store)
    told = enqueue(store, webhook="https://example.com")
    store.cancel("s", told, NOW)
    ended = [finish(store) for _ in range(3)]
    queued = enqueue(store)

    while store.sweep(NOW):
        pass

    assert ids(store) == [queued, told, running]
    assert not set(ended) & set(ids(store))


def test_a_removal_is_bounded(limited: LimitedStore) -> None:
    store = limited(Limits(max_ended=5))
    for _ in range(BATCH + 15):
        store.cancel("s", enqueue(store), NOW)

    assert [store.sweep(NOW) for _ in range(3)] == [BATCH, 10, 0]


def test_results_are_limited_in_bytes(limited: LimitedStore) -> None:
    store = limited(Limits(max_bytes=4 * MEBIBYTE))

    kept = [finish(store, bytes(MEBIBYTE)) for _ in range(20)]
    while store.sweep(NOW):
        pass

    assert ids(store) == kept[-1 : -1 - len(ids(store)) : -1]
    assert 2 <= len(ids(store)) <= 4


def test_the_file_stays_within_its_bytes_between_sweeps(tmp_path: Path) -> None:
    with closing(Store(open_file(str(tmp_path / "jobs.db")), limits=Limits(max_bytes=4 * MEBIBYTE))) as store:
        for _ in range(40):
            finish(store, bytes(MEBIBYTE), call=bytes(MEBIBYTE))

    assert (tmp_path / "jobs.db").stat().st_size < 12 * MEBIBYTE


def test_items_and_results_drive_out_what_has_ended_and_never_themselves(limited: LimitedStore) -> None:
    store = limited(Limits(max_bytes=4 * MEBIBYTE))
    old = [finish(store, bytes(MEBIBYTE), keep=1000.0) for _ in range(4)]
    streaming = enqueue(store, keep=10.0)
    claim(store)
    store.streaming(streaming, "me", NOW)

    for index in range(5):
        store.add_item(streaming, "me", index, bytes(MEBIBYTE))
    store.finish(streaming, "me", REPLY, b"null", NOW)

    assert ids(store) == [streaming]
    assert len(store.items("s", streaming, -1, 9)) == 5
    assert all(store.get("s", job_id) is None for job_id in old)


def test_a_store_that_is_full_of_waiting_jobs_takes_no_more(limited: LimitedStore) -> None:
    store = limited(Limits(max_bytes=2 * MEBIBYTE))
    waiting = [enqueue(store, call=bytes(MEBIBYTE)) for _ in range(2)]

    with pytest.raises(StoreUnavailable, match="The job store is full"):
        enqueue(store, call=bytes(MEBIBYTE))

    assert ids(store) == waiting[::-1]
    store.cancel("s", waiting[0], NOW)
    enqueue(store)


def test_the_log_says_how_many_went_early(limited: LimitedStore, caplog: pytest.LogCaptureFixture) -> None:
    store = limited(Limits(max_ended=1))
    for _ in range(4):
        finish(store)

    with caplog.at_level(logging.WARNING, "aylien_model_serving.jobs.retention"):
        store.sweep(NOW)
        finish(store)
        store.sweep(NOW)

    [line] = [record.getMessage() for record in caplog.records]
    assert line.startswith("Removed 3 ended jobs before their time")


def test_expired_jobs_are_not_counted_before_they_are_removed(limited: LimitedStore) -> None:
    store = limited(Limits())
    long_ago = time.time() - 1000
    for _ in range(3):
        finish(store, now=long_ago)
    told = enqueue(store, long_ago, webhook="https://example.com")
    store.cancel("s", told, long_ago)
    finish(store)
    enqueue(store, service="other")

    assert store.counts("s")["r"] == {"finished": 1, "cancelled": 1}


def test_a_route_whose_jobs_have_all_expired_is_left_out(limited: LimitedStore) -> None:
    store = limited(Limits())
    finish(store, now=time.time() - 1000)

    assert store.counts("s") == {}
