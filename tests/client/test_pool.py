"""Connections are taken by one thread at a time, kept for a while, and closed when they are not wanted."""

import itertools
import math
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from aylien_model_serving.client import TimedOut
from aylien_model_serving.client._sync.pool import ConnectionPool


class Made:
    """Makes lanes, and remembers them."""

    def __init__(self) -> None:
        self.lanes: list[httpx.Client] = []

    def __call__(self) -> httpx.Client:
        lane = httpx.Client(transport=httpx.MockTransport(lambda request: httpx.Response(200)))
        self.lanes.append(lane)
        return lane

    def open(self) -> int:
        return sum(not lane.is_closed for lane in self.lanes)


@pytest.fixture
def made() -> Made:
    return Made()


def test_the_lane_that_was_used_last_is_taken_first(made: Made) -> None:
    lanes = ConnectionPool(made, 10, 10, math.inf)
    first, second = lanes.take(0), lanes.take(0)
    lanes.give(first)
    lanes.give(second)

    assert lanes.take(0) is second
    assert len(made.lanes) == 2


def test_there_are_no_more_lanes_than_may_be(made: Made) -> None:
    lanes = ConnectionPool(made, 1, 1, math.inf)
    taken = lanes.take(0)

    with pytest.raises(TimedOut, match="raise max_connections"):
        lanes.take(0.01)
    lanes.give(taken)
    assert lanes.take(0) is taken


def test_whoever_waits_gets_the_lane_that_is_given_back(made: Made) -> None:
    lanes = ConnectionPool(made, 1, 1, math.inf)
    taken = lanes.take(0)

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(lanes.take, 30)
        lanes.give(taken)

        assert waiting.result(30) is taken


def test_lanes_over_the_number_that_is_kept_are_closed(made: Made) -> None:
    lanes = ConnectionPool(made, 3, 1, math.inf)
    for lane in [lanes.take(0) for _ in range(3)]:
        lanes.give(lane)

    assert made.open() == 1


def test_lanes_that_have_waited_too_long_are_closed(made: Made) -> None:
    times = itertools.count(1000.0, 10.0)
    lanes = ConnectionPool(made, 3, 3, 15.0, lambda: next(times))
    taken = [lanes.take(0) for _ in range(3)]

    for lane in taken:
        lanes.give(lane)

    assert [lane.is_closed for lane in taken] == [True, False, False]


def test_lanes_in_use_are_closed_when_they_are_given_back(made: Made) -> None:
    lanes = ConnectionPool(made, 2, 2, math.inf)
    idle, taken = lanes.take(0), lanes.take(0)
    lanes.give(idle)

    lanes.close()

    assert (idle.is_closed, taken.is_closed) == (True, False)
    lanes.give(taken)
    assert taken.is_closed


def test_a_lane_may_come_back_while_its_thread_gives_another_one_back(made: Made) -> None:
    collected: list[httpx.Client] = []

    def collect() -> float:
        if collected:
            lanes.give(collected.pop())
        return 1000.0

    lanes = ConnectionPool(made, 2, 2, math.inf, collect)
    lane, left = lanes.take(0), lanes.take(0)
    collected.append(left)

    giving = threading.Thread(target=lanes.give, args=(lane,), daemon=True)
    giving.start()
    giving.join(30)

    assert not giving.is_alive()
    assert {lanes.take(0), lanes.take(0)} == {lane, left}


def test_threads_that_take_and_give_lose_no_lane(made: Made) -> None:
    lanes = ConnectionPool(made, 3, 2, math.inf)

    def use(_: int) -> None:
        lanes.give(lanes.take(30))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(use, range(500)))
    lanes.close()

    assert made.open() == 0


def test_a_lane_that_can_not_be_made_takes_no_place() -> None:
    def fail() -> Any:
        raise OSError("no certificates")

    lanes = ConnectionPool(fail, 1, 1, math.inf)

    for _ in range(2):
        with pytest.raises(OSError, match="no certificates"):
            lanes.take(0)
