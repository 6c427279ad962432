"""Stops while clients connect and ask as fast as they can: who has connected is answered."""

from __future__ import annotations

import pytest

from tests.selection import full, matrix
from tests.services.clients import Client, answered, asking, failures
from tests.services.hosts import wait_until
from tests.services.raw_http import ask, post
from tests.services.serving import Service, serve

pytestmark = pytest.mark.processes

APP = "tests.services.apps:answering()"
WORKER_CLASSES = ("asgi", "gevent", "gthread", "sync")
WORKERS = 2
CLIENTS = 8

#: Answers before the stop.
BEFORE = 200

#: Calls of one stop that may come in the very moment of the close; of an unread backlog, nearly all are lost.
AT_THE_CLOSE = 1

#: Stops of the full run, and how many calls may be lost in all of them.
STOPS, LOST = 8, 2


def lost_at_a_stop(worker_class: str) -> list[str]:
    """Return how calls failed, except those that were refused a connection."""
    with serve(APP, worker_class=worker_class, workers=WORKERS) as service:
        seen: set[bytes] = set()
        wait_until(lambda: seen.add(worker_of(service)) or len(seen) == WORKERS)
        clients = [Client(service) for _ in range(CLIENTS)]
        with asking(clients):
            wait_until(lambda: answered(clients) >= BEFORE)
            service.process.terminate()
            service.process.wait(30)
    return [failure.how for failure in failures(clients) if failure.how != "no connection"]


def worker_of(service: Service) -> bytes:
    """Return the answer by which a worker, which has loaded the app, tells itself from others."""
    return ask(service.port, post({}, path="/worker")).body


@pytest.mark.parametrize("worker_class", matrix(WORKER_CLASSES, "asgi", "gevent"))
def test_a_stop_under_full_load_resets_hardly_a_connection(worker_class: str) -> None:
    assert len(lost_at_a_stop(worker_class)) <= AT_THE_CLOSE


@full
@pytest.mark.parametrize("worker_class", WORKER_CLASSES)
def test_many_stops_under_full_load_reset_hardly_a_connection(worker_class: str) -> None:
    lost = [how for _ in range(STOPS) for how in lost_at_a_stop(worker_class)]

    assert len(lost) <= LOST
