"""A client whose next request is always there already, beside clients that ask now and then."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from tests.selection import matrix
from tests.services.raw_http import ask, connect, get
from tests.services.serving import Service, serve

pytestmark = pytest.mark.processes

REQUEST = get("/__ping")
STATUS = b"HTTP/1.1 200"
REQUESTS = 20_000  # seconds of work
BEGIN_SECONDS = 100.0


@pytest.mark.parametrize("worker_class", matrix(["gevent", "asgi"], "gevent"))
def test_a_busy_client_leaves_the_others_their_turn(worker_class: str) -> None:
    serving = serve("tests.services.apps:answering()", worker_class=worker_class, workers=1)
    with serving as service, busy_client(service) as busy:
        busy.has_begun.wait(BEGIN_SECONDS)

        assert ask(service.port, REQUEST).status == 200
        assert 0 < busy.answers < REQUESTS


class BusyClient:
    """Sends all of its requests without a look at the answers, which it counts."""

    def __init__(self, sock: socket.socket) -> None:
        self.answers = 0
        self.has_begun = threading.Event()
        self._socket = sock

    def send(self) -> None:
        with suppress(OSError):
            self._socket.sendall(REQUEST * REQUESTS)

    def count(self) -> None:
        """Take the answers as fast as they come, so that the server never waits for room to send the next."""
        rest = b""
        with suppress(OSError):
            while came := self._socket.recv(1 << 20):
                self.answers += (rest + came).count(STATUS)
                rest = (rest + came)[1 - len(STATUS) :]
                self.has_begun.set()


@contextmanager
def busy_client(service: Service) -> Iterator[BusyClient]:
    with connect(service.port) as connection:
        client = BusyClient(connection.socket)
        threads = [threading.Thread(target=work) for work in (client.send, client.count)]
        for thread in threads:
            thread.start()
        try:
            yield client
        finally:
            connection.socket.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join()
