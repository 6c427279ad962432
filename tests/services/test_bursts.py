"""Many clients that connect at once, while the worker has no time for them."""

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.services.serving import Service, serve, state_of

pytestmark = pytest.mark.processes

CLIENTS = 300
CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 60.0


@pytest.mark.parametrize("worker_class", ["asgi", "gevent", "gthread"])
def test_the_clients_of_a_burst_are_connected_before_a_worker_has_time_for_them(worker_class: str) -> None:
    serving = serve("tests.services.apps:answering()", worker_class=worker_class, workers=1)
    with serving as service, ExitStack() as open_sockets:
        with stopped(service):
            clients = [open_sockets.enter_context(connected(service)) for _ in range(CLIENTS)]

        for client in clients:
            client.settimeout(ANSWER_SECONDS)
            client.sendall(b"GET /__ping HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert [client.recv(12) for client in clients] == [b"HTTP/1.1 200"] * CLIENTS


@contextmanager
def stopped(service: Service) -> Iterator[None]:
    """Stop the worker until the block ends."""
    (worker,) = service.workers()
    os.kill(worker, signal.SIGSTOP)
    try:
        service.wait_until(lambda: state_of(worker) == "T")
        yield
    finally:
        os.kill(worker, signal.SIGCONT)


def connected(service: Service) -> socket.socket:
    """Return a client's connection; one whose first packet is dropped would try again a second later."""
    return socket.create_connection(("127.0.0.1", service.port), CONNECT_SECONDS)
