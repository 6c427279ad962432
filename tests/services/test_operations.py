"""What operators rely on: ids in log lines, readiness, graceful stops and reloads."""

import json
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.selection import matrix
from tests.services.raw_http import Connection, ask, connect, get, post, request
from tests.services.serving import BRIEF_SECONDS, Service, launch, serve

pytestmark = pytest.mark.processes

TARGET = "tests.services.apps:answering()"
LINE_SECONDS = 10.0
ACCESS_LOG = ("--access-logfile", "-")
TEXT_LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z [A-Z]+ [\w.]+ \[(?P<request_id>[^ ]+)\] .+")

CHANGING = """
from aylien_model_serving.app_factory import FlaskAppWrapper

def answer() -> dict:
    return {{"version": "{version}"}}

def run_app():
    return FlaskAppWrapper.create_app([{{"endpoint": "/", "callable": answer, "warmup": {{}}}}])
"""


@pytest.fixture(scope="module")
def text_log() -> Iterator[Service]:
    with serve(TARGET, workers=1, args=ACCESS_LOG) as service:
        yield service


@pytest.fixture(scope="module", params=matrix(["sync", "gthread", "gevent"], "gevent"))
def json_log(request: pytest.FixtureRequest) -> Iterator[Service]:
    env = {"MODEL_SERVING_LOG_FORMAT": "json", "MODEL_SERVING_LOG_LEVEL": "INFO"}
    with serve(TARGET, worker_class=request.param, workers=1, env=env, args=ACCESS_LOG) as service:
        yield service


def lines_with(service: Service, text: str, count: int) -> list[str]:
    """Return the log's lines that hold a text, once there are so many of them."""
    service.wait_until(lambda: service.log().count(text) >= count, LINE_SECONDS)
    return [line for line in service.log().splitlines() if text in line]


def test_every_line_of_a_request_carries_the_id_that_its_answer_has(text_log: Service) -> None:
    failed = ask(text_log.port, post({"text": "tigers"}, "X-Request-ID: tigers-1", path="/complain"))

    assert failed.status == 500
    assert failed.headers["x-request-id"] == failed.json()["request_id"] == "tigers-1"
    complaint, failure, access = lines_with(text_log, "[tigers-1]", count=3)
    assert complaint.endswith("WARNING service.model [tigers-1] complaining about tigers")
    assert "POST /complain failed" in failure
    assert "ValueError: no way with tigers" in failure
    assert '"POST /complain HTTP/1.1" 500' in access
    assert all(TEXT_LINE.fullmatch(line) for line in (complaint, failure, access))


def check_that_no_line_is_forged_or_flooded(service: Service) -> None:
    forged = "\n2026-01-31T12:00:00.123Z ERROR root [-] forged\x1b[2J\u2028\u202e\x85"
    asked = post(
        {"text": forged + "x" * 100_000}, "X-Request-ID: forging-1", path="/complain?a=%0a%1b%e2%80%a8"
    )

    answer = ask(service.port, asked)

    lines = lines_with(service, "forging-1", count=3)
    assert (answer.status, len(lines)) == (500, 3)
    assert max(len(line.encode()) for line in lines) <= 8192
    assert sum("characters left out" in line for line in lines) == 2
    assert not re.search("[\x00-\x1f\x7f-\x9f\u2028\u202e]", "".join(lines))
    assert not [line for line in service.log().split("\n") if line.startswith("2026-01-31T12:00:00.123Z")]


def test_no_request_forges_or_floods_a_line_of_text(text_log: Service) -> None:
    check_that_no_line_is_forged_or_flooded(text_log)


def test_no_request_forges_or_floods_a_line_of_json(json_log: Service) -> None:
    check_that_no_line_is_forged_or_flooded(json_log)


@pytest.mark.parametrize("server", matrix(["granian wsgi", "granian asgi", "uvicorn"], "granian asgi"))
def test_no_path_forges_a_line_of_another_servers_access_log(server: str) -> None:
    name, _, interface = server.partition(" ")
    options = ["--interface", interface, "--access-log"] if interface else []
    command = [
        sys.executable,
        "-m",
        name,
        *options,
        "--port",
        "{port}",
        "--factory",
        TARGET.removesuffix("()"),
    ]

    with launch(command, stop_seconds=BRIEF_SECONDS) as service:
        ask(service.port, get(path="/a%1b[2J%0aforged%e2%80%a8%c2%85end"))
        service.wait_until(lambda: "end" in service.log(), LINE_SECONDS)
        log = service.log()

    [line] = [line for line in log.split("\n") if "forged" in line]
    assert "GET /a" in line
    assert line.find("end") > 0
    assert not re.search("[\x00-\x1f\x7f-\x9f\u2028]", line)


def test_an_id_that_could_harm_a_log_is_replaced(text_log: Service) -> None:
    for offered in ("two words", "-", "é", "x" * 129):
        answer = ask(text_log.port, post({"text": "x"}, f"X-Request-ID: {offered}"))

        assert re.fullmatch("[0-9a-f]{32}", answer.headers["x-request-id"])
        [access] = lines_with(text_log, answer.headers["x-request-id"], count=1)
        assert '"POST / HTTP/1.1" 200' in access


def test_a_request_that_gunicorn_refuses_is_found_in_the_log_by_its_id(text_log: Service) -> None:
    refused = ask(text_log.port, request(b"{}", method="post"))

    assert refused.status == 400
    [line] = lines_with(text_log, refused.headers["x-request-id"], count=1)
    as_either_parser_says = r"Invalid HTTP method: '(post|Lowercase letters)\b"
    assert re.search(as_either_parser_says, line)


def test_every_line_of_a_log_in_json_is_a_json_object(json_log: Service) -> None:
    ask(json_log.port, post({"text": "lions\r\n"}, "X-Request-ID: lions-1", path="/complain"))
    ask(json_log.port, post({}, "X-Request-ID: lions-1"))
    ask(json_log.port, request(b"{}", method="post"))
    lines_with(json_log, '"lions-1"', count=5)
    json_log.process.send_signal(signal.SIGHUP)
    lines_with(json_log, "Worker exiting", count=1)

    lines = [json.loads(line) for line in json_log.log().splitlines()]

    assert all(line.keys() == {"time", "level", "logger", "request_id", "message"} for line in lines)
    found = [(line["logger"], line["level"]) for line in lines if line["request_id"] == "lions-1"]
    assert found == [
        ("service.model", "WARNING"),
        ("aylien_model_serving.dispatch.error_responses", "ERROR"),
        ("gunicorn.access", "INFO"),
        ("aylien_model_serving.dispatch.error_responses", "INFO"),
        ("gunicorn.access", "INFO"),
    ]


@pytest.mark.parametrize(
    ("exposed", "error"),
    [("0", "The service failed to answer this request"), ("1", "ValueError: no way with secrets")],
)
def test_the_text_of_an_exception_is_shown_where_the_operator_wants_it(exposed: str, error: str) -> None:
    with serve(TARGET, workers=1, env={"MODEL_SERVING_EXPOSE_ERRORS": exposed}) as service:
        failed = ask(service.port, post({"text": "secrets"}, path="/complain"))

    assert (failed.status, failed.json()["error"]) == (500, error)


def enter_gate(service: Service, connection: Connection, folder: Path) -> None:
    """Send a request that is in flight until the gate in the folder is opened."""
    connection.send(post({"folder": str(folder)}, path="/gate"))
    service.wait_until((folder / "entered").exists)


@pytest.mark.parametrize(
    ("worker_class", "args"),
    matrix([("gevent", ()), ("gthread", ("--threads", "2"))], ("gevent", ()), rows=True),
)
def test_a_service_is_not_ready_once_it_is_told_to_stop_and_answers_what_is_in_flight(
    worker_class: str, args: tuple[str, ...], tmp_path: Path
) -> None:
    with serve(TARGET, worker_class=worker_class, workers=1, args=args) as service:
        with connect(service.port) as in_flight, connect(service.port) as probe:
            assert status(probe, "/readyz") == 200
            enter_gate(service, in_flight, tmp_path)

            service.process.terminate()

            service.wait_until(lambda: status(probe, "/readyz") == 503)
            (tmp_path / "open").touch()
            answered = in_flight.answer()
            assert answered is not None
            assert answered.status == 200
        assert service.process.wait() == 0


def status(connection: Connection, path: str) -> int:
    answer = connection.ask(get(path))
    assert answer is not None
    return answer.status


@pytest.mark.parametrize(
    ("worker_class", "how"),
    matrix(
        [("sync", "HUP"), ("sync", "TERM"), ("gthread", "HUP"), ("gevent", "HUP")],
        ("sync", "TERM"),
        ("gevent", "HUP"),
        rows=True,
    ),
)
def test_what_is_in_flight_at_a_reload_or_a_stop_is_answered(
    worker_class: str, how: str, tmp_path: Path
) -> None:
    with serve(TARGET, worker_class=worker_class, workers=1) as service:
        [worker] = service.workers()
        with connect(service.port) as in_flight:
            enter_gate(service, in_flight, tmp_path)
            service.process.send_signal(signal.Signals[f"SIG{how}"])
            service.wait_until(lambda: f"Handling signal: {how.lower()}" in service.log())
            (tmp_path / "open").touch()
            answered = in_flight.answer()

    assert answered is not None
    assert (answered.status, answered.json()) == (200, {"worker": worker})


@pytest.mark.parametrize("worker_class", matrix(["sync", "gthread", "gevent"], "gevent"))
def test_a_reload_serves_changed_code_without_a_failed_request(worker_class: str, tmp_path: Path) -> None:
    module = tmp_path / "changing.py"
    module.write_text(CHANGING.format(version="one"))
    env = {"PYTHONDONTWRITEBYTECODE": "1"}
    with serve("changing:run_app()", worker_class=worker_class, env=env, cwd=tmp_path) as service:
        old = set(service.workers())
        before = version(service)
        versions = set()

        def reloaded() -> bool:
            versions.add(version(service))
            return not old & set(service.workers())

        module.write_text(CHANGING.format(version="two"))
        service.process.send_signal(signal.SIGHUP)
        service.wait_until(reloaded)
        after = version(service)

    assert (before, after) == ("one", "two")
    assert versions <= {"one", "two"}


def version(service: Service) -> str:
    answer = ask(service.port, post({}))
    assert answer.status == 200
    found: str = answer.json()["version"]
    return found
