"""The clock of a store: steps of the wall clock, several processes, other boots of the machine."""

import json
import time
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from aylien_model_serving.jobs.opening import open_store
from aylien_model_serving.jobs.sqlite import schema
from aylien_model_serving.jobs.store import Store
from aylien_model_serving.jobs.view import show
from aylien_model_serving.process import boot
from tests.jobs.stores import LEASE, REPLY, claim, enqueue, get, raw

STEPS = (7200.0, -7200.0)

#: Seconds that the wall clock may have gone between two readings of a test.
A_WHILE = 60.0


def step_wall_clock(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    true_time = time.time
    monkeypatch.setattr(time, "time", lambda: true_time() + seconds)


def test_a_clock_begins_with_the_wall_clock(store: Store) -> None:
    assert abs(store.now() - time.time()) < A_WHILE


@pytest.mark.parametrize("step", STEPS)
def test_a_step_of_the_wall_clock_is_none_of_the_stores(
    store: Store, monkeypatch: pytest.MonkeyPatch, step: float
) -> None:
    before = store.now()
    step_wall_clock(monkeypatch, step)

    assert 0 <= store.now() - before < A_WHILE


@pytest.mark.parametrize("step", STEPS)
def test_a_step_takes_no_lease_and_removes_no_job(
    store: Store, monkeypatch: pytest.MonkeyPatch, step: float
) -> None:
    ended, running, paused = (enqueue(store, store.now(), keep=3600.0, retries=1) for _ in range(3))
    for _ in range(3):
        claim(store, store.now())
    store.finish(ended, "me", REPLY, b"body", store.now())
    store.fail(paused, "me", "why", store.now(), again=True)

    step_wall_clock(monkeypatch, step)
    now = store.now()

    due = store.next_due("s", ["r"], now)
    assert due is not None
    assert due < now + LEASE
    assert claim(store, now + 1.0 + LEASE / 2, "other").job.id == paused  # type: ignore[union-attr]
    assert store.heartbeat(running, "me", LEASE, now) is False
    assert store.sweep(now) == 0
    assert store.result("s", ended) == (REPLY, b"body")


@pytest.mark.parametrize("step", STEPS)
def test_a_job_amid_a_step_took_no_more_and_no_less_than_its_time(
    store: Store, monkeypatch: pytest.MonkeyPatch, step: float
) -> None:
    job_id = enqueue(store, store.now())
    step_wall_clock(monkeypatch, step)
    claim(store, store.now())
    step_wall_clock(monkeypatch, -2 * step)
    done = store.finish(job_id, "me", REPLY, b"", store.now())

    metrics = json.loads(msgspec.json.encode(show(done)))["metrics"]
    names = ("created_at", "queued_at", "started_at", "finished_at")
    assert [metrics[name] for name in names] == sorted(metrics[name] for name in names)
    assert 0 <= metrics["execution_time_s"] < A_WHILE


@pytest.mark.parametrize("step", STEPS)
def test_a_job_is_shown_with_the_wall_clocks_time(
    store: Store, monkeypatch: pytest.MonkeyPatch, step: float
) -> None:
    store.now()
    step_wall_clock(monkeypatch, step)

    job = get(store, enqueue(store, store.now()))

    assert abs(job.created_at + job.wall_ahead - time.time()) < A_WHILE


def test_all_who_open_a_file_have_the_same_clock(
    file_store: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step_wall_clock(monkeypatch, 7200.0)

    with closing(open_store(str(path))) as other:
        before = file_store.now()
        assert 0 <= other.now() - before < A_WHILE


def test_the_clock_of_another_boot_begins_with_the_wall_clock(
    file_store: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step_wall_clock(monkeypatch, 7200.0)
    monkeypatch.setattr(boot, "clock_id", lambda: "another boot")

    with closing(open_store(str(path))) as other:
        assert abs(other.now() - time.time()) < A_WHILE


def test_the_clock_of_another_boot_is_not_behind_the_last_job(
    file_store: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    created = get(file_store, enqueue(file_store, file_store.now())).created_at
    step_wall_clock(monkeypatch, -7200.0)
    monkeypatch.setattr(boot, "clock_id", lambda: "another boot")

    with closing(open_store(str(path))) as other:
        assert 0 <= other.now() - created < A_WHILE


def test_a_system_that_does_not_tell_its_boots_has_the_wall_clock(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(boot, "clock_id", lambda: "")
    with closing(open_store(str(path))) as store:
        step_wall_clock(monkeypatch, 7200.0)

        assert abs(store.now() - time.time()) < A_WHILE


def test_clocks_of_bygone_boots_are_forgotten(
    file_store: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "_MAX_CLOCKS", 2)
    for name in "abcd":
        monkeypatch.setattr(boot, "clock_id", lambda name=name: name)
        open_store(str(path)).close()

    with raw(path) as db:
        assert db.execute("SELECT id FROM clocks WHERE id <> '' ORDER BY number").fetchall() == [
            ("c",),
            ("d",),
        ]
