"""Background tasks without a server: what is accepted, their order, and the wait at shutdown."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from aylien_model_serving import BackgroundTask, BackgroundTasks, TaskResponse
from aylien_model_serving.background import pool as background
from aylien_model_serving.background.pool import BackgroundBatch, BackgroundPool
from aylien_model_serving.background.tasks import hint_without_tasks
from aylien_model_serving.core.messages import Call, current_request_id
from aylien_model_serving.executors.batch_policy import BatchOptions
from aylien_model_serving.executors.batched import BatchedExecutor
from aylien_model_serving.executors.inline import InlineExecutor
from aylien_model_serving.handlers.signatures import Signature
from aylien_model_serving.process import native_threads
from tests.executors.engines import TIMEOUT, wait_until

needs_loops = pytest.mark.skipif(
    native_threads.is_patched(), reason="greenlets share a thread's one event loop"
)


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    yield
    background.finish()


class Recorder:
    def __init__(self) -> None:
        self.notes: list[Any] = []

    def note(self, text: Any) -> None:
        self.notes.append(text)

    async def note_async(self, text: Any) -> None:
        await asyncio.sleep(0)
        self.notes.append(text)


class Gate:
    """Unlike an event, it works between gevent's hub and threads of its pool."""

    def __init__(self) -> None:
        self.is_open = False

    def wait(self) -> None:
        wait_until(lambda: self.is_open)

    def set(self) -> None:
        self.is_open = True


class LogRecorder(logging.Handler):
    """Records log lines with the id that a formatter would write."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[tuple[str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append((current_request_id.get(), record.getMessage()))


@pytest.fixture
def lines() -> Iterator[LogRecorder]:
    handler = LogRecorder()
    background.logger.addHandler(handler)
    yield handler
    background.logger.removeHandler(handler)


def finish(pool: BackgroundPool) -> int:
    return pool.finish(time.monotonic() + TIMEOUT)


def test_tasks_are_called_with_their_arguments_in_the_order_in_which_they_were_added() -> None:
    recorder = Recorder()
    tasks = BackgroundTasks()
    tasks.add_task(recorder.note, "first")
    tasks.add_task(recorder.note_async, text="second")
    tasks.add_task(BackgroundTask(recorder.note, "third"))

    BackgroundBatch(TaskResponse("", tasks).tasks, "id")()
    background.finish()

    assert len(tasks) == 3
    assert recorder.notes == ["first", "second", "third"]


def test_any_callable_without_arguments_is_a_task() -> None:
    recorder = Recorder()

    class Starlike:
        async def __call__(self) -> None:
            await recorder.note_async("awaited")

    BackgroundBatch(
        TaskResponse("", Starlike()).tasks + TaskResponse("", lambda: recorder.note("called")).tasks, "id"
    )()
    background.finish()

    assert recorder.notes == ["awaited", "called"]


@pytest.mark.parametrize("what", [None, "a name", 1])
def test_a_task_that_cant_be_called_is_refused_where_it_is_created(what: Any) -> None:
    for make in (
        lambda: BackgroundTask(what),
        lambda: BackgroundTasks().add_task(what),
        lambda: TaskResponse("", what),
    ):
        with pytest.raises(TypeError, match="callable"):
            make()


def test_a_stream_with_tasks_is_refused_where_it_is_created() -> None:
    with pytest.raises(TypeError, match="generator"):
        TaskResponse((number for number in range(3)), print)


@pytest.mark.parametrize(
    ("hint", "expected"),
    [(TaskResponse[dict], dict), (TaskResponse, None), (list[int], list[int]), (None, None)],
)
def test_the_hint_of_a_task_response_is_that_of_its_result(hint: Any, expected: Any) -> None:
    assert hint_without_tasks(hint) == expected


def test_a_failure_is_logged_under_its_requests_id_and_the_next_task_follows(lines: LogRecorder) -> None:
    recorder = Recorder()

    def fail() -> None:
        raise ValueError("no way")

    async def fail_async() -> None:
        raise ValueError("no way either")

    BackgroundBatch([fail, BackgroundTask(fail_async), sys.exit, lambda: recorder.note("done")], "the-id")()
    background.finish()

    assert recorder.notes == ["done"]
    assert lines.records == [
        ("the-id", "Background task fail failed: no way"),
        ("the-id", "Background task fail_async failed: no way either"),
        ("the-id", "Background task exit failed: "),
    ]


def test_tasks_run_on_other_threads_one_batch_at_a_time() -> None:
    recorder, gate, pool = Recorder(), Gate(), BackgroundPool(threads=1)

    pool.offer(BackgroundBatch([gate.wait, lambda: recorder.note("first batch's")], "1"))
    pool.offer(BackgroundBatch([lambda: recorder.note("second batch's")], "2"))

    assert pool.finish(time.monotonic()) == 2
    assert recorder.notes == []
    gate.set()
    assert finish(pool) == 0
    assert recorder.notes == ["first batch's", "second batch's"]


def test_as_many_batches_run_as_there_are_threads() -> None:
    pool, first, second = BackgroundPool(threads=2), Gate(), Gate()

    pool.offer(BackgroundBatch([first.set, second.wait], "1"))
    pool.offer(BackgroundBatch([first.wait, second.set], "2"))

    assert finish(pool) == 0
    assert first.is_open
    assert second.is_open


def test_where_too_many_wait_the_sender_runs_its_tasks_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    recorder, gate, entered = Recorder(), Gate(), Gate()
    pool = BackgroundPool(threads=1, max_waiting=1)
    monkeypatch.setattr(background, "_pool_of_process", lambda: pool)
    BackgroundBatch([entered.set, gate.wait], "running")()
    entered.wait()
    BackgroundBatch([lambda: recorder.note("waited")], "waiting")()

    BackgroundBatch([lambda: recorder.note(current_request_id.get())], "too many")()

    assert recorder.notes == ["too many"]
    gate.set()
    assert finish(pool) == 0
    assert recorder.notes == ["too many", "waited"]


def test_shutdown_waits_no_longer_than_allowed(lines: LogRecorder) -> None:
    gate = Gate()
    BackgroundBatch([gate.wait], "id")()

    background.finish(0)

    assert [text for _, text in lines.records] == [
        "The process ends before the background tasks of 1 responses are done"
    ]
    gate.set()
    background.finish()
    assert len(lines.records) == 1


def test_the_setting_limits_the_wait(lines: LogRecorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_SERVING_BACKGROUND_WAIT", "0.01")
    gate = Gate()
    BackgroundBatch([gate.wait], "id")()

    background.finish(TIMEOUT)

    assert len(lines.records) == 1
    gate.set()


def test_shutdown_waits_for_registered_objects() -> None:
    class Other:
        deadline: float | None = None

        def finish_tasks(self, until: float) -> int:
            self.deadline = until
            return 0

    other = Other()
    background.register_for_shutdown(other)

    background.finish()

    assert other.deadline is not None
    assert other.deadline > time.monotonic()


class Observer:
    def ran(self, seconds: float) -> None: ...

    def speed_changed(self, quick: bool) -> None: ...


@needs_loops
@pytest.mark.parametrize("batched", [False, True])
def test_tasks_run_though_the_client_disconnected_while_the_handler_ran(batched: bool) -> None:
    recorder, entered, gate = Recorder(), Gate(), Gate()

    def handler(text: Any) -> Any:
        entered.set()
        gate.wait()
        response = TaskResponse("", BackgroundTask(lambda: recorder.note(current_request_id.get())))
        return [response] if batched else response

    signature = Signature.of(handler)
    executor: Any = (
        BatchedExecutor(handler, signature, BatchOptions(1), 1, Observer())
        if batched
        else InlineExecutor(handler, signature, 1, Observer())
    )

    async def call_and_cancel() -> None:
        call = Call("POST", "/", "", {}, b"", {}, "left")
        calling = asyncio.ensure_future(executor.run_async({"text": ""}, call))
        await asyncio.to_thread(entered.wait)
        calling.cancel()
        await asyncio.wait([calling])
        gate.set()
        while not recorder.notes:
            await asyncio.sleep(0.001)

    asyncio.run(asyncio.wait_for(call_and_cancel(), TIMEOUT))

    assert recorder.notes == ["left"]
