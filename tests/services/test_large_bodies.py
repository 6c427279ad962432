"""Large bodies, one after the other on connections that stay open."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection

import pytest

from tests.selection import full, matrix
from tests.services.raw_http import connect, request
from tests.services.serving import Service, serve

pytestmark = pytest.mark.processes

TARGET = "tests.services.apps:answering()"
CLIENTS, CALLS, AT_ONCE = 8, 15, 3
BODY = b'{"text": "' + b"x" * 1_000_000 + b'"}'


@pytest.mark.parametrize(
    "worker_class",
    matrix(["asgi", "gunicorn.workers.gasgi.ASGIWorker", "gevent", "gthread"], "asgi"),
)
def test_a_connection_outlasts_large_bodies(worker_class: str) -> None:
    with serve(TARGET, worker_class=worker_class) as service:
        assert statuses(service) == [[200] * CALLS] * CLIENTS


PARSERS = ("auto", "python")  # the one in C, where it is installed


@pytest.mark.parametrize("parser", matrix(PARSERS, "auto"))
def test_large_requests_that_are_sent_at_once_are_answered_one_after_the_other(parser: str) -> None:
    args = ("--http-parser", parser)
    with serve(TARGET, worker_class="asgi", workers=1, args=args) as service, connect(service.port) as client:
        client.send(*[request(BODY)] * AT_ONCE)
        answers = [client.answer() for _ in range(AT_ONCE)]

    assert [answer and answer.status for answer in answers] == [200] * AT_ONCE


@full
def test_it_does_after_a_reload_too() -> None:
    with serve(TARGET, worker_class="asgi") as service:
        before = set(service.workers())
        os.kill(service.pid, signal.SIGHUP)
        service.wait_until(lambda: len(service.workers()) == 2 and not before & set(service.workers()))
        service.wait_until(lambda: service.status("/__ping") == 200)

        assert statuses(service) == [[200] * CALLS] * CLIENTS


def statuses(service: Service) -> list[list[int]]:
    """Return what each client is answered, call by call."""

    def ask(_: int) -> list[int]:
        connection = HTTPConnection("127.0.0.1", service.port, timeout=60)
        told = []
        for _ in range(CALLS):
            connection.request("POST", "/", BODY, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            told.append(answer.status)
        connection.close()
        return told

    with ThreadPoolExecutor(CLIENTS) as clients:
        return list(clients.map(ask, range(CLIENTS)))
