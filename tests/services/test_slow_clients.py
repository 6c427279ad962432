"""Clients that have their answer and do not close their connections, though they were asked to."""

import socket
import time
from contextlib import ExitStack

import pytest

from tests.services.serving import serve

pytestmark = pytest.mark.processes

CLIENTS = 20
#: Half of what Gunicorn itself would take, with two seconds for each client.
ALL_SECONDS = 20.0
REQUEST = b"GET /__ping HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize("worker_class", ["gthread", "sync", "gevent", "asgi"])
def test_nobody_waits_for_clients_that_do_not_close(worker_class: str) -> None:
    serving = serve("tests.services.apps:answering()", worker_class=worker_class, workers=1)
    with serving as service, ExitStack() as open_sockets:
        deadline = time.monotonic() + ALL_SECONDS
        answers = []
        for _ in range(CLIENTS):
            client = socket.create_connection(("127.0.0.1", service.port), ALL_SECONDS)
            open_sockets.enter_context(client)
            client.sendall(REQUEST)
            client.settimeout(max(0.001, deadline - time.monotonic()))
            answers.append(client.recv(12))

        assert answers == [b"HTTP/1.1 200"] * CLIENTS
