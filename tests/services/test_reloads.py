"""Reloads under load: no request fails of clients that close connections when they are told to."""

from __future__ import annotations

import signal
from collections.abc import Sequence

import pytest

from tests.selection import matrix
from tests.services.clients import Client, answered, asking, failures
from tests.services.serving import Service, serve

pytestmark = pytest.mark.processes

CLIENTS = 8
RELOADS = 2


def reload(service: Service, clients: Sequence[Client]) -> None:
    """Send SIGHUP once the clients are busy, and return when all workers are new ones."""
    before, earlier = set(service.workers()), answered(clients)
    service.wait_until(lambda: answered(clients) > earlier + 100)
    service.process.send_signal(signal.SIGHUP)
    service.wait_until(lambda: not before & set(service.workers()))


@pytest.mark.parametrize("worker_class", matrix(["gevent", "gthread", "sync", "asgi"], "gevent", "asgi"))
def test_no_request_fails_while_the_service_reloads(worker_class: str) -> None:
    with serve("tests.services.apps:answering()", worker_class=worker_class) as service:
        clients = [Client(service) for _ in range(CLIENTS)]
        with asking(clients):
            for _ in range(RELOADS):
                reload(service, clients)

    assert failures(clients) == []
    assert all(client.answered for client in clients)
