"""The service behind Gunicorn's asgi worker, uvicorn and granian: answers, metrics, stops, lost clients."""

from __future__ import annotations

import contextlib
import re
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.selection import matrix
from tests.services.raw_http import Answer, Connection, ask, connect, get, head, post, request
from tests.services.serving import BRIEF_SECONDS, Service, launch, serve
from tests.services.test_bad_input import REFUSED, assert_closed, assert_good, assert_refused

pytestmark = pytest.mark.processes

FACTORY = "tests.services.apps:answering"
HELLO = {"text": "hello"}
ASKED = 40


def gunicorn(app: str, workers: int) -> AbstractContextManager[Service]:
    return serve(f"{app}()", worker_class="asgi", workers=workers, args=("--asgi-lifespan", "on"))


def uvicorn(app: str, workers: int) -> AbstractContextManager[Service]:
    words = ("--factory", app, "--port", "{port}", "--workers", str(workers), "--lifespan", "on")
    return launch([sys.executable, "-m", "uvicorn", *words], stop_seconds=BRIEF_SECONDS)


def granian(interface: str) -> Callable[[str, int], AbstractContextManager[Service]]:
    def start(app: str, workers: int) -> AbstractContextManager[Service]:
        words = ("--interface", interface, "--port", "{port}", "--workers", str(workers), "--factory", app)
        return launch([sys.executable, "-m", "granian", *words], stop_seconds=BRIEF_SECONDS)

    return start


class Server(NamedTuple):
    """How a server is started, and whether it tells an application of a client that leaves."""

    start: Callable[[str, int], AbstractContextManager[Service]]
    tells: bool = True


SERVERS = {
    "gunicorn asgi": Server(gunicorn),
    "uvicorn": Server(uvicorn),
    "granian asgi": Server(granian("asgi")),
    "granian wsgi": Server(granian("wsgi"), tells=False),
}


@pytest.fixture(scope="module", params=SERVERS)
def two_workers(request: pytest.FixtureRequest) -> Iterator[Service]:
    with SERVERS[request.param].start(FACTORY, 2) as service:
        yield service


def test_handlers_views_and_errors_are_answered(two_workers: Service) -> None:
    answers = [
        ask(two_workers.port, sent)
        for sent in (
            post(HELLO),
            post({}, "X-Request-ID: mine"),
            post({"text": "it"}, path="/complain"),
            get("/none"),
            get("/readyz"),
            head("Transfer-Encoding: chunked") + b'11\r\n{"text": "hello"}\r\n0\r\n\r\n',
        )
    ]

    assert [answer.status for answer in answers] == [200, 400, 500, 404, 200, 200]
    assert answers[0].json() == answers[5].json() == HELLO
    assert answers[1].json()["request_id"] == answers[1].headers["x-request-id"] == "mine"
    assert answers[3].json()["code"] == "not_found"


def test_a_connection_is_kept(two_workers: Service) -> None:
    with connect(two_workers.port) as connection:
        for _ in range(3):
            assert_good(connection.ask(post(HELLO)))


@pytest.mark.parametrize("name", matrix(SERVERS, "gunicorn asgi"))
def test_what_only_flask_can_answer_is_answered_with_its_body(name: str) -> None:
    with SERVERS[name].start(f"{FACTORY}_with_hook", 1) as service:
        answers = [
            ask(service.port, sent)
            for sent in (
                post(HELLO),
                post({"text": "x" * 1_000_000}),
                head("Transfer-Encoding: chunked") + b'11\r\n{"text": "hello"}\r\n0\r\n\r\n',
            )
        ]

    assert [answer.status for answer in answers] == [200, 200, 200]
    assert [len(answer.json()["text"]) for answer in answers] == [5, 1_000_000, 5]


def counted(service: Service) -> float:
    series = 'flask_http_request_duration_seconds_count{endpoint="everything",method="POST",status="200"} '
    lines = ask(service.port, get("/metrics")).body.decode().splitlines()
    return sum(float(line.removeprefix(series)) for line in lines if line.startswith(series))


def test_any_worker_tells_the_metrics_of_all(two_workers: Service) -> None:
    before = counted(two_workers)

    workers = set()
    for _ in range(ASKED):
        ask(two_workers.port, post(HELLO, path="/everything"))
        workers.add(ask(two_workers.port, post({}, path="/worker")).json()["worker"])

    assert [counted(two_workers) - before for _ in range(10)] == [ASKED] * 10
    assert workers


def enter_gate(service: Service, connection: Connection, folder: Path) -> None:
    """Send a request that is in flight until the gate in the folder is opened."""
    folder.mkdir()
    connection.send(post({"folder": str(folder)}, path="/gate"))
    service.wait_until((folder / "entered").exists)


@pytest.mark.parametrize("name", matrix(SERVERS, "gunicorn asgi"))
def test_a_request_in_flight_is_answered_when_the_server_is_told_to_stop(name: str, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with SERVERS[name].start(FACTORY, 1) as service, connect(service.port) as in_flight:
        enter_gate(service, in_flight, gate)

        service.process.send_signal(signal.SIGTERM)
        service.wait_until(lambda: not listens(service))
        (gate / "open").touch()
        answered = in_flight.answer()

        service.process.wait(10)

    assert answered is not None
    assert answered.status == 200


def listens(service: Service) -> bool:
    with contextlib.suppress(OSError), connect(service.port):
        return True
    return False


@pytest.mark.parametrize(
    "name", matrix([name for name, server in SERVERS.items() if server.tells], "gunicorn asgi")
)
def test_a_client_that_leaves_while_it_waits_never_reaches_the_handler(name: str, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    with SERVERS[name].start(FACTORY, 1) as service, connect(service.port) as in_flight:
        enter_gate(service, in_flight, first)
        second.mkdir()
        (second / "open").touch()
        with connect(service.port) as leaving:
            leaving.send(post({"folder": str(second)}, path="/gate"))
            assert_good(ask(service.port, post(HELLO)))  # by now it has been read

        service.wait_until(lambda: left(service) == 1)
        (first / "open").touch()
        answered = in_flight.answer()
        third = ask(service.port, post({"folder": str(first)}, path="/gate"))

    assert answered is not None
    assert (answered.status, third.status) == (200, 200)
    assert not (second / "entered").exists()


def left(service: Service) -> int:
    """Return how many clients were counted as having left."""
    lines = ask(service.port, get("/metrics")).body.decode().splitlines()
    found = [
        line for line in lines if line.startswith("flask_http_request_total{") and 'status="499"' in line
    ]
    return int(sum(float(line.rpartition(" ")[2]) for line in found))


#: A pattern of what Gunicorn's asgi worker says of requests that it refuses itself, by either parser.
MISFRAMED = {
    "a method in lower case": "method|post",
    "a length that is no number": "invalid content-length",
    "a negative length": "invalid content-length",
    "two lengths": "duplicate content-length",
    "a length and chunks": "content-length with transfer-encoding",
    "a broken chunk": "chunk size",
}


@pytest.fixture(
    scope="module",
    params=matrix(
        [("answering", "auto"), ("answering_with_hook", "auto"), ("answering", "python")],
        ("answering", "auto"),
    ),
    ids="-".join,
)
def asgi_worker(request: pytest.FixtureRequest) -> Iterator[Service]:
    app, parser = request.param
    args = ("--http-parser", parser)  # "auto" takes the one in C where it is installed
    with serve(f"tests.services.apps:{app}()", worker_class="asgi", workers=1, args=args) as service:
        yield service


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_wrong_is_refused_as_by_the_other_workers(asgi_worker: Service, name: str) -> None:
    refused = REFUSED[name]

    with connect(asgi_worker.port) as connection:
        answer = connection.ask(refused.sent)

        assert_told(answer, name)
        connection.send(*refused.rest)
        if name in MISFRAMED or refused.rest:
            assert_closed(connection, asgi_worker)
        else:
            assert_good(connection.ask(post(HELLO)))


def assert_told(answer: Answer | None, name: str) -> None:
    if name not in MISFRAMED:
        assert_refused(answer, REFUSED[name])
        return
    assert answer is not None
    told = answer.json()
    assert (answer.status, told["code"]) == (400, "bad_request")
    assert re.search(MISFRAMED[name], told["error"], re.IGNORECASE)
    assert told["request_id"] == answer.headers["x-request-id"] != ""


def test_a_client_that_ends_its_body_early_is_one_that_left(asgi_worker: Service) -> None:
    with connect(asgi_worker.port) as connection:
        connection.send(head("Content-Length: 100") + b'{"text": "hello"}')
        connection.end()

        assert connection.answer() is None
    assert_good(ask(asgi_worker.port, request(b'{"text": "hello"}')))
