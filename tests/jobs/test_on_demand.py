"""Jobs that run when somebody asks for the next one: which one it is, and what becomes of it."""

from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from aylien_model_serving import schemas
from aylien_model_serving.core.messages import Call
from aylien_model_serving.dispatch.error_responses import ErrorResponses
from aylien_model_serving.dispatch.pipeline import Endpoint
from aylien_model_serving.executors.engine import Engine
from aylien_model_serving.executors.inline import InlineExecutor
from aylien_model_serving.handlers.signatures import Signature
from aylien_model_serving.jobs.opening import open_store
from aylien_model_serving.jobs.worker.lease import JobLeases
from aylien_model_serving.jobs.worker.on_demand import OnDemandWorker
from aylien_model_serving.jobs.worker.running import RunningJobs
from aylien_model_serving.metrics.instruments import Instruments
from aylien_model_serving.rpc import protocol
from tests.jobs.stores import enqueue, get
from tests.jobs.test_owner_names import name_of_a_dead_process


def call_of(text: str) -> bytes:
    call = Call("POST", "/r", "", {"accept": "application/json"}, f'{{"text": "{text}"}}'.encode(), {}, "id")
    return b"".join(protocol.encode_call(0, call, False))


class Scene:
    """A store, and a worker of it whose handler notes what it was called with."""

    def __init__(self, path: Path) -> None:
        self.store = open_store(str(path))
        self.texts: list[str] = []
        instruments, signature = Instruments(), Signature.of(self.handle)
        endpoint = Endpoint(
            name="r",
            identity="r",
            schema=schemas.choose(None, self.handle, signature, frozenset()),
            executor=InlineExecutor(self.handle, signature, 1, mock.Mock()),
            instruments=instruments,
            error_responses=ErrorResponses(False, instruments.count_exception),
        )
        self.engine = Engine(
            self.handle, signature, batching=None, threads=1, max_queue=None, observer=mock.Mock()
        )
        self.engine.start()
        leases = JobLeases(self.store, "s", ("r",))
        running = RunningJobs(leases, endpoint, self.engine, None, grace=1.0, kill=None)
        self.worker = OnDemandWorker(leases, running, 1)

    def handle(self, text: str) -> str:
        self.texts.append(text)
        return text

    def enqueue(self, text: str, **given: Any) -> str:
        return enqueue(self.store, self.store.now(), call=call_of(text), **given)


@pytest.fixture
def scene(tmp_path: Path) -> Any:
    scene = Scene(tmp_path / "jobs")
    yield scene
    scene.engine.close(0)
    scene.store.close()


def test_who_asks_where_nothing_waits_is_told_so(scene: Scene) -> None:
    assert scene.worker.run_next() is None


def test_who_asks_gets_the_id_of_a_job_that_has_ended(scene: Scene) -> None:
    job_id = scene.enqueue("a")

    assert scene.worker.run_next() == job_id

    assert get(scene.store, job_id).status == "finished"
    assert scene.texts == ["a"]


def test_the_next_job_is_that_of_the_highest_priority_then_the_oldest(scene: Scene) -> None:
    for text, priority in (("old", 0), ("new", 0), ("first", 1)):
        scene.enqueue(text, priority=priority)

    while scene.worker.run_next():
        pass

    assert scene.texts == ["first", "old", "new"]


def test_a_job_whose_process_is_gone_is_next_at_once(scene: Scene) -> None:
    job_id = scene.enqueue("a")
    scene.store.claim("s", ("r",), name_of_a_dead_process(), 3600.0, scene.store.now())

    assert scene.worker.run_next() == job_id

    assert get(scene.store, job_id).attempts == 2


def test_a_call_that_can_not_be_read_ends_as_failed(scene: Scene) -> None:
    job_id = enqueue(scene.store, scene.store.now(), call=b"\x00" * 40)

    assert scene.worker.run_next() == job_id

    assert get(scene.store, job_id).status == "failed"


def test_what_interrupts_who_asks_puts_the_job_back(scene: Scene) -> None:
    job_id = scene.enqueue("a")
    with mock.patch.object(scene.engine, "submit", side_effect=SystemExit), pytest.raises(SystemExit):
        scene.worker.run_next()

    job = get(scene.store, job_id)
    assert (job.status, job.attempts) == ("queued", 0)
    assert scene.worker.run_next() == job_id
