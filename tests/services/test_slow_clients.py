"""Clients that have their answer and do not close their connections, though they were asked to."""

import time
from contextlib import ExitStack

import pytest

from tests.selection import matrix
from tests.services.raw_http import connect, head
from tests.services.serving import serve

pytestmark = pytest.mark.processes

CLIENTS = 20
#: Half of what Gunicorn itself would take, with two seconds for each client.
ALL_SECONDS = 20.0


@pytest.mark.parametrize("worker_class", matrix(["gthread", "sync", "gevent", "asgi"], "gthread"))
def test_nobody_waits_for_clients_that_do_not_close(worker_class: str) -> None:
    serving = serve("tests.services.apps:answering()", worker_class=worker_class, workers=1)
    with serving as service, ExitStack() as connections:
        start = time.monotonic()
        for _ in range(CLIENTS):
            client = connections.enter_context(connect(service.port))
            answer = client.ask(head("Connection: close", method="GET", path="/__ping"))
            assert answer is not None
            assert answer.status == 200

        assert time.monotonic() - start < ALL_SECONDS
