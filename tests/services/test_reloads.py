"""Reloads under load: no request fails of clients that close connections when they are told to."""

from __future__ import annotations

import signal
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.selection import matrix
from tests.services.raw_http import Connection, post
from tests.services.serving import Service, serve

pytestmark = pytest.mark.processes

CLIENTS = 8
RELOADS = 2


class Client:
    """Asks over one connection until it is told to close it, again and again."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.answered = 0
        self.failures: list[str] = []

    def run(self, is_over: threading.Event) -> None:
        connection: Connection | None = None
        while not is_over.is_set():
            try:
                connection = connection or Connection(self._service.port)
                answer = connection.ask(post({"text": "x"}))
            except OSError as error:
                self.failures.append(repr(error))
                connection = None
                continue
            if answer is None or answer.status != 200:
                self.failures.append(repr(answer))
            else:
                self.answered += 1
            if answer is None or answer.headers.get("connection") == "close":
                connection.close()
                connection = None
        if connection is not None:
            connection.close()


def reload(service: Service, clients: Sequence[Client]) -> None:
    """Send SIGHUP once the clients are busy, and return when all workers are new ones."""
    before, answered = set(service.workers()), sum(client.answered for client in clients)
    service.wait_until(lambda: sum(client.answered for client in clients) > answered + 100)
    service.process.send_signal(signal.SIGHUP)
    service.wait_until(lambda: not before & set(service.workers()))


@pytest.mark.parametrize("worker_class", matrix(["gevent", "gthread", "sync", "asgi"], "gevent", "asgi"))
def test_no_request_fails_while_the_service_reloads(worker_class: str) -> None:
    is_over = threading.Event()
    with serve("tests.services.apps:answering()", worker_class=worker_class) as service:
        clients = [Client(service) for _ in range(CLIENTS)]
        with ThreadPoolExecutor(CLIENTS) as pool:
            running = [pool.submit(client.run, is_over) for client in clients]
            try:
                for _ in range(RELOADS):
                    reload(service, clients)
            finally:
                is_over.set()
        for done in running:
            done.result()

    assert [failure for client in clients for failure in client.failures] == []
    assert all(client.answered for client in clients)
