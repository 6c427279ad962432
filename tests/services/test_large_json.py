"""A large body of JSON on an event loop or gevent's hub: health checks are answered while it is read."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from tests.selection import full
from tests.services.raw_http import Answer, ask, connect, get, request
from tests.services.serving import BRIEF_SECONDS, Service, launch, serve

pytestmark = pytest.mark.processes

APP = "tests.services.apps:answering"

MEBIBYTE = 1024 * 1024

#: 8 MB of nested arrays, less what the rest of the object takes.
NESTED = b'{"rows": [' + b",".join([b"[1.5,2.5]"] * (8 * MEBIBYTE // 10 - 100)) + b"]}"

#: Seconds in which a health check is answered by a service that has a processor of its own.
PROMPT = 0.1

#: How much longer it may take where several tests run at once, at the worst moment of the best of three runs.
BUSY = 8


def program(*words: str) -> Callable[[], AbstractContextManager[Service]]:
    command = [sys.executable, "-m", *words, "--port", "{port}"]
    return lambda: launch(command, stop_seconds=BRIEF_SECONDS)


SERVERS = {
    "asgi": lambda: serve(f"{APP}()", worker_class="asgi", workers=1),
    "gevent": lambda: serve(f"{APP}()", worker_class="gevent", workers=1),
    "uvicorn": program("uvicorn", "--factory", APP),
    "granian asgi": program("granian", "--interface", "asgi", "--factory", APP),
}


class Posting(threading.Thread):
    """A client that sends a large body, and gets its answer."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self._port = port
        self.answer: Answer | None = None

    def run(self) -> None:
        self.answer = ask(self._port, request(NESTED, "Content-Type: application/json", path="/everything"))


def seconds_of_health_checks(service: Service) -> list[float]:
    """Return how long each health check took while a large body was read, sorted."""
    posting, taken = Posting(service.port), []
    with connect(service.port) as health:
        posting.start()
        while posting.is_alive():
            begun = time.monotonic()
            answer = health.ask(get("/livez"))
            taken.append(time.monotonic() - begun)
            assert answer is not None
            assert answer.status == 200
    assert posting.answer is not None
    assert posting.answer.status == 200, posting.answer
    return sorted(taken)


@pytest.mark.parametrize(
    "server", ["asgi", *(pytest.param(name, marks=full) for name in SERVERS if name != "asgi")]
)
def test_health_checks_are_answered_while_8_mb_of_nested_arrays_are_read(server: str) -> None:
    with SERVERS[server]() as service:
        runs = [seconds_of_health_checks(service) for _ in range(3)]

    medians = [taken[len(taken) // 2] for taken in runs]
    assert min(medians) < PROMPT, runs
    assert min(taken[-1] for taken in runs) < BUSY * PROMPT, runs
