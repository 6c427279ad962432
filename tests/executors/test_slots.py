"""Slots: so many calls at once, so many that wait, and the right one next."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

import pytest

from aylien_model_serving.errors import DeadlineExceeded, Unavailable
from aylien_model_serving.executors.latency import RunTime
from aylien_model_serving.executors.slots import Slots
from aylien_model_serving.executors.waiters import Waiters
from aylien_model_serving.process import native_threads

TIMEOUT = 10.0


def slots_of(count: int = 1, max_queue: int = 8, run_seconds: float = 0.0) -> Slots:
    run_time = RunTime()
    if run_seconds:
        run_time.ran(run_seconds)
    return Slots(count, max_queue, run_time, Waiters())


class Queue:
    """Calls on threads of their own, which note the order in which they get a slot."""

    def __init__(self, slots: Slots) -> None:
        self.slots = slots
        self.order: list[str] = []
        self.threads: list[threading.Thread] = []

    def add(self, name: str, seconds: float | None = None) -> None:
        """Have a call wait, and return once it does."""
        before = len(self.slots._waiters)
        thread = threading.Thread(target=self._call, args=(name, seconds))
        thread.start()
        self.threads.append(thread)
        wait_until(lambda: len(self.slots._waiters) > before)

    def _call(self, name: str, seconds: float | None) -> None:
        try:
            self.slots.take(None if seconds is None else time.monotonic() + seconds)
        except DeadlineExceeded:
            self.order.append(f"{name} is late")
        else:
            self.order.append(name)
            self.slots.give_back()

    def end(self) -> list[str]:
        """Return the order, once a slot has been given back and all calls have ended."""
        self.slots.give_back()
        for thread in self.threads:
            thread.join(TIMEOUT)
        return self.order


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_calls_go_in_the_order_in_which_they_came() -> None:
    slots = slots_of()
    slots.take(None)
    queue = Queue(slots)
    for name in "abc":
        queue.add(name)

    assert queue.end() == ["a", "b", "c"]
    assert slots.has_free()


def test_while_more_wait_than_can_be_served_in_time_the_newest_goes_first() -> None:
    slots = slots_of(run_seconds=TIMEOUT)
    slots.take(None)
    queue = Queue(slots)
    for name in "abc":
        queue.add(name, seconds=2 * TIMEOUT)

    assert queue.end() == ["c", "b", "a"]


def test_a_call_that_could_not_end_in_time_gives_up_before_its_deadline() -> None:
    slots = slots_of(run_seconds=TIMEOUT)
    slots.take(None)
    start = time.monotonic()

    with pytest.raises(DeadlineExceeded):
        slots.take(start + TIMEOUT + 0.01)

    assert time.monotonic() < start + TIMEOUT
    slots.give_back()
    assert slots.has_free()


def test_an_estimate_that_keeps_calls_from_running_is_doubted() -> None:
    slots = slots_of(run_seconds=TIMEOUT)
    slots.take(None)

    for _ in range(200):
        with pytest.raises(DeadlineExceeded):
            slots.take(time.monotonic() + 0.001)

    assert slots._run_time.expected() < 0.01


def test_a_call_that_finds_a_free_slot_runs_whatever_is_expected() -> None:
    slots_of(run_seconds=TIMEOUT).take(time.monotonic() + 0.001)


def test_no_more_calls_wait_than_may() -> None:
    slots = slots_of(max_queue=1)
    slots.take(None)
    queue = Queue(slots)
    queue.add("a")

    with pytest.raises(Unavailable, match="1 requests wait already"):
        slots.take(None)

    assert queue.end() == ["a"]


def test_calls_on_a_loop_wait_and_go_in_order() -> None:
    slots, order = slots_of(), []

    async def call(name: str) -> None:
        await slots.take_async(None)
        order.append(name)
        await asyncio.sleep(0)
        slots.give_back()

    async def all_calls() -> None:
        slots.take(None)
        calls = [asyncio.ensure_future(call(name)) for name in "abc"]
        await asyncio.sleep(0)
        slots.give_back()
        await asyncio.wait_for(asyncio.gather(*calls), TIMEOUT)

    native_threads.run_coroutine(all_calls())

    assert order == ["a", "b", "c"]
    assert slots.has_free()


def test_a_slot_that_is_given_to_all_is_free_for_whoever_comes_meanwhile() -> None:
    slots, order = slots_of(), []

    async def call(name: str) -> None:
        await slots.take_async(None)
        order.append(name)
        slots.give_back_to_all()

    async def all_calls() -> None:
        slots.take(None)
        calls = [asyncio.ensure_future(call(name)) for name in "abc"]
        await asyncio.sleep(0)
        slots.give_back_to_all()
        assert slots.has_free()
        await call("new")
        await asyncio.wait_for(asyncio.gather(*calls), TIMEOUT)

    native_threads.run_coroutine(all_calls())

    assert order == ["new", "a", "b", "c"]
    assert slots.has_free()
    assert not slots._waiters


def test_a_cancelled_call_takes_no_slot_along() -> None:
    slots = slots_of()

    async def cancelled() -> None:
        slots.take(None)
        before = asyncio.ensure_future(slots.take_async(None))
        after = asyncio.ensure_future(slots.take_async(None))
        await asyncio.sleep(0)
        before.cancel()
        slots.give_back()
        after.cancel()  # it has the slot, and does not know it yet
        await asyncio.wait({before, after})

    native_threads.run_coroutine(cancelled())

    assert slots.has_free()
    assert not slots._waiters


def test_on_a_loop_a_call_gives_up_in_time() -> None:
    slots = slots_of()

    async def late() -> None:
        slots.take(None)
        await slots.take_async(time.monotonic() + 0.01)

    with pytest.raises(DeadlineExceeded):
        native_threads.run_coroutine(late())
    assert not slots._waiters


def test_many_threads_share_the_slots_and_none_is_lost() -> None:
    slots, running, most = slots_of(count=3, max_queue=100), [], []

    def work() -> None:
        for _ in range(200):
            slots.take(None)
            running.append(1)
            most.append(len(running))
            running.pop()
            slots.give_back()

    threads = [threading.Thread(target=work) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(6 * TIMEOUT)

    assert max(most) <= 3
    assert len(slots._free) == 3
    assert not slots._waiters
