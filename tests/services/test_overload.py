"""A service that is asked for more than it can do does what it can, and says no to the rest at once."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import httpx
import pytest

from tests.selection import matrix
from tests.services.overload_apps import BATCH, RUN_SECONDS, THREADS
from tests.services.serving import Service, serve

pytestmark = pytest.mark.processes

SECONDS = 3.0
FACTOR = 4

#: What a route can do at most, in calls a second.
CAPACITY = {
    "inline": THREADS / RUN_SECONDS,
    "batched": THREADS * BATCH / RUN_SECONDS,
    "hosted": THREADS / RUN_SECONDS,
}

#: The share of that which has to be answered whatever else this machine does; `bench` measures the real one.
LEAST = 0.5


class Answer(NamedTuple):
    status: int
    retry_after: str | None


@pytest.fixture(scope="module", params=matrix(["gthread", "gevent", "asgi"], "gthread", "asgi"))
def service(request: pytest.FixtureRequest) -> Iterator[Service]:
    threads = ("--threads", "64") if request.param == "gthread" else ()
    target = "tests.services.overload_apps:app()"
    with serve(target, worker_class=request.param, workers=1, args=threads, ready="/readyz") as started:
        yield started


async def overload(url: str, calls_a_second: float) -> tuple[list[Answer], list[Answer]]:
    """Call a route at a steady rate, whatever comes back, and another one meanwhile."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(base_url=url.rpartition("/")[0], limits=limits, timeout=30) as client:

        async def call(path: str) -> Answer:
            answer = await client.post(path, json={"number": 1})
            return Answer(answer.status_code, answer.headers.get("Retry-After"))

        calls, others, start = [], [], time.monotonic()
        for number in range(int(SECONDS * calls_a_second)):
            await asyncio.sleep(max(0.0, start + number / calls_a_second - time.monotonic()))
            calls.append(asyncio.ensure_future(call(url.rpartition("/")[2])))
            if not number % FACTOR:
                others.append(asyncio.ensure_future(call("other")))
        return await asyncio.gather(*calls), await asyncio.gather(*others)


@pytest.mark.parametrize("route", CAPACITY)
def test_overload_costs_neither_goodput_nor_the_other_routes(service: Service, route: str) -> None:
    answers, others = asyncio.run(overload(f"{service.url}/{route}", FACTOR * CAPACITY[route]))

    by_status = Counter(answer.status for answer in answers)
    assert set(by_status) <= {200, 503, 504}, by_status
    assert by_status[200] >= LEAST * CAPACITY[route] * SECONDS, by_status
    assert all(answer.retry_after for answer in answers if answer.status == 503)
    assert {answer.status for answer in others} == {200}
