"""Many clients that connect at once, while the worker has no time for them."""

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.selection import matrix
from tests.services.raw_http import connect, head
from tests.services.serving import Service, serve, state_of

pytestmark = pytest.mark.processes

CLIENTS = 300


@pytest.mark.parametrize("worker_class", matrix(["asgi", "gevent", "gthread"], "asgi"))
def test_the_clients_of_a_burst_are_connected_before_a_worker_has_time_for_them(worker_class: str) -> None:
    serving = serve("tests.services.apps:answering()", worker_class=worker_class, workers=1)
    with serving as service, ExitStack() as connections:
        with stopped(service):
            clients = [connections.enter_context(connect(service.port)) for _ in range(CLIENTS)]

        for client in clients:
            client.send(head("Connection: close", method="GET", path="/__ping"))
        answers = [client.answer() for client in clients]
        assert [answer and answer.status for answer in answers] == [200] * CLIENTS


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
