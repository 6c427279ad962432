"""uvicorn's worker behind Gunicorn: what the guide's table of worker classes says of it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.selection import full
from tests.services.clients import Client, answered, asking, failures
from tests.services.hosts import wait_until
from tests.services.raw_http import ask, connect, get, head, post
from tests.services.serving import Service, serve
from tests.services.test_stops import MARGIN, STOP_SECONDS, idle, timed_stop
from tests.with_packages import need

pytestmark = [pytest.mark.processes, full]

CALLS = 12
WORKER_CLASS = "uvicorn_worker.UvicornWorker"


@pytest.fixture
def service() -> Iterator[Service]:
    need("uvicorn_worker")
    with serve("tests.services.apps:answering()", worker_class=WORKER_CLASS) as started:
        yield started


def test_it_answers_and_counts_as_the_other_classes_do(service: Service) -> None:
    sent = [
        post({"text": "x"}),
        post({}),
        post({"text": "x"}, path="/complain"),
        get("/none"),
        get("/readyz"),
    ]

    statuses = [ask(service.port, request).status for request in sent]

    assert statuses == [200, 400, 500, 404, 200]
    metrics = ask(service.port, get("/metrics")).body.decode()
    assert 'flask_http_request_total{method="POST",status="200"} 1.0' in metrics
    assert service.log().count("complaining about x") == 1


def test_a_stop_waits_for_an_answer_and_for_no_idle_client(service: Service, tmp_path: Path) -> None:
    with connect(service.port) as connection, connect(service.port) as in_flight:
        idle(connection)
        in_flight.send(post({"folder": str(tmp_path)}, path="/gate"))
        service.wait_until((tmp_path / "entered").exists)
        service.process.terminate()
        assert connection.answer() is None
        (tmp_path / "open").touch()
        answer = in_flight.answer()

    assert answer is not None
    assert answer.status == 200
    assert timed_stop(service) < STOP_SECONDS + MARGIN


@pytest.mark.parametrize("kind", ["lock", "worker_thread"])
def test_handlers_may_share_what_threads_share(kind: str) -> None:
    need("uvicorn_worker")
    target = "tests.services.shared_state_apps:app()"
    with serve(target, worker_class=WORKER_CLASS, workers=1) as service, ThreadPoolExecutor(CALLS) as callers:
        request = post({"kind": kind, "text": "text"}, path="/inline")
        answers = list(callers.map(lambda _: ask(service.port, request), range(CALLS)))

    assert [answer.json() for answer in answers] == ["text"] * CALLS


def test_its_own_refusals_are_no_json(service: Service) -> None:
    refused = ask(service.port, head("Content-Length: ten"))

    assert refused.status == 400
    assert refused.headers["content-type"].startswith("text/plain")
    assert "x-request-id" not in refused.headers


def test_a_reload_replaces_its_workers_under_load(service: Service) -> None:
    before, clients = set(service.workers()), [Client(service) for _ in range(4)]
    with asking(clients):
        wait_until(lambda: answered(clients) > 50)
        service.process.send_signal(signal.SIGHUP)
        service.wait_until(lambda: not before & set(service.workers()))
        later = answered(clients) + 50
        wait_until(lambda: answered(clients) > later)

    assert {failure.how for failure in failures(clients)} <= {"no answer"}
