"""The engine of handlers that work in steps: joining, leaving, slow readers, errors, and its end."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from aylien_model_serving.errors import DeadlineExceeded, HandlerFailed, InvalidRequest, Unavailable
from aylien_model_serving.executors.continuous import ContinuousEngine
from aylien_model_serving.executors.queue import QueuedCall
from aylien_model_serving.handlers import steps
from aylien_model_serving.handlers.signatures import Signature
from aylien_model_serving.handlers.steps import Done

SECONDS = 20


class Count:
    """Counts for each call to its number, once a step is permitted; notes what each step was for."""

    max_active = 3

    def __init__(self, permits: threading.Semaphore) -> None:
        self.permits = permits
        self.steps: list[list[str]] = []

    def start(self, name: str, to: int = 3) -> list[Any]:
        if name == "wrong":
            raise InvalidRequest("a wrong name")
        return [name, 0, to]

    def step(self, states: list[list[Any]]) -> list[Any]:
        assert self.permits.acquire(timeout=SECONDS)
        self.steps.append([state[0] for state in states])
        if any(state[0] == "breaks" for state in states):
            raise RuntimeError("broken")
        if any(state[0] == "exits" for state in states):
            raise SystemExit(1)
        return [self.next(state) for state in states]

    def next(self, state: list[Any]) -> Any:
        state[1] += 1
        return Done(state[1]) if state[1] == state[2] else state[1]


class Observed:
    def __init__(self) -> None:
        self.joined: list[int] = []
        self.reasons: list[str] = []

    def steps(self, calls: Sequence[QueuedCall], joined: Sequence[QueuedCall]) -> None:
        self.joined.append(len(joined))

    def ended(self, calls: Sequence[QueuedCall], seconds: float) -> None: ...

    def dropped(self, reason: str) -> None:
        self.reasons.append(reason)


class Scene:
    """An engine at work, and what becomes of its calls."""

    def __init__(self) -> None:
        self.permits = threading.Semaphore(0)
        self.handler = steps.adapted(Count)(permits=self.permits)
        self.count: Count = self.handler.start.__self__
        self.observed = Observed()
        self.engine = ContinuousEngine(
            self.handler, Signature.of(self.handler.start), max_queue=4, observer=self.observed
        )
        self.items: dict[str, list[Any]] = {}
        self.errors: dict[str, Exception] = {}
        self.ended = threading.Semaphore(0)
        self.thread = threading.Thread(target=self.engine.work, daemon=True)
        self.thread.start()

    def call(
        self, name: str, *, deadline: float | None = None, gate: threading.Event | None = None, **fields: Any
    ) -> QueuedCall:
        def finish(result: Any, error: Exception | None) -> None:
            try:
                if error is not None:
                    raise error
                if gate is not None:
                    gate.wait(SECONDS)
                for item in result:
                    self.items.setdefault(name, []).append(item)
            except Exception as wrong:
                self.errors[name] = wrong
            finally:
                self.ended.release()

        queued = QueuedCall({"name": name, **fields}, deadline, name, on_finish=finish)
        self.engine.submit(queued)
        return queued

    def permit(self, number: int) -> None:
        for _ in range(number):
            self.permits.release()

    def wait(self, calls: int = 1) -> None:
        for _ in range(calls):
            assert self.ended.acquire(timeout=SECONDS)


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


@pytest.fixture
def scene() -> Iterator[Scene]:
    made = Scene()
    yield made
    made.permit(1000)
    made.engine.close(SECONDS)
    made.thread.join(SECONDS)


def test_calls_join_and_leave_at_any_step(scene: Scene) -> None:
    scene.call("a", to=3)
    scene.permit(1)
    until(lambda: scene.items.get("a") == [1])
    scene.call("b", to=1)
    until(lambda: scene.engine.waiting() == 1)
    scene.permit(3)
    scene.wait(2)

    assert scene.items == {"a": [1, 2, 3], "b": [1]}
    assert ["a", "b"] in scene.count.steps
    assert sum(scene.observed.joined) == 2


def test_no_more_calls_are_active_than_the_class_says(scene: Scene) -> None:
    scene.call("a", to=2)
    until(lambda: scene.engine.running() == 1)
    for name in "bcde":
        scene.call(name, to=2)
    scene.permit(20)
    scene.wait(5)

    assert {name: [1, 2] for name in "abcde"} == scene.items
    assert max(map(len, scene.count.steps)) <= 3


def test_a_call_that_finds_the_queue_full_is_refused(scene: Scene) -> None:
    scene.call("first", to=1)
    until(lambda: scene.engine.running() == 1)
    for number in range(4):
        scene.call(f"{number}", to=1)

    with pytest.raises(Unavailable, match="4 requests wait already"):
        scene.call("one more")
    scene.permit(10)
    scene.wait(5)


def test_a_slow_reader_is_left_out_of_steps_and_holds_nobody(scene: Scene) -> None:
    gate = threading.Event()
    scene.call("slow", to=100, gate=gate)
    scene.permit(16)
    until(lambda: len(scene.count.steps) == 16)
    scene.call("quick", to=2)
    scene.permit(2)
    scene.wait(1)

    assert scene.items == {"quick": [1, 2]}
    assert scene.count.steps[16:] == [["quick"], ["quick"]]
    gate.set()
    scene.permit(200)
    scene.wait(1)
    assert scene.items["slow"] == list(range(1, 101))


def test_what_start_refuses_is_that_calls_error_alone(scene: Scene) -> None:
    scene.call("a", to=1)
    scene.call("wrong")
    scene.permit(3)
    scene.wait(2)

    assert scene.items == {"a": [1]}
    assert str(scene.errors["wrong"]) == "a wrong name"


@pytest.mark.parametrize("name", ["breaks", "exits"])
def test_a_step_that_fails_fails_all_of_its_calls_and_no_later_one(scene: Scene, name: str) -> None:
    scene.call(name)
    scene.permit(1)
    scene.wait(1)
    scene.call("a", to=1)
    scene.permit(1)
    scene.wait(1)

    assert isinstance(scene.errors[name], HandlerFailed)
    assert scene.items == {"a": [1]}


def test_a_call_whose_deadline_passes_ends_after_what_it_has(scene: Scene) -> None:
    gate = threading.Event()
    scene.call("late", to=100, deadline=time.monotonic() + 1, gate=gate)
    scene.permit(16)
    until(lambda: len(scene.count.steps) == 16)
    until(lambda: scene.engine.running() == 0)
    gate.set()
    scene.wait(1)

    assert scene.items == {"late": list(range(1, 17))}
    assert isinstance(scene.errors["late"], DeadlineExceeded)


def test_a_call_that_is_abandoned_leaves_at_the_next_step(scene: Scene) -> None:
    left = scene.call("left", to=100)
    scene.permit(1)
    until(lambda: scene.items.get("left") == [1])
    left.abandoned = True
    scene.call("stays", to=1)
    scene.permit(5)
    scene.wait(2)

    assert scene.items["stays"] == [1]
    until(lambda: scene.engine.running() == 0)


def test_a_closed_engine_lets_calls_end_and_takes_no_others(scene: Scene) -> None:
    scene.call("a", to=2)
    until(lambda: scene.engine.running() == 1)
    assert not scene.engine.close(0)
    with pytest.raises(Unavailable):
        scene.engine.check_room()
    scene.permit(2)

    assert scene.engine.close(SECONDS)
    scene.wait(1)
    assert scene.items == {"a": [1, 2]}
    scene.thread.join(SECONDS)
    assert not scene.thread.is_alive()
