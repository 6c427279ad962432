"""Limits of running services: workers count together, and so do machines that share a Redis."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.selection import full, matrix
from tests.services.raw_http import Answer, ask, connect, post
from tests.services.redis_server import redis_server
from tests.services.serving import Service, launch, serve
from tests.services.test_asgi_servers import SERVERS
from tests.services.test_caching import redis_config

pytestmark = pytest.mark.processes

LIMITED = "tests.services.limited_apps:limited"
ALLOWED, ASKED = 20, 50
PATIENCE_SECONDS = 30.0


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


@pytest.mark.parametrize("server", matrix(STARTS, "gevent"))
def test_the_workers_of_a_service_count_together(server: str) -> None:
    with STARTS[server](LIMITED, 2) as service:
        service.wait_until(lambda: workers_of(service) == 2)

        found = ask_often(service)

        assert found == {200: ALLOWED, 429: ASKED - ALLOWED}
        assert ask(service.port, post({"text": "a"}, path="/other")).status == 200


#: Servers one of whose workers streams, and answers others meanwhile.
CONCURRENT = ("gevent", "gunicorn asgi", "uvicorn", "granian asgi")


@pytest.mark.parametrize("server", matrix(CONCURRENT, "gunicorn asgi"))
def test_a_client_that_leaves_its_stream_gives_its_place_back(server: str) -> None:
    long, short = (post({"number": number}, "Connection: close", path="/stream") for number in (100_000, 1))
    with STARTS[server](LIMITED, 2) as service:
        with connect(service.port) as connection:
            connection.send(long)
            connection.socket.recv(1)
            meanwhile = [ask(service.port, short).status for _ in range(4)]

        service.wait_until(lambda: ask(service.port, short).status == 200)

        assert meanwhile == [429] * 4


def ask_unix_socket(path: Path, client: str) -> str:
    """Return what is left of a limit, as the proxy at a service's Unix socket is told."""
    body = b'{"text":"a"}'
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(PATIENCE_SECONDS)
        connection.connect(str(path))
        head = "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n"
        head += f"X-Forwarded-For: {client}\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)
        with connection.makefile("rb") as answer:
            [line] = [line for line in answer.read().splitlines() if line.lower().startswith(b"ratelimit:")]
    return line.decode().partition(";")[2].partition(";")[0]


def accepts(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as connection:
        return connection.connect_ex(str(path)) == 0


UNIX_SERVERS = {
    "gunicorn": ("gunicorn", "--no-control-socket", "--bind", "unix:{socket}", "--worker-class", "gthread"),
    "gunicorn asgi": ("gunicorn", "--no-control-socket", "--bind", "unix:{socket}", "--worker-class", "asgi"),
    "uvicorn": ("uvicorn", "--factory", "--uds", "{socket}"),
    "granian": ("granian", "--interface", "asgi", "--factory", "--uds", "{socket}"),
}


@full
@pytest.mark.parametrize("server", UNIX_SERVERS)
def test_a_proxy_at_a_unix_socket_is_believed_who_its_clients_are(server: str, tmp_path: Path) -> None:
    path = tmp_path / "service"
    words = [word.format(socket=path) for word in UNIX_SERVERS[server]]
    app = LIMITED if "--factory" in words else f"{LIMITED}()"
    env = {"MODEL_SERVING_TRUSTED_PROXIES": "unix"}

    with launch([sys.executable, "-m", *words, app], env=env, ready=None) as service:
        service.wait_until(lambda: accepts(path))
        left = [ask_unix_socket(path, client) for client in ("1.1.1.1", "1.1.1.1", "2.2.2.2")]

    assert left == ["r=19", "r=18", "r=19"]


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
