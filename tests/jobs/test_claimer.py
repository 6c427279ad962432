"""The claimer: leases, the end of a lease, a store that fails, the end of the process."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from aylien_model_serving import JobProgress, schemas
from aylien_model_serving.core.messages import Call
from aylien_model_serving.core.settings import Settings
from aylien_model_serving.dispatch.error_responses import ErrorResponses
from aylien_model_serving.dispatch.pipeline import Endpoint
from aylien_model_serving.executors.inline import InlineExecutor
from aylien_model_serving.handlers.signatures import Signature
from aylien_model_serving.jobs.errors import StoreUnavailable
from aylien_model_serving.jobs.job import JobRecord
from aylien_model_serving.jobs.opening import open_store
from aylien_model_serving.jobs.store import BATCH, Store
from aylien_model_serving.jobs.worker import claimer as claiming
from aylien_model_serving.jobs.worker import lease, running
from aylien_model_serving.jobs.worker.in_process import InProcessWorker
from aylien_model_serving.jobs.worker.lease import JobLeases
from aylien_model_serving.metrics.instruments import Instruments
from aylien_model_serving.rpc import protocol
from tests.jobs.stores import enqueue, get

SOON = 20.0


def call_of(body: bytes) -> bytes:
    call = Call("POST", "/r", "", {"accept": "application/json"}, body, {}, "the-request")
    return b"".join(protocol.encode_call(0, call, False))


class Scene:
    """A handler that waits until the test lets it go on, the worker of its jobs, and their store."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.entered = threading.Event()
        self.open = threading.Event()
        self.runs = 0
        instruments = Instruments()
        signature = Signature.of(self.handle).without("reporter")
        endpoint = Endpoint(
            name="r",
            identity="r",
            schema=schemas.choose(None, self.handle, signature, frozenset()),
            executor=InlineExecutor(self.handle, signature, 1, mock.Mock()),
            instruments=instruments,
            error_responses=ErrorResponses(False, instruments.count_exception),
        )
        self.worker = InProcessWorker(
            store, "s", endpoint, self.handle, signature, slots=1, grace=0.2, settings=Settings()
        )

    def handle(self, text: str, reporter: JobProgress) -> str:
        self.runs += 1
        self.entered.set()
        while not self.open.wait(0.01):
            if text == "reports":
                reporter.set_status(0.5)
        return text

    def begin(self, text: str = "silent", **given: Any) -> str:
        """Have a job run, and return its id."""
        job_id = enqueue(self.store, time.time(), call=call_of(f'{{"text": "{text}"}}'.encode()), **given)
        self.worker.wake()
        return job_id

    def wait_until(self, condition: Callable[[], Any]) -> None:
        deadline = time.monotonic() + SOON
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.005)

    def end_of(self, job_id: str) -> JobRecord:
        self.wait_until(lambda: get(self.store, job_id).status in ("finished", "failed", "cancelled"))
        return get(self.store, job_id)


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    monkeypatch.setattr(running, "HEARTBEAT_INTERVAL", 0.02)
    monkeypatch.setattr(claiming, "HEARTBEAT_INTERVAL", 0.02)
    monkeypatch.setattr(claiming, "_POLL_INTERVAL", 0.05)
    store = open_store(str(tmp_path / "jobs"))
    scene = Scene(store)
    yield scene
    scene.open.set()


def test_a_job_that_takes_long_keeps_its_lease(scene: Scene) -> None:
    job_id = scene.begin()
    assert scene.entered.wait(SOON)
    first = get(scene.store, job_id).lease_until
    assert first is not None
    scene.wait_until(lambda: (get(scene.store, job_id).lease_until or 0) > first)
    scene.open.set()

    assert scene.end_of(job_id).status == "finished"


def test_a_job_that_another_has_taken_over_is_left_to_it(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    job_id = scene.begin("reports")
    assert scene.entered.wait(SOON)
    owner = get(scene.store, job_id).lease_owner
    assert owner is not None
    with mock.patch.object(scene.store, "claim", return_value=None):  # so that it is not claimed again
        scene.store.lost(job_id, owner, time.time())
        scene.wait_until(lambda: "this run does not count" in caplog.text)

        assert get(scene.store, job_id).status == "queued"


def test_a_store_that_fails_for_a_while_costs_no_job(scene: Scene) -> None:
    job_id = scene.begin()
    assert scene.entered.wait(SOON)
    failing = mock.patch.object(scene.store, "finish", side_effect=StoreUnavailable)
    with failing as finish, mock.patch("aylien_model_serving.jobs.worker.lease._PAUSE", 0.01):
        scene.open.set()
        scene.wait_until(lambda: finish.call_count > 2)

    assert scene.end_of(job_id).status == "finished"
    assert scene.runs == 1


def test_a_store_that_can_not_be_polled_is_polled_again(scene: Scene) -> None:
    scene.open.set()
    with mock.patch.object(scene.store, "next_due", side_effect=StoreUnavailable) as next_due:
        job_id = scene.begin()
        scene.wait_until(lambda: next_due.call_count > 2)

    assert scene.end_of(job_id).status == "finished"


def test_a_job_may_not_run_longer_because_the_store_fails(scene: Scene) -> None:
    with mock.patch.object(scene.store, "heartbeat", side_effect=StoreUnavailable):
        job_id = scene.begin("reports", timeout=0.2)

        assert scene.end_of(job_id).error == "It took longer than 0.2 seconds"


def test_a_call_that_can_not_be_read_ends_as_failed(scene: Scene) -> None:
    job_id = enqueue(scene.store, time.time(), call=b"\x00" * 40)
    scene.worker.wake()

    end = scene.end_of(job_id)
    assert end.status == "failed"
    assert (end.error or "").startswith("Its call can't be read: ")


def test_jobs_are_claimed_without_being_woken_for(scene: Scene) -> None:
    scene.open.set()
    scene.worker.wake()
    job_id = enqueue(scene.store, time.time(), call=call_of(b'{"text": "a"}'))

    assert scene.end_of(job_id).status == "finished"


def test_expired_jobs_are_removed(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claiming, "_SWEEP_INTERVAL", 0.05)
    scene.open.set()
    job_id = scene.begin(keep=0.1)

    scene.wait_until(lambda: scene.store.get("s", job_id) is None)
    scene.wait_until(lambda: scene.store.counts("s") == {})


def test_many_expired_jobs_are_removed_in_the_time_of_one_sweep(scene: Scene) -> None:
    assert claiming._SWEEP_INTERVAL > SOON
    long_ago = time.time() - 1000
    for _ in range(5 * BATCH):
        scene.store.cancel("s", enqueue(scene.store, long_ago, route="other", queue_size=9999), long_ago)
    scene.worker.wake()

    scene.wait_until(lambda: scene.store.counts("s") == {})


def test_a_sweep_leaves_some_jobs_for_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "_SWEEP_FOR", 0.0)
    store = open_store(str(tmp_path / "jobs.db"))
    leases = JobLeases(store, "s", ["r"])
    long_ago = time.time() - 1000
    for _ in range(BATCH + 1):
        store.cancel("s", enqueue(store, long_ago, queue_size=9999), long_ago)

    assert [leases.sweep(), leases.sweep(), store.counts("s")] == [True, False, {}]
    store.close()


def test_a_job_that_is_released_counts_no_attempt(scene: Scene) -> None:
    job_id = scene.begin()
    assert scene.entered.wait(SOON)
    assert scene.worker._running is not None
    job_worker = scene.worker._running[1]
    job_worker.close()
    job_worker.release()
    job = get(scene.store, job_id)

    assert (job.status, job.attempts, job.lease_owner) == ("queued", 0, None)


def test_other_jobs_of_a_process_that_is_killed_are_released(scene: Scene) -> None:
    killed = mock.Mock()
    stuck = scene.begin(timeout=0.1)
    assert scene.entered.wait(SOON)
    assert scene.worker._running is not None
    claimer = scene.worker._running[1]._claimer
    claimer._running._kill = killed
    claimer._slots = 2
    other = scene.begin()
    scene.wait_until(lambda: get(scene.store, other).status == "processing")
    claimer._slots = 0  # a process that is killed claims no more
    scene.wait_until(lambda: killed.called)

    assert get(scene.store, stuck).status == "failed"
    assert get(scene.store, other).attempts == 0
