"""The engine: who runs when, who is turned away, and who is told what."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from aylien_model_serving.errors import DeadlineExceeded, HandlerFailed, Unavailable
from aylien_model_serving.executors.engine import QueuedCall
from tests.executors.engines import PATIENCE, Bench, wait_until


class Held:
    """A handler of one call at a time that holds each until it is let go."""

    def __init__(self) -> None:
        self.inside: list[Any] = []
        self.let_go = False

    def __call__(self, a: Any) -> Any:
        self.inside.append(a)
        wait_until(lambda: self.let_go)
        return a


def test_without_batches_a_handler_gets_each_call_as_it_is() -> None:
    bench = Bench(lambda a, b=0: (a, b), max_size=None)
    bench.submit("x", a=1)
    bench.submit("y", a=2, b=3)

    assert bench.work() == {"x": (1, 0), "y": (2, 3)}
    assert bench.runs() == [1, 1]


def test_a_batch_is_told_in_order_and_settled_once() -> None:
    bench = Bench(lambda a: a)
    bench.submit("x", a=1)
    bench.submit("y", a=2)

    bench.work()

    assert bench.observer.told == [
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

    bench = Bench(handler, max_size=None)
    bench.submit("x", a=1)

    assert bench.work() == {"x": error}


def test_a_stream_is_pulled_while_the_calls_slot_is_taken() -> None:
    running: list[int] = []

    def handler(n: int) -> Iterator[int]:
        yield from range(n)

    bench = Bench(handler, max_size=None)

    def finish(result: Any, error: Exception | None) -> None:
        assert error is None
        running.extend(bench.engine.running() for _ in result)

    bench.engine.submit(QueuedCall({"n": 3}, None, "x", finish=finish))
    bench.work()

    assert running == [1, 1, 1]
    assert bench.engine.running() == 0


def test_dead_calls_do_not_reach_the_handler() -> None:
    bench = Bench(lambda a: a)
    bench.submit("late", deadline=time.monotonic() - 1, a=1)
    bench.submit("gone", a=2).abandoned = True
    bench.submit("fine", a=3)

    outcomes = bench.work()

    assert isinstance(outcomes.pop("late"), DeadlineExceeded)
    assert outcomes == {"fine": 3}
    assert bench.runs() == [1]
    dropped = [note for note in bench.observer.told if note[0] == "dropped"]
    assert dropped == [("dropped", "expired"), ("dropped", "abandoned")]


def test_dead_calls_alone_are_told_as_well() -> None:
    bench = Bench(lambda a: a)
    bench.submit("late", deadline=time.monotonic() - 1, a=1)

    assert isinstance(bench.work()["late"], DeadlineExceeded)
    assert bench.observer.told == [("dropped", "expired"), ("finished", "late"), "settled"]


def test_a_result_that_comes_after_the_deadline_is_none() -> None:
    bench = Bench(lambda a: a, max_size=None)
    job: list[QueuedCall] = []

    def handler(a: int) -> int:
        job[0].deadline = time.monotonic() - 1
        return a

    bench = Bench(handler, max_size=None)
    job.append(bench.submit("x", a=1))

    assert isinstance(bench.work()["x"], DeadlineExceeded)


def test_a_suspect_runs_alone() -> None:
    bench = Bench(lambda a: a)
    bench.submit("x", a=1)
    bench.submit("suspect", suspect=True, a=2)
    bench.submit("y", a=3)

    assert bench.work() == {"x": 1, "suspect": 2, "y": 3}
    assert bench.runs() == [2, 1]


@pytest.mark.parametrize("max_size", [None, 2])
def test_a_full_queue_turns_calls_away(max_size: int | None) -> None:
    bench = Bench(lambda a: a, max_size=max_size, max_queue=2)
    bench.submit("x", a=1)
    bench.submit("y", a=2)

    with pytest.raises(Unavailable, match="2 requests wait"):
        bench.submit("z", a=3)
    with pytest.raises(Unavailable):
        bench.engine.check_room()

    assert bench.engine.waiting() == 2
    assert bench.work() == {"x": 1, "y": 2}


def test_dead_calls_take_no_place_in_a_full_queue_and_are_told_all_the_same() -> None:
    bench = Bench(lambda a: a, max_queue=2)
    bench.submit("late", deadline=time.monotonic() - 1, a=1)
    bench.submit("gone", a=2).abandoned = True

    bench.engine.check_room()
    bench.submit("x", a=3)
    outcomes = bench.work()

    assert isinstance(outcomes.pop("late"), DeadlineExceeded)
    assert outcomes == {"x": 3}


def test_a_closed_engine_takes_nothing_and_finishes_what_waits() -> None:
    bench = Bench(lambda a: a)
    bench.submit("x", a=1)

    assert not bench.engine.close(0)
    with pytest.raises(Unavailable):
        bench.submit("y", a=2)
    with pytest.raises(Unavailable):
        bench.engine.check_room()

    assert bench.work() == {"x": 1}


def test_an_outcome_that_cant_be_delivered_keeps_nobody_elses_back() -> None:
    bench = Bench(lambda a: a)

    def finish(result: Any, error: Exception | None) -> None:
        raise OSError

    bench.engine.submit(QueuedCall({"a": 1}, None, "x", finish=finish))
    bench.submit("y", a=2)

    assert bench.work() == {"y": 2}


def exit_at_one(a: int) -> int:
    if a == 1:
        raise SystemExit(3)
    return a


def test_a_handler_that_exits_fails_its_call_and_leaves_the_loop_of_its_thread() -> None:
    bench = Bench(exit_at_one, max_size=None)
    bench.submit("x", a=1)

    with pytest.raises(SystemExit):
        bench.work()

    assert isinstance(bench.outcomes["x"], HandlerFailed)
    assert bench.engine.running() == 0


def test_threads_of_the_engine_go_on_after_a_handler_that_exits() -> None:
    bench = Bench(exit_at_one, max_size=None)
    bench.engine.start()
    bench.submit("x", a=1)
    bench.submit("y", a=2)

    wait_until(lambda: len(bench.outcomes) == 2)

    assert bench.outcomes["y"] == 2
    assert bench.engine.close(PATIENCE)


@pytest.mark.parametrize("threads", [1, 3])
def test_as_many_runs_are_under_way_as_there_are_threads(threads: int) -> None:
    handler = Held()
    bench = Bench(handler, max_size=None, threads=threads)
    bench.engine.start()
    for n in range(6):
        bench.submit(str(n), a=n)

    wait_until(lambda: len(handler.inside) == threads and bench.engine.waiting() == 6 - threads)
    assert bench.engine.running() == threads
    handler.let_go = True

    assert bench.engine.close(PATIENCE)
    assert bench.outcomes == {str(n): n for n in range(6)}


def test_calls_that_come_while_a_batch_runs_share_the_next() -> None:
    handler = Held()
    bench = Bench(handler, max_size=4)
    bench.engine.start()
    bench.submit("0", a=0)
    wait_until(lambda: handler.inside == [[0]])
    for n in range(1, 7):
        bench.submit(str(n), a=n)
    handler.let_go = True

    assert bench.engine.close(PATIENCE)
    assert bench.runs() == [1, 4, 2]
    assert bench.outcomes == {str(n): n for n in range(7)}


def test_a_call_whose_company_never_comes_runs_all_the_same() -> None:
    """Eight callers teach the policy to wait for eight; then one comes alone, to a queue that is empty."""

    def handler(a: list[int]) -> list[int]:
        time.sleep(0.02)
        return a

    bench = Bench(handler, max_size=8)
    bench.engine.start()
    for round_ in range(4):
        for n in range(8):
            bench.submit(f"{round_}-{n}", a=n)
        wait_until(lambda: len(bench.outcomes) == 8 * (round_ + 1))  # noqa: B023  # looked at before it changes

    bench.submit("alone", a=1)

    wait_until(lambda: "alone" in bench.outcomes)
    assert bench.engine.close(PATIENCE)


def test_close_gives_up_waiting_for_a_run_that_does_not_end() -> None:
    handler = Held()
    bench = Bench(handler, max_size=None)
    bench.engine.start()
    bench.submit("x", a=1)
    wait_until(lambda: handler.inside == [1])

    assert not bench.engine.close(0.001)

    handler.let_go = True
    assert bench.engine.close(PATIENCE)


def test_idle_threads_leave_when_the_engine_is_closed() -> None:
    bench = Bench(lambda a: a, threads=3)
    workers = [threading.Thread(target=bench.engine.work) for _ in range(3)]
    for worker in workers:
        worker.start()

    assert bench.engine.close(PATIENCE)
    for worker in workers:
        worker.join(PATIENCE)

    assert not any(worker.is_alive() for worker in workers)


@pytest.mark.parametrize("max_size", [None, 8])
def test_nothing_is_lost_between_many_who_submit_and_many_who_work(max_size: int | None) -> None:
    bench = Bench(lambda a: a, max_size=max_size, threads=3)
    bench.engine.start()

    def submit(start: int) -> None:
        for n in range(start, start + 50):
            bench.submit(str(n), a=n)

    callers = [threading.Thread(target=submit, args=(start,)) for start in range(0, 400, 50)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(PATIENCE)

    assert bench.engine.close(PATIENCE)
    assert bench.outcomes == {str(n): n for n in range(400)}
