"""Clients that wait for a job or follow a stream, and what is left to others: on threads, greenlets, a loop.

The sync worker answers one request at a time, and has none to leave.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import pytest

from tests.selection import full
from tests.services.raw_http import Connection, ask, connect, get, head, post
from tests.services.serving import BRIEF_SECONDS, Service, launch, serve

pytestmark = pytest.mark.processes

APP = "tests.services.frame_apps:lasting"
MEMORY = {"MODEL_SERVING_JOBS_URL": "memory://"}

#: Clients that are idle on an event loop or in greenlets at the same time.
MANY = 300

#: Seconds in which a health check has to be answered: a probe's usual timeout, where eight tests run at once.
HEALTHY_SECONDS = 1.0

Start = Callable[[], AbstractContextManager[Service]]


def gunicorn(worker_class: str, *args: str) -> Start:
    return lambda: serve(f"{APP}()", worker_class=worker_class, workers=1, env=MEMORY, args=args)


def program(*words: str) -> Start:
    command = [sys.executable, "-m", *words, "--port", "{port}"]
    return lambda: launch(command, env=MEMORY, stop_seconds=BRIEF_SECONDS)


@pytest.fixture
def threaded() -> Iterator[Service]:
    with gunicorn("gthread", "--threads", "4")() as service:
        yield service


def long_job(service: Service) -> str:
    answer = ask(service.port, post({"seconds": 600}, path="/last"))
    assert answer.status == 202, answer
    job_id: str = answer.json()["job_id"]
    return job_id


def assert_healthy(service: Service) -> None:
    """See that a health check and a call are answered at once; the best of some tries, on a busy machine."""

    def seconds(request: bytes) -> float:
        begun = time.monotonic()
        assert ask(service.port, request).status == 200
        return time.monotonic() - begun

    for request in (get("/livez"), get("/readyz"), post({"text": "a"}, path="/echo")):
        assert min(seconds(request) for _ in range(3)) < HEALTHY_SECONDS


def status_of(connection: Connection) -> bytes:
    """Return the status line of the answer that has begun."""
    return connection.socket.recv(64).partition(b"\r\n")[0]


IDLE = {
    "waits": "/status/{job}?wait=300",
    "streams of a job": "/stream/{job}",
    "streams of a handler": "/count?to=1000&pause=10",
}


@pytest.mark.parametrize("idle", IDLE)
def test_four_threads_answer_others_whatever_four_clients_wait_for(threaded: Service, idle: str) -> None:
    job = long_job(threaded)

    with ExitStack() as clients:
        for _ in range(4):
            clients.enter_context(connect(threaded.port)).send(get(IDLE[idle].format(job=job)))
        assert_healthy(threaded)
        refused = ask(threaded.port, get(f"/status/{job}?wait=300"))
        answered = ask(threaded.port, get(f"/status/{job}"))

    assert (refused.status, refused.json()["code"]) == (503, "unavailable")
    assert int(refused.headers["retry-after"]) > 0
    assert answered.status == 200


def test_a_place_is_free_again_when_its_client_has_left(threaded: Service) -> None:
    def streams_to_its_end() -> bool:
        with connect(threaded.port) as client:
            client.send(get("/count?to=3&pause=0.01"))
            received = b""
            while not received.endswith((b"0\r\n\r\n", b"}")):
                received += client.socket.recv(4096)
            return received.startswith(b"HTTP/1.1 200")

    for _ in range(6):
        threaded.wait_until(streams_to_its_end)


def threads_of(service: Service) -> int:
    """Return how many threads the service's busiest process has."""
    return max(len(list(Path(f"/proc/{pid}/task").iterdir())) for pid in (*service.workers(), service.pid))


SERVERS = {
    "asgi": gunicorn("asgi"),
    "gevent": gunicorn("gevent"),
    "uvicorn": program("uvicorn", "--factory", APP),
    "granian asgi": program("granian", "--interface", "asgi", "--factory", APP),
}


def test_greenlets_answer_others_whatever_all_connections_wait_for() -> None:
    with gunicorn("gevent", "--worker-connections", "20")() as service, ExitStack() as clients:
        job = long_job(service)
        waiting = head("Connection: close", method="GET", path=f"/status/{job}?wait=300")
        for _ in range(20):
            clients.enter_context(connect(service.port)).send(waiting)

        assert_healthy(service)


@pytest.mark.parametrize(
    "server", ["asgi", *(pytest.param(name, marks=full) for name in SERVERS if name != "asgi")]
)
def test_hundreds_of_clients_wait_without_threads(server: str) -> None:
    with SERVERS[server]() as service, ExitStack() as clients:
        job = long_job(service)
        assert_healthy(service)
        before = threads_of(service)
        for number in range(MANY):
            path = f"/status/{job}?wait=300" if number % 3 == 0 else f"/stream/{job}"
            client = clients.enter_context(connect(service.port))
            client.send(get(path))
            if number % 3:
                assert b"200" in status_of(client)

        assert_healthy(service)
        assert threads_of(service) - before < 30
