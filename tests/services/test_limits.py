"""Limits of running services: workers count together, and so do machines that share a Redis."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.selection import full, matrix
from tests.services.raw_http import Answer, ask, post
from tests.services.redis_server import redis_server
from tests.services.serving import Service, serve
from tests.services.test_asgi_servers import SERVERS
from tests.services.test_caching import redis_config

pytestmark = pytest.mark.processes

LIMITED = "tests.services.limited_apps:limited"
ALLOWED, ASKED = 20, 50


def gunicorn(worker_class: str) -> Callable[[str, int], AbstractContextManager[Service]]:
    return lambda app, workers: serve(f"{app}()", worker_class=worker_class, workers=workers)


STARTS = {
    **{kind: gunicorn(kind) for kind in ("gthread", "gevent", "sync")},
    **{name: server.start for name, server in SERVERS.items()},
}


def ask_often(service: Service, path: str = "/", times: int = ASKED) -> Counter[int]:
    """Send requests on connections of their own, some at once, and return how many have which status."""
    with ThreadPoolExecutor(4) as pool:
        answers = pool.map(lambda _: ask(service.port, post({"text": "a"}, path=path)), range(times))
        return Counter(answer.status for answer in answers)


def workers_of(service: Service) -> int:
    """Return how many workers have answered some requests."""
    asked = [ask(service.port, post({}, path="/worker")).json()["worker"] for _ in range(20)]
    return len(set(asked))


@pytest.mark.parametrize("server", matrix(STARTS, "gevent", "uvicorn"))
def test_the_workers_of_a_service_count_together(server: str) -> None:
    with STARTS[server](LIMITED, 2) as service:
        service.wait_until(lambda: workers_of(service) == 2)

        found = ask_often(service)

        assert found == {200: ALLOWED, 429: ASKED - ALLOWED}
        assert ask(service.port, post({"text": "a"}, path="/other")).status == 200


def gate_call(service: Service, gate: Path) -> Callable[[], Answer | None]:
    def call() -> Answer | None:
        try:
            return ask(service.port, post({"folder": str(gate)}, path="/gate"))
        except (AssertionError, ConnectionError):
            return None

    return call


def test_calls_that_run_count_over_all_workers_until_their_worker_dies(tmp_path: Path) -> None:
    with (
        serve(f"{LIMITED}()", workers=2, args=("--threads", "4")) as service,
        ThreadPoolExecutor(1) as pool,
    ):
        service.wait_until(lambda: workers_of(service) == 2)
        before = service.workers()
        running = pool.submit(gate_call(service, tmp_path))
        service.wait_until(lambda: (tmp_path / "entered").exists())
        refused = [ask(service.port, post({"folder": str(tmp_path)}, path="/gate")) for _ in range(6)]

        for worker in before:
            os.kill(worker, signal.SIGKILL)
        running.result()
        (tmp_path / "open").touch()
        service.wait_until(lambda: set(service.workers()).isdisjoint(before))
        service.wait_until(lambda: service.status("/__ping") == 200)

        assert {answer.status for answer in refused} == {429}
        assert ask(service.port, post({"folder": str(tmp_path)}, path="/gate")).status == 200


@full
def test_a_reload_forgets_no_count() -> None:
    with serve(f"{LIMITED}()", workers=1) as service:
        first, before = ask_often(service, times=15), service.workers()
        os.kill(service.pid, signal.SIGHUP)
        service.wait_until(lambda: set(service.workers()).isdisjoint(before))

        assert (first, ask_often(service, times=15)) == ({200: 15}, {200: 5, 429: 10})


@full
def test_a_limit_is_counted_before_the_replica() -> None:
    with serve("tests.services.limited_apps:hosted()", workers=2, ready="/readyz") as service:
        assert ask_often(service) == {200: ALLOWED, 429: ASKED - ALLOWED}


@pytest.mark.parametrize("worker_class", matrix(("asgi", "gevent"), "asgi"))
def test_machines_count_together_in_a_redis_and_do_without_it(worker_class: str) -> None:
    with redis_server() as server:
        env = redis_config(server)
        with (
            serve(f"{LIMITED}()", worker_class=worker_class, workers=1, env=env) as one,
            serve(f"{LIMITED}()", worker_class=worker_class, workers=1, env=env) as other,
        ):
            together = ask_often(one, times=15) + ask_often(other, times=15)
            server.kill()
            alone = ask_often(one)

            assert together == {200: ALLOWED, 429: 30 - ALLOWED}
            assert alone == {200: ALLOWED, 429: ASKED - ALLOWED}
            assert one.log().count("Redis does not count calls") == 1
