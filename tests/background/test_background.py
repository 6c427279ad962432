"""Background tasks without a server: what they are, their order, and what they mean for an ending process."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from aylien_model_serving import BackgroundTask, BackgroundTasks, TaskResponse
from aylien_model_serving.background import pool as afterwards
from aylien_model_serving.background.pool import BackgroundBatch, BackgroundPool
from aylien_model_serving.background.tasks import hint_without_tasks
from aylien_model_serving.core.messages import Call, current_request_id
from aylien_model_serving.executors.batch_policy import BatchOptions
from aylien_model_serving.executors.batched import BatchedExecutor
from aylien_model_serving.executors.inline import InlineExecutor
from aylien_model_serving.handlers.signatures import Signature
from aylien_model_serving.process import native_threads
from tests.executors.engines import PATIENCE, wait_until

needs_loops = pytest.mark.skipif(
    native_threads.is_patched(), reason="greenlets share a thread's one event loop"
)


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    yield
    afterwards.finish()


class Diary:
    def __init__(self) -> None:
        self.notes: list[Any] = []

    def note(self, words: Any) -> None:
        self.notes.append(words)

    async def note_async(self, words: Any) -> None:
        await asyncio.sleep(0)
        self.notes.append(words)


class Gate:
    """Unlike an event, it works between gevent's hub and threads of its pool."""

    def __init__(self) -> None:
        self.is_open = False

    def wait(self) -> None:
        wait_until(lambda: self.is_open)

    def set(self) -> None:
        self.is_open = True


class Lines(logging.Handler):
    """Keeps log lines with the id that a formatter would write."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[tuple[str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.kept.append((current_request_id.get(), record.getMessage()))


@pytest.fixture
def lines() -> Iterator[Lines]:
    handler = Lines()
    afterwards.logger.addHandler(handler)
    yield handler
    afterwards.logger.removeHandler(handler)


def until(pool: BackgroundPool) -> int:
    return pool.finish(time.monotonic() + PATIENCE)


def test_tasks_are_called_with_their_arguments_in_the_order_in_which_they_were_added() -> None:
    diary = Diary()
    tasks = BackgroundTasks()
    tasks.add(diary.note, "first")
    tasks.add(diary.note_async, words="second")
    tasks.add(BackgroundTask(diary.note, "third"))

    BackgroundBatch(TaskResponse("", tasks).tasks, "id")()
    afterwards.finish()

    assert len(tasks) == 3
    assert diary.notes == ["first", "second", "third"]


def test_any_callable_without_arguments_is_a_task() -> None:
    diary = Diary()

    class Starlike:
        async def __call__(self) -> None:
            await diary.note_async("awaited")

    BackgroundBatch(
        TaskResponse("", Starlike()).tasks + TaskResponse("", lambda: diary.note("called")).tasks, "id"
    )()
    afterwards.finish()

    assert diary.notes == ["awaited", "called"]


@pytest.mark.parametrize("what", [None, "a name", 1])
def test_what_can_not_be_called_is_refused_where_it_is_written(what: Any) -> None:
    for make in (
        lambda: BackgroundTask(what),
        lambda: BackgroundTasks().add(what),
        lambda: TaskResponse("", what),
    ):
        with pytest.raises(TypeError, match="callable"):
            make()


def test_a_stream_with_tasks_is_refused_where_it_is_written() -> None:
    with pytest.raises(TypeError, match="generator"):
        TaskResponse((number for number in range(3)), print)


@pytest.mark.parametrize(
    ("hint", "told"), [(TaskResponse[dict], dict), (TaskResponse, None), (list[int], list[int]), (None, None)]
)
def test_the_answers_hint_is_that_of_its_result(hint: Any, told: Any) -> None:
    assert hint_without_tasks(hint) == told


def test_a_failure_is_logged_under_its_requests_id_and_the_next_task_follows(lines: Lines) -> None:
    diary = Diary()

    def fail() -> None:
        raise ValueError("no way")

    async def fail_async() -> None:
        raise ValueError("no way either")

    BackgroundBatch([fail, BackgroundTask(fail_async), sys.exit, lambda: diary.note("done")], "the-id")()
    afterwards.finish()

    assert diary.notes == ["done"]
    assert lines.kept == [
        ("the-id", "Background task fail failed: no way"),
        ("the-id", "Background task fail_async failed: no way either"),
        ("the-id", "Background task exit failed: "),
    ]


def test_tasks_run_beside_their_sender_one_answers_at_a_time() -> None:
    diary, gate, pool = Diary(), Gate(), BackgroundPool(threads=1)

    pool.offer(BackgroundBatch([gate.wait, lambda: diary.note("first answer's")], "1"))
    pool.offer(BackgroundBatch([lambda: diary.note("second answer's")], "2"))

    assert pool.finish(time.monotonic()) == 2
    assert diary.notes == []
    gate.set()
    assert until(pool) == 0
    assert diary.notes == ["first answer's", "second answer's"]


def test_as_many_answers_are_worked_on_as_there_are_threads() -> None:
    pool, first, second = BackgroundPool(threads=2), Gate(), Gate()

    pool.offer(BackgroundBatch([first.set, second.wait], "1"))
    pool.offer(BackgroundBatch([first.wait, second.set], "2"))

    assert until(pool) == 0
    assert first.is_open
    assert second.is_open


def test_where_too_many_wait_the_sender_does_its_tasks_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    diary, gate, entered = Diary(), Gate(), Gate()
    pool = BackgroundPool(threads=1, max_waiting=1)
    monkeypatch.setattr(afterwards, "_here", lambda: pool)
    BackgroundBatch([entered.set, gate.wait], "running")()
    entered.wait()
    BackgroundBatch([lambda: diary.note("waited")], "waiting")()

    BackgroundBatch([lambda: diary.note(current_request_id.get())], "too many")()

    assert diary.notes == ["too many"]
    gate.set()
    assert until(pool) == 0
    assert diary.notes == ["too many", "waited"]


def test_the_end_of_a_process_waits_no_longer_than_it_may(lines: Lines) -> None:
    gate = Gate()
    BackgroundBatch([gate.wait], "id")()

    afterwards.finish(0)

    assert [words for _, words in lines.kept] == [
        "The process ends before the background tasks of 1 answers are done"
    ]
    gate.set()
    afterwards.finish()
    assert len(lines.kept) == 1


def test_the_operator_limits_the_wait(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_SERVING_BACKGROUND_WAIT", "0.01")
    gate = Gate()
    BackgroundBatch([gate.wait], "id")()

    afterwards.finish(PATIENCE)

    assert len(lines.kept) == 1
    gate.set()


def test_the_end_of_a_process_waits_for_those_who_do_tasks_for_its_clients() -> None:
    class Other:
        told: float | None = None

        def finish_tasks(self, until: float) -> int:
            self.told = until
            return 0

    other = Other()
    afterwards.register_for_shutdown(other)

    afterwards.finish()

    assert other.told is not None
    assert other.told > time.monotonic()


class Observer:
    def ran(self, seconds: float) -> None: ...

    def speed_changed(self, quick: bool) -> None: ...


@needs_loops
@pytest.mark.parametrize("batched", [False, True])
def test_a_client_that_left_while_the_handler_ran_changes_nothing(batched: bool) -> None:
    diary, entered, gate = Diary(), Gate(), Gate()

    def handler(text: Any) -> Any:
        entered.set()
        gate.wait()
        response = TaskResponse("", BackgroundTask(lambda: diary.note(current_request_id.get())))
        return [response] if batched else response

    signature = Signature.of(handler)
    runner: Any = (
        BatchedExecutor(handler, signature, BatchOptions(1), 1, Observer())
        if batched
        else InlineExecutor(handler, signature, 1, Observer())
    )

    async def ask_and_leave() -> None:
        call = Call("POST", "/", "", {}, b"", {}, "left")
        asking = asyncio.ensure_future(runner.run_async({"text": ""}, call))
        await asyncio.to_thread(entered.wait)
        asking.cancel()
        await asyncio.wait([asking])
        gate.set()
        while not diary.notes:
            await asyncio.sleep(0.001)

    asyncio.run(asyncio.wait_for(ask_and_leave(), PATIENCE))

    assert diary.notes == ["left"]
