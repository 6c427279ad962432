"""Streams of batches: a list for each step, calls that end or leave, slow readers, failures, and the end."""

import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from aylien_model_serving.core.call_scope import current_call
from aylien_model_serving.errors import HandlerFailed, InvalidRequest, Unavailable
from aylien_model_serving.executors.batch_policy import BatchOptions
from aylien_model_serving.executors.batch_steps import MAX_BEHIND
from aylien_model_serving.executors.engine import Engine
from aylien_model_serving.executors.queue import QueuedCall
from aylien_model_serving.executors.senders import Senders
from aylien_model_serving.handlers.signatures import Signature
from aylien_model_serving.handlers.steps import Done
from tests.executors.engines import RecordingEngineObserver, wait_until

SECONDS = 20


class Scene:
    """An engine whose calls send their items on threads of their own, and what becomes of them."""

    def __init__(self, handler: Callable[..., Any], max_size: int = 8) -> None:
        self.observer = RecordingEngineObserver()
        self.senders = Senders(max_size)
        self.engine = Engine(
            handler,
            Signature.of(handler),
            batching=BatchOptions(max_size),
            max_queue=None,
            observer=self.observer,
            streaming=True,
            senders=self.senders,
        )
        self.items: dict[str, list[Any]] = {}
        self.errors: dict[str, Exception] = {}
        self._left = 0

    def call(self, name: str, *, gate: threading.Event | None = None, **fields: Any) -> QueuedCall:
        def finish(result: Any, error: Exception | None) -> None:
            try:
                if error is not None:
                    raise error
                self.items[name] = []
                for item in result:
                    if gate is not None:
                        assert gate.wait(SECONDS)
                    self.items[name].append(item)
            except Exception as wrong:
                self.errors[name] = wrong

        queued = QueuedCall({"name": name, **fields}, None, name, on_finish=finish)
        self.engine.submit(queued)
        return queued

    def start(self) -> threading.Thread:
        thread = threading.Thread(target=self.engine.work, daemon=True)
        thread.start()
        return thread

    def finish(self, thread: threading.Thread) -> None:
        """Wait for what was started, until each call has sent its last item."""
        self.engine.close(SECONDS)
        thread.join(SECONDS)
        self.senders.close()

    def work(self) -> None:
        """Run all that has been submitted, until each call has sent its last item."""
        self.engine.close(0)
        self.engine.work()
        self.senders.close()


def count(name: list[str], to: list[int]) -> Iterator[list[Any]]:
    for number in range(1, max(to) + 1):
        yield [number if number < last else Done(number) if number == last else Done() for last in to]


def test_each_call_gets_its_item_of_each_step_and_ends_with_its_own_done() -> None:
    scene = Scene(count)
    for name, to in (("a", 1), ("b", 3), ("c", 2)):
        scene.call(name, to=to)

    scene.work()

    assert scene.items == {"a": [1], "b": [1, 2, 3], "c": [1, 2]}
    assert not scene.errors
    assert [event for event in scene.observer.events if event[0] == "ended"] == [
        ("ended", 3),
        ("ended", 2),
        ("ended", 1),
    ]


def test_the_first_items_are_sent_before_the_second_step() -> None:
    sent = threading.Event()

    def handler(name: list[str]) -> Iterator[list[int]]:
        yield [1] * len(name)
        assert sent.wait(SECONDS)
        yield [2] * len(name)

    scene = Scene(handler)
    scene.call("a")
    scene.call("b")
    thread = scene.start()
    wait_until(lambda: scene.items == {"a": [1], "b": [1]})
    sent.set()
    scene.finish(thread)

    assert scene.items == {"a": [1, 2], "b": [1, 2]}


@pytest.mark.parametrize("step", [[1], [1, 2, 3], {"a": 1, "b": 2}, "ab", 7])
@pytest.mark.parametrize("good", [0, 1])
def test_a_step_that_is_no_list_with_an_item_for_each_call_is_an_error_of_each(good: int, step: Any) -> None:
    def handler(name: list[str]) -> Iterator[Any]:
        yield from [name] * good
        yield step

    scene = Scene(handler)
    scene.call("a")
    scene.call("b")
    scene.work()

    assert scene.items == ({"a": ["a"], "b": ["b"]} if good else {})
    assert scene.errors.keys() == {"a", "b"}
    for error in scene.errors.values():
        assert isinstance(error, HandlerFailed)
        assert (
            "The handler has to yield a list of 2 results, one for each call of its batch; it yielded"
            in str(error)
        )


def test_a_failure_in_the_middle_ends_each_stream_after_its_items() -> None:
    def handler(name: list[str]) -> Iterator[list[str]]:
        yield name
        raise RuntimeError("broken")

    scene = Scene(handler)
    scene.call("a")
    scene.call("b")
    scene.work()

    assert scene.items == {"a": ["a"], "b": ["b"]}
    assert {name: str(error.__cause__) for name, error in scene.errors.items()} == {
        "a": "broken",
        "b": "broken",
    }
    assert scene.errors["a"] is not scene.errors["b"]


def test_a_step_that_exits_ends_the_streams_of_its_batch_and_no_thread() -> None:
    def handler(name: list[str]) -> Iterator[list[str]]:
        yield name
        raise SystemExit(1)

    scene = Scene(handler, max_size=1)
    scene.call("a")
    scene.call("b")
    scene.work()

    assert scene.errors.keys() == {"a", "b"}


def test_a_failure_before_the_first_list_is_that_of_the_calls_that_cause_it() -> None:
    def handler(name: list[str]) -> Iterator[list[str]]:
        if "wrong" in name:
            raise InvalidRequest("a wrong name")
        yield name

    scene = Scene(handler)
    for name in ("a", "b", "wrong", "c"):
        scene.call(name)
    scene.work()

    assert scene.items == {name: [name] for name in "abc"}
    assert str(scene.errors["wrong"]) == "a wrong name"


def test_an_exception_in_an_items_place_ends_that_call_alone() -> None:
    def handler(name: list[str]) -> Iterator[list[Any]]:
        yield [InvalidRequest("refused") if each == "refused" else each for each in name]
        yield [ValueError("later") if each == "later" else each for each in name]

    scene = Scene(handler)
    for name in ("a", "refused", "later"):
        scene.call(name)
    scene.work()

    assert scene.items == {"a": ["a", "a"], "later": ["later"]}
    assert {name: str(error) for name, error in scene.errors.items()} == {
        "refused": "refused",
        "later": "later",
    }


def test_a_refused_call_is_told_before_the_others_of_its_batch_have_ended() -> None:
    told = threading.Event()

    def handler(name: list[str]) -> Iterator[list[Any]]:
        yield [InvalidRequest("refused") if each == "refused" else each for each in name]
        assert told.wait(SECONDS)
        yield name

    scene = Scene(handler)
    scene.call("refused")
    scene.call("a")
    thread = scene.start()
    wait_until(lambda: "refused" in scene.errors)
    told.set()
    scene.finish(thread)

    assert scene.items == {"a": ["a", "a"]}


def test_the_generator_is_closed_when_all_calls_have_left_and_not_before() -> None:
    closed = threading.Event()
    cancelled = threading.Event()

    def handler(name: list[str]) -> Iterator[list[int]]:
        try:
            while True:
                yield [1] * len(name)
                if current_call().cancelled.is_set():
                    cancelled.set()
        finally:
            closed.set()

    scene = Scene(handler)
    a, b = scene.call("a"), scene.call("b")
    thread = scene.start()
    wait_until(lambda: len(scene.items) == 2)
    a.abandon()
    had = len(scene.items["b"])
    wait_until(lambda: len(scene.items["b"]) > had + 40)
    assert not closed.is_set()
    assert not cancelled.is_set()
    b.abandon()

    assert closed.wait(SECONDS)
    assert not scene.errors
    scene.finish(thread)


def test_a_step_that_takes_long_sees_that_all_have_left() -> None:
    began, seen = threading.Event(), threading.Event()

    def handler(name: list[str]) -> Iterator[list[str]]:
        yield name
        began.set()
        if current_call().cancelled.wait(SECONDS):
            seen.set()
        yield name

    scene = Scene(handler)
    calls = [scene.call("a"), scene.call("b")]
    thread = scene.start()
    assert began.wait(SECONDS)
    for call in calls:
        call.abandon()

    assert seen.wait(SECONDS)
    scene.finish(thread)


def endless(steps: list[int], name: list[str]) -> Iterator[list[int]]:
    while True:
        steps.append(len(steps))
        yield [steps[-1]] * len(name)


def test_a_generator_waits_for_a_reader_that_is_alone() -> None:
    steps: list[int] = []
    gate = threading.Event()

    def handler(name: list[str]) -> Iterator[list[int]]:
        yield from endless(steps, name)

    scene = Scene(handler)
    only = scene.call("only", gate=gate)
    scene.start()
    wait_until(lambda: len(steps) >= 16)
    assert len(steps) <= 18  # those in its buffer, that in its hands, and no other
    only.abandon()
    gate.set()
    assert scene.engine.close(SECONDS)
    scene.senders.close()
    assert len(steps) <= 19


def test_a_slow_reader_holds_nobody_and_loses_nothing_within_the_limit() -> None:
    gate = threading.Event()
    most = MAX_BEHIND // 2

    def handler(name: list[str]) -> Iterator[list[int]]:
        yield from ([number] * len(name) for number in range(most))

    scene = Scene(handler)
    scene.call("slow", gate=gate)
    scene.call("quick")
    thread = scene.start()
    wait_until(lambda: len(scene.items.get("quick", [])) == most)
    assert scene.items["slow"] == []
    gate.set()
    scene.finish(thread)

    assert scene.items["slow"] == list(range(most))


def test_a_reader_that_is_too_far_behind_the_others_is_ended_with_an_error() -> None:
    gate = threading.Event()
    most = MAX_BEHIND * 2

    def handler(name: list[str]) -> Iterator[list[int]]:
        yield from ([number] * len(name) for number in range(most))

    scene = Scene(handler)
    scene.call("slow", gate=gate)
    scene.call("quick")
    thread = scene.start()
    wait_until(lambda: len(scene.items.get("quick", [])) == most)
    gate.set()
    scene.finish(thread)

    assert len(scene.items["slow"]) in (MAX_BEHIND, MAX_BEHIND + 1)
    assert isinstance(scene.errors["slow"], Unavailable)
    assert "items behind others of its batch" in str(scene.errors["slow"])


def test_what_runs_out_of_memory_in_the_middle_makes_later_batches_smaller() -> None:
    def handler(name: list[str]) -> Iterator[list[str]]:
        yield name
        raise RuntimeError("CUDA error: out of memory")

    scene = Scene(handler, max_size=4)
    for name in "abcd":
        scene.call(name)
    scene.work()

    assert scene.errors.keys() == set("abcd")
    assert scene.engine.max_batch() == 2


def test_an_async_generator_yields_lists_too() -> None:
    async def handler(name: list[str]) -> AsyncIterator[list[str]]:
        yield name
        yield name

    scene = Scene(handler)
    scene.call("a")
    scene.call("b")
    scene.work()

    assert scene.items == {"a": ["a", "a"], "b": ["b", "b"]}


def test_a_handler_that_returns_no_generator_is_an_error() -> None:
    def handler(name: list[str]) -> Any:
        return name

    scene = Scene(handler)
    scene.call("a")
    scene.work()

    assert str(scene.errors["a"]) == "The handler has to yield lists; it returned a list"


def test_a_generator_without_lists_is_a_stream_without_items() -> None:
    def handler(name: list[str]) -> Iterator[list[str]]:
        yield from ()

    scene = Scene(handler)
    scene.call("a")
    scene.work()

    assert scene.items == {"a": []}
    assert not scene.errors
