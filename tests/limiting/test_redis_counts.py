"""Counts in a Redis that several machines share, and what is done without it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from aylien_model_serving.limiting.machine_counts import MachineCounts
from aylien_model_serving.limiting.rates import Rate
from aylien_model_serving.limiting.redis_counts import RETRY_SECONDS, RedisCounts
from aylien_model_serving.limiting.windows import Counts
from tests.limiting.clock import Clock
from tests.limiting.test_machine_counts import key_of
from tests.services.redis_server import RedisServer, redis_server

pytestmark = pytest.mark.processes

HOUR = Rate(10, 3600, "hour")


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture
def machine(server: RedisServer) -> Iterator[Callable[[Clock], RedisCounts]]:
    """Returns counts as each of several machines has them."""
    pools: list[redis.ConnectionPool] = []

    def make(clock: Clock) -> RedisCounts:
        pools.append(redis.ConnectionPool(port=server.port, retry=Retry(NoBackoff(), 0), socket_timeout=1.0))
        return RedisCounts(pools[-1], "a service ", MachineCounts(), clock)

    yield make
    for pool in pools:
        pool.disconnect()


def allowed(counts: Counts, calls: int) -> int:
    hits = [counts.hit(HOUR, key_of("client")) for _ in range(calls)]
    return sum(hit is not None and hit.is_allowed for hit in hits)


def test_machines_count_together(server: RedisServer, machine: Callable[[Clock], RedisCounts]) -> None:
    clock = Clock(0)
    one, other = machine(clock), machine(clock)

    assert (allowed(one, 4), allowed(other, 20), allowed(one, 3)) == (4, 6, 0)
    assert all(name.startswith("a service limit:") for name in server.entries())
    refused = other.hit(HOUR, key_of("client"))
    assert refused is not None
    assert (refused.is_allowed, refused.remaining) == (False, 0)
    assert 3590 < refused.reset <= 3601


def test_without_redis_the_machine_counts_until_it_is_back(
    server: RedisServer, machine: Callable[[Clock], RedisCounts], caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock(0)
    counts = machine(clock)
    allowed(counts, 4)

    server.kill()
    with caplog.at_level(logging.WARNING):
        meanwhile = allowed(counts, 20)
    server.start()
    still_away = allowed(counts, 1)
    clock.now = RETRY_SECONDS
    again = allowed(counts, 20)

    assert (meanwhile, still_away, again) == (10, 0, 10)
    assert [record.message.partition(";")[0] for record in caplog.records] == [
        "Redis does not count calls",
        "Redis counts calls again",
    ]
