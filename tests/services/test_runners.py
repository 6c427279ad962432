"""Hosted handlers behind every kind of server: one model for all workers, and an inline one's contract."""

import http.client
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.selection import matrix
from tests.services.hosts import (
    SERVERS,
    Asking,
    gated,
    host,
    metric,
    model_pid,
    processes,
    replicas,
    wait_until,
)
from tests.services.raw_http import Answer, ask, get, post, request
from tests.services.serving import Service

pytestmark = pytest.mark.processes

ASKED = 24


@pytest.fixture(scope="module")
def diaries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("diaries")


@pytest.fixture(
    scope="module", params=matrix([name for name in SERVERS if name != "uvicorn"], "gevent", "asgi")
)
def service(request: pytest.FixtureRequest, diaries: Path) -> Iterator[Service]:
    with host(request.param, routes="model,plain,worker", diary=diaries / request.param) as service:
        yield service


@pytest.fixture
def diary(request: pytest.FixtureRequest, service: Service, diaries: Path) -> Path:
    found: Path = diaries / request.node.callspec.params["service"]
    return found


def test_all_workers_share_one_model_which_none_of_them_builds(service: Service, diary: Path) -> None:
    found = {model_pid(service) for _ in range(ASKED)}
    workers = {ask(service.port, post({}, path="/worker")).json()["worker"] for _ in range(ASKED)}

    (pid,) = found
    assert pid not in workers
    assert "replicas.replica" in processes(service)[pid]
    assert [line.split()[:2] for line in lines(diary) if line.startswith("built")] == [["built", str(pid)]]


def lines(diary: Path) -> list[str]:
    return diary.read_text().splitlines()


SENT = {
    "an answer": post({"text": "tigers"}, path="/model"),
    "an answer to other media types": post({"text": "tigers"}, "Accept: application/msgpack", path="/model"),
    "text of another script": post({"text": "тигры"}, path="/model"),
    "a field of a wrong type": post({"text": 1}, path="/model"),
    "a field that is not known": post({"txt": "tigers"}, path="/model"),
    "what the handler refuses": post({"refuse": True}, path="/model"),
    "what the handler fails at": post({"fail": True}, path="/model"),
    "a body that is not JSON": request(b"{", path="/model"),
    "a media type that is not known": request(b"{}", "Content-Type: text/csv", path="/model"),
    "a method that is not answered": get("/model"),
    "an empty body": request(b"", path="/model"),
}


@pytest.mark.parametrize("sent", SENT)
def test_a_hosted_handler_answers_as_an_inline_one_does(service: Service, sent: str) -> None:
    hosted = ask(service.port, SENT[sent].replace(b"\r\n", b"\r\nX-Request-ID: mine\r\n", 1))
    inline = ask(
        service.port,
        SENT[sent].replace(b" /model ", b" /plain ", 1).replace(b"\r\n", b"\r\nX-Request-ID: mine\r\n", 1),
    )

    assert (hosted.status, without_place(hosted)) == (inline.status, without_place(inline))
    assert hosted.headers["x-request-id"] == "mine"
    assert told_headers(hosted) == told_headers(inline)
    assert b"secret" not in hosted.body


def without_place(answer: Answer) -> object:
    """Return an answer's content without what says who gave it."""
    if answer.headers["content-type"] != "application/json":
        return answer.headers["content-type"]
    return {key: value for key, value in answer.json().items() if key not in ("pid", "device")}


def told_headers(answer: Answer) -> set[str]:
    return set(answer.headers) - {"date"}


def test_items_of_a_stream_come_as_they_are_made(service: Service, tmp_path: Path) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)
    connection.request("POST", "/model", json.dumps({"count": 3, "gates": str(tmp_path)}))
    response = connection.getresponse()

    found = []
    for number in range(3):
        found.append(json.loads(response.readline()))
        gate = tmp_path / str(number + 1)
        gate.mkdir(exist_ok=True)
        (gate / "open").touch()
    rest = response.read()
    connection.close()

    assert (found, rest) == ([{"number": 0}, {"number": 1}, {"number": 2}], b"")


def test_a_client_that_leaves_ends_the_stream_it_was_reading(service: Service, diary: Path) -> None:
    ended = lines(diary).count("closed the stream")
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)
    connection.request("POST", "/model", json.dumps({"count": 1_000_000}))
    response = connection.getresponse()
    first = json.loads(response.readline())

    response.close()
    connection.close()

    service.wait_until(lambda: lines(diary).count("closed the stream") > ended)
    assert first == {"number": 0}
    assert model_pid(service)


def test_the_runners_are_told_with_their_queue(service: Service, tmp_path: Path) -> None:
    with gated(service, tmp_path / "first") as first:
        second = Asking(service, "/model", text="second")
        service.wait_until(lambda: replicas(service, "model")[0]["waiting"] == 1)
        [busy] = replicas(service, "model")
    answers = [first.answer(), second.answer()]
    service.wait_until(lambda: replicas(service, "model")[0]["running"] == 0)
    [idle] = replicas(service, "model")

    told = {"number": 0, "pid": answers[0].json()["pid"], "device": "cpu", "state": "ready", "restarts": 0}
    assert busy.items() >= (told | {"running": 1, "waiting": 1}).items()
    assert idle.items() >= (told | {"running": 0, "waiting": 0}).items()
    assert [answer.status for answer in answers] == [200, 200]


def test_any_worker_tells_the_metrics_of_the_replicas(service: Service) -> None:
    before = metric(service, "model_serving_runner_queue_seconds_count", runner="model")

    for _ in range(ASKED):
        model_pid(service)

    for _ in range(8):
        after = metric(service, "model_serving_runner_queue_seconds_count", runner="model")
        assert after - before == ASKED
    assert metric(service, "model_serving_runner_batch_size_count", runner="model") == after
    assert metric(service, "model_serving_runner_in_flight", runner="model") == 0


def test_calls_that_wait_in_a_replica_are_shown_by_every_worker(service: Service, tmp_path: Path) -> None:
    def waiting() -> float:
        return metric(service, "model_serving_runner_waiting", runner="model")

    with gated(service, tmp_path / "gate"):
        calls = [Asking(service, "/model"), Asking(service, "/model")]
        service.wait_until(lambda: all(waiting() == 2 for _ in range(4)))

    assert [call.answer().status for call in calls] == [200, 200]
    service.wait_until(lambda: waiting() == 0)


def test_stalled_replicas_delay_a_scrape_by_a_second_and_other_runners_are_read(tmp_path: Path) -> None:
    with host("gevent", workers=1, routes="model,limited,batched") as service:

        def waiting() -> float:
            return metric(service, "model_serving_runner_waiting", runner="model")

        stalled = [replicas(service, name)[0]["pid"] for name in ("limited", "batched")]
        with gated(service, tmp_path / "gate"):
            for pid in stalled:
                os.kill(pid, signal.SIGSTOP)
            try:
                call = Asking(service, "/model")
                service.wait_until(lambda: waiting() == 1)
                time.sleep(1.1)  # for another reading
                since = time.monotonic()
                found = waiting()
                seconds = time.monotonic() - since
            finally:
                for pid in stalled:
                    os.kill(pid, signal.SIGCONT)
        status = call.answer().status

    assert found == 1
    assert seconds < 1.9
    assert status == 200


def test_a_service_of_one_process_has_runners_too(tmp_path: Path) -> None:
    with host("uvicorn", routes="model", diary=tmp_path / "diary") as service:
        pid = model_pid(service)
        [told] = replicas(service, "model")
        counted = metric(service, "model_serving_runner_batch_size_count", runner="model")
        alive = processes(service)

    assert told["pid"] == pid != service.pid
    assert counted == 2  # the first is the warm-up
    assert len(alive) == 3
    assert lines(tmp_path / "diary")[-1] == f"closed {pid}"


def test_a_service_is_ready_once_its_model_is_warm(tmp_path: Path) -> None:
    diary = tmp_path / "diary"
    with host("gevent", ready=False, routes="model", diary=diary, load_gate=tmp_path / "gate") as service:
        before = ask(service.port, get("/readyz"))  # which is a first reason to load the model
        service.wait_until((tmp_path / "gate" / "entered").exists)
        during = ask(service.port, get("/readyz"))
        (told,) = wait_until(lambda: replicas(service, "model"))
        early = Asking(service, "/model", text="early")
        is_answered_early = early.is_over()
        (tmp_path / "gate" / "open").touch()
        service.wait_until(lambda: service.status("/readyz") == 200)
        answered = early.answer()

    assert [before.status, during.status, during.json()["code"]] == [503, 503, "unavailable"]
    assert told["state"] == "starting"
    assert (is_answered_early, answered.status) == (False, 200)
    assert lines(diary)[1:3] == ["warm-up", "early"]


def test_replicas_share_the_load(tmp_path: Path) -> None:
    with host("gthread", workers=1, routes="model", replicas=2) as service:
        service.wait_until(lambda: [told["state"] for told in replicas(service, "model")] == ["ready"] * 2)
        with gated(service, tmp_path / "first") as first:
            others = {model_pid(service) for _ in range(4)}
        busy = first.answer().json()

    assert len(others) == 1
    assert busy["pid"] not in others
    assert busy["device"] == "cpu"
