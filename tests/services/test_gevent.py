"""What is particular to Gunicorn's gevent worker: who holds its hub, and who leaves it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.services.serving import Service, serve

pytestmark = pytest.mark.processes

SECONDS = 1.5
HELD = "held gevent's hub for"


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    target = "tests.services.shared_state_apps:computing()"
    with serve(target, worker_class="gevent", workers=1) as started:
        yield started


def post(service: Service, path: str, seconds: float) -> float:
    """Return the seconds until the answer."""
    answer = httpx.post(f"{service.url}{path}", json={"seconds": seconds}, timeout=60)
    return answer.raise_for_status().elapsed.total_seconds()


def test_a_handler_on_native_threads_leaves_the_hub_to_others(service: Service) -> None:
    with ThreadPoolExecutor(1) as caller:
        computing = caller.submit(post, service, "/native", SECONDS)
        answered = 0
        while not computing.done():
            httpx.get(f"{service.url}/livez", timeout=60).raise_for_status()
            answered += 1

    assert answered > 2
    assert HELD not in service.log()


def test_a_handler_that_holds_the_hub_is_told_of_once(service: Service) -> None:
    for _ in range(2):
        post(service, "/compute", SECONDS)

    assert service.log().count(f"compute {HELD}") == 1
