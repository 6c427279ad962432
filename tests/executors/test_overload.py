"""Under overload a queue answers as many calls in time as without: simulated in virtual time."""

from __future__ import annotations

import random

import pytest

from aylien_model_serving.executors.latency import RunTime
from aylien_model_serving.executors.overload import takes_newest_first
from aylien_model_serving.executors.queue import CallQueue, QueuedCall

RUN_SECONDS = 0.2
TIMEOUT = 0.5
MAX_QUEUE = 64
SECONDS = 60.0


def goodput(calls_a_second: float, *, batch: int = 1, at_once: int = 4, estimates: bool = True) -> float:
    """Return how many calls a second are answered in time by handlers that take calls from one queue."""
    chance = random.Random(7)
    queue, run_time, arrival, good = CallQueue(), RunTime(), 0.0, 0
    free_at = [0.0] * at_once
    while arrival < SECONDS:
        arrival += chance.expovariate(calls_a_second)
        while queue and min(free_at) <= arrival:
            now = free_at[0] = max(min(free_at), queue.first.arrived)
            taken = queue.take(batch, now, at_once, run_time.expected() if estimates else 0.0)
            if queue.take_stale():
                run_time.doubt()
            if not taken:
                continue
            seconds = RUN_SECONDS * chance.uniform(0.9, 1.1)
            run_time.ran(seconds)
            good += sum(not call.is_late(now + seconds) for call in taken)
            free_at[0] = now + seconds
            free_at.sort()
        if len(queue) < MAX_QUEUE:
            call = QueuedCall({}, arrival + TIMEOUT, "", on_finish=lambda result, error: None)
            call.arrived = arrival
            queue.append(call)
    return good / SECONDS


CAPACITY = {batch: 4 * batch / RUN_SECONDS for batch in (1, 8)}


@pytest.mark.parametrize("factor", [3, 10])
@pytest.mark.parametrize("batch", CAPACITY)
def test_goodput_stays_at_its_peak(batch: int, factor: int) -> None:
    assert goodput(factor * CAPACITY[batch], batch=batch) > 0.95 * CAPACITY[batch]


def test_served_oldest_first_nearly_all_calls_would_come_too_late() -> None:
    assert goodput(3 * CAPACITY[1], estimates=False) < 0.5 * CAPACITY[1]


def test_a_queue_that_can_be_served_in_time_goes_by_age() -> None:
    assert not takes_newest_first(4, 2, 0.1, patience=0.3)
    assert takes_newest_first(8, 2, 0.1, patience=0.3)
    assert not takes_newest_first(1000, 1, 10.0, patience=None)
