"""Connections are used by one thread at a time, kept for a while, and closed when they are not wanted."""

import itertools
import math
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from aylien_model_serving.client import TimedOut
from aylien_model_serving.client._sync.pool import ConnectionPool


class Connector:
    """Makes connections, and remembers them."""

    def __init__(self) -> None:
        self.connections: list[httpx.Client] = []

    def __call__(self) -> httpx.Client:
        connection = httpx.Client(transport=httpx.MockTransport(lambda request: httpx.Response(200)))
        self.connections.append(connection)
        return connection

    def open(self) -> int:
        return sum(not connection.is_closed for connection in self.connections)


@pytest.fixture
def connect() -> Connector:
    return Connector()


def test_the_connection_that_was_used_last_is_acquired_first(connect: Connector) -> None:
    pool = ConnectionPool(connect, 10, 10, math.inf)
    first, second = pool.acquire(0), pool.acquire(0)
    pool.release(first)
    pool.release(second)

    assert pool.acquire(0) is second
    assert len(connect.connections) == 2


def test_there_are_no_more_connections_than_the_maximum(connect: Connector) -> None:
    pool = ConnectionPool(connect, 1, 1, math.inf)
    used = pool.acquire(0)

    with pytest.raises(TimedOut, match="raise max_connections"):
        pool.acquire(0.01)
    pool.release(used)
    assert pool.acquire(0) is used


def test_whoever_waits_gets_the_connection_that_is_released(connect: Connector) -> None:
    pool = ConnectionPool(connect, 1, 1, math.inf)
    used = pool.acquire(0)

    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(pool.acquire, 30)
        pool.release(used)

        assert waiting.result(30) is used


def test_idle_connections_over_their_maximum_are_closed(connect: Connector) -> None:
    pool = ConnectionPool(connect, 3, 1, math.inf)
    for connection in [pool.acquire(0) for _ in range(3)]:
        pool.release(connection)

    assert connect.open() == 1


def test_connections_that_are_idle_for_too_long_are_closed(connect: Connector) -> None:
    times = itertools.count(1000.0, 10.0)
    pool = ConnectionPool(connect, 3, 3, 15.0, lambda: next(times))
    used = [pool.acquire(0) for _ in range(3)]

    for connection in used:
        pool.release(connection)

    assert [connection.is_closed for connection in used] == [True, False, False]


def test_connections_in_use_are_closed_when_they_are_released(connect: Connector) -> None:
    pool = ConnectionPool(connect, 2, 2, math.inf)
    idle, used = pool.acquire(0), pool.acquire(0)
    pool.release(idle)

    pool.close()

    assert (idle.is_closed, used.is_closed) == (True, False)
    pool.release(used)
    assert used.is_closed


def test_a_connection_may_be_released_while_its_thread_releases_another(connect: Connector) -> None:
    garbage: list[httpx.Client] = []

    def collect() -> float:
        if garbage:
            pool.release(garbage.pop())
        return 1000.0

    pool = ConnectionPool(connect, 2, 2, math.inf, collect)
    first, second = pool.acquire(0), pool.acquire(0)
    garbage.append(second)

    releasing = threading.Thread(target=pool.release, args=(first,), daemon=True)
    releasing.start()
    releasing.join(30)

    assert not releasing.is_alive()
    assert {pool.acquire(0), pool.acquire(0)} == {first, second}


def test_threads_that_acquire_and_release_lose_no_connection(connect: Connector) -> None:
    pool = ConnectionPool(connect, 3, 2, math.inf)

    def use(_: int) -> None:
        pool.release(pool.acquire(30))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(use, range(500)))
    pool.close()

    assert connect.open() == 0


def test_a_connection_that_can_not_be_made_takes_no_slot() -> None:
    def fail() -> Any:
        raise OSError("no certificates")

    pool = ConnectionPool(fail, 1, 1, math.inf)

    for _ in range(2):
        with pytest.raises(OSError, match="no certificates"):
            pool.acquire(0)
