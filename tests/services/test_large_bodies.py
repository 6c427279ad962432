"""Large bodies, one after the other on connections that stay open."""

from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection

import pytest

from tests.services.serving import serve

pytestmark = pytest.mark.processes

CLIENTS, CALLS = 8, 15
BODY = b'{"text": "' + b"x" * 1_000_000 + b'"}'


@pytest.mark.parametrize("worker_class", ["asgi", "gevent", "gthread"])
def test_a_connection_outlasts_large_bodies(worker_class: str) -> None:
    with serve("tests.services.apps:answering()", worker_class=worker_class) as service:

        def ask(_: int) -> list[int]:
            connection = HTTPConnection("127.0.0.1", service.port, timeout=60)
            statuses = []
            for _ in range(CALLS):
                connection.request("POST", "/", BODY, {"Content-Type": "application/json"})
                answer = connection.getresponse()
                answer.read()
                statuses.append(answer.status)
            connection.close()
            return statuses

        with ThreadPoolExecutor(CLIENTS) as clients:
            statuses = list(clients.map(ask, range(CLIENTS)))

    assert statuses == [[200] * CALLS] * CLIENTS
