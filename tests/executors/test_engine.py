"""The engine: which calls run when, which are refused, and what is reported."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from aylien_model_serving.errors import DeadlineExceeded, HandlerFailed, Unavailable
from aylien_model_serving.executors.engine import QueuedCall
from tests.executors.engines import TIMEOUT, EngineHarness, wait_until


class BlockingHandler:
    """A handler of one call at a time that blocks in each until it is released."""

    def __init__(self) -> None:
        self.inside: list[Any] = []
        self.released = False

    def __call__(self, a: Any) -> Any:
        self.inside.append(a)
        wait_until(lambda: self.released)
        return a


def test_without_batches_a_handler_gets_each_call_as_it_is() -> None:
    harness = EngineHarness(lambda a, b=0: (a, b), max_size=None)
    harness.submit("x", a=1)
    harness.submit("y", a=2, b=3)

    assert harness.work() == {"x": (1, 0), "y": (2, 3)}
    assert harness.runs() == [1, 1]


def test_a_batch_is_reported_in_order_and_settled_once() -> None:
    harness = EngineHarness(lambda a: a)
    harness.submit("x", a=1)
    harness.submit("y", a=2)

    harness.work()

    assert harness.observer.events == [
        ("starts", 2),
        ("ended", 2),
        ("finished", "x"),
        ("finished", "y"),
        "settled",
    ]


def test_what_the_handler_raises_is_the_outcome() -> None:
    error = KeyError("inside")

    def handler(a: int) -> None:
        raise error

    harness = EngineHarness(handler, max_size=None)
    harness.submit("x", a=1)

    assert harness.work() == {"x": error}


def test_a_stream_is_iterated_while_the_calls_slot_is_taken() -> None:
    running: list[int] = []

    def handler(n: int) -> Iterator[int]:
        yield from range(n)

    harness = EngineHarness(handler, max_size=None)

    def finish(result: Any, error: Exception | None) -> None:
        assert error is None
        running.extend(harness.engine.running() for _ in result)

    harness.engine.submit(QueuedCall({"n": 3}, None, "x", on_finish=finish))
    harness.work()

    assert running == [1, 1, 1]
    assert harness.engine.running() == 0


def test_stale_calls_do_not_reach_the_handler() -> None:
    harness = EngineHarness(lambda a: a)
    harness.submit("late", deadline=time.monotonic() - 1, a=1)
    harness.submit("gone", a=2).abandoned = True
    harness.submit("fine", a=3)

    outcomes = harness.work()

    assert isinstance(outcomes.pop("late"), DeadlineExceeded)
    assert outcomes == {"fine": 3}
    assert harness.runs() == [1]
    dropped = [event for event in harness.observer.events if event[0] == "dropped"]
    assert dropped == [("dropped", "expired"), ("dropped", "abandoned")]


def test_stale_calls_alone_are_reported_as_well() -> None:
    harness = EngineHarness(lambda a: a)
    harness.submit("late", deadline=time.monotonic() - 1, a=1)

    assert isinstance(harness.work()["late"], DeadlineExceeded)
    assert harness.observer.events == [("dropped", "expired"), ("finished", "late"), "settled"]


def test_a_result_that_comes_after_the_deadline_is_none() -> None:
    harness = EngineHarness(lambda a: a, max_size=None)
    call: list[QueuedCall] = []

    def handler(a: int) -> int:
        call[0].deadline = time.monotonic() - 1
        return a

    harness = EngineHarness(handler, max_size=None)
    call.append(harness.submit("x", a=1))

    assert isinstance(harness.work()["x"], DeadlineExceeded)


def test_a_suspect_runs_alone() -> None:
    harness = EngineHarness(lambda a: a)
    harness.submit("x", a=1)
    harness.submit("suspect", suspect=True, a=2)
    harness.submit("y", a=3)

    assert harness.work() == {"x": 1, "suspect": 2, "y": 3}
    assert harness.runs() == [2, 1]


@pytest.mark.parametrize("max_size", [None, 2])
def test_a_full_queue_refuses_calls(max_size: int | None) -> None:
    harness = EngineHarness(lambda a: a, max_size=max_size, max_queue=2)
    harness.submit("x", a=1)
    harness.submit("y", a=2)

    with pytest.raises(Unavailable, match="2 requests wait"):
        harness.submit("z", a=3)
    with pytest.raises(Unavailable):
        harness.engine.check_room()

    assert harness.engine.waiting() == 2
    assert harness.work() == {"x": 1, "y": 2}


def test_stale_calls_take_no_place_in_a_full_queue_and_are_answered() -> None:
    harness = EngineHarness(lambda a: a, max_queue=2)
    harness.submit("late", deadline=time.monotonic() - 1, a=1)
    harness.submit("gone", a=2).abandoned = True

    harness.engine.check_room()
    harness.submit("x", a=3)
    outcomes = harness.work()

    assert isinstance(outcomes.pop("late"), DeadlineExceeded)
    assert outcomes == {"x": 3}


def test_a_closed_engine_takes_nothing_and_finishes_what_waits() -> None:
    harness = EngineHarness(lambda a: a)
    harness.submit("x", a=1)

    assert not harness.engine.close(0)
    with pytest.raises(Unavailable):
        harness.submit("y", a=2)
    with pytest.raises(Unavailable):
        harness.engine.check_room()

    assert harness.work() == {"x": 1}


def test_an_outcome_that_cant_be_delivered_holds_up_no_other() -> None:
    harness = EngineHarness(lambda a: a)

    def finish(result: Any, error: Exception | None) -> None:
        raise OSError

    harness.engine.submit(QueuedCall({"a": 1}, None, "x", on_finish=finish))
    harness.submit("y", a=2)

    assert harness.work() == {"y": 2}


def exit_at_one(a: int) -> int:
    if a == 1:
        raise SystemExit(3)
    return a


def test_a_handler_that_exits_fails_its_call_alone() -> None:
    harness = EngineHarness(exit_at_one, max_size=None)
    harness.submit("x", a=1)
    harness.submit("y", a=2)

    harness.work()

    assert isinstance(harness.outcomes["x"], HandlerFailed)
    assert harness.outcomes["y"] == 2
    assert harness.engine.running() == 0


def test_threads_of_the_engine_survive_a_handler_that_exits() -> None:
    harness = EngineHarness(exit_at_one, max_size=None)
    harness.engine.start()
    harness.submit("x", a=1)
    harness.submit("y", a=2)

    wait_until(lambda: len(harness.outcomes) == 2)

    assert harness.outcomes["y"] == 2
    assert harness.engine.close(TIMEOUT)


@pytest.mark.parametrize("threads", [1, 3])
def test_as_many_runs_are_under_way_as_there_are_threads(threads: int) -> None:
    handler = BlockingHandler()
    harness = EngineHarness(handler, max_size=None, threads=threads)
    harness.engine.start()
    for n in range(6):
        harness.submit(str(n), a=n)

    wait_until(lambda: len(handler.inside) == threads and harness.engine.waiting() == 6 - threads)
    assert harness.engine.running() == threads
    handler.released = True

    assert harness.engine.close(TIMEOUT)
    assert harness.outcomes == {str(n): n for n in range(6)}


def test_calls_that_come_while_a_batch_runs_share_the_next() -> None:
    handler = BlockingHandler()
    harness = EngineHarness(handler, max_size=4)
    harness.engine.start()
    harness.submit("0", a=0)
    wait_until(lambda: handler.inside == [[0]])
    for n in range(1, 7):
        harness.submit(str(n), a=n)
    handler.released = True

    assert harness.engine.close(TIMEOUT)
    assert harness.runs() == [1, 4, 2]
    assert harness.outcomes == {str(n): n for n in range(7)}


def test_a_call_that_is_joined_by_no_other_runs_all_the_same() -> None:
    """Eight callers train the policy to wait for eight; then one call comes alone, to an empty queue."""

    def handler(a: list[int]) -> list[int]:
        time.sleep(0.02)
        return a

    harness = EngineHarness(handler, max_size=8)
    harness.engine.start()
    for round_ in range(4):
        for n in range(8):
            harness.submit(f"{round_}-{n}", a=n)
        wait_until(lambda: len(harness.outcomes) == 8 * (round_ + 1))  # noqa: B023  # evaluated before it changes

    harness.submit("alone", a=1)

    wait_until(lambda: "alone" in harness.outcomes)
    assert harness.engine.close(TIMEOUT)


def test_close_gives_up_waiting_for_a_run_that_does_not_end() -> None:
    handler = BlockingHandler()
    harness = EngineHarness(handler, max_size=None)
    harness.engine.start()
    harness.submit("x", a=1)
    wait_until(lambda: handler.inside == [1])

    assert not harness.engine.close(0.001)

    handler.released = True
    assert harness.engine.close(TIMEOUT)


def test_idle_threads_leave_when_the_engine_is_closed() -> None:
    harness = EngineHarness(lambda a: a, threads=3)
    workers = [threading.Thread(target=harness.engine.work) for _ in range(3)]
    for worker in workers:
        worker.start()

    assert harness.engine.close(TIMEOUT)
    for worker in workers:
        worker.join(TIMEOUT)

    assert not any(worker.is_alive() for worker in workers)


@pytest.mark.parametrize("max_size", [None, 8])
def test_no_call_is_lost_between_many_submitters_and_many_workers(max_size: int | None) -> None:
    harness = EngineHarness(lambda a: a, max_size=max_size, threads=3)
    harness.engine.start()

    def submit(start: int) -> None:
        for n in range(start, start + 50):
            harness.submit(str(n), a=n)

    callers = [threading.Thread(target=submit, args=(start,)) for start in range(0, 400, 50)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(TIMEOUT)

    assert harness.engine.close(TIMEOUT)
    assert harness.outcomes == {str(n): n for n in range(400)}
