"""Mounted applications that fail or end without a response: the client gets a response all the same."""

from __future__ import annotations

import asyncio
import json
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from aylien_model_serving.app_factory import FlaskAppWrapper
from aylien_model_serving.background import pool
from aylien_model_serving.web.app import ServingFlask
from aylien_model_serving.web.mounts import loop_thread
from tests.contracts.adapters import Answer, Request, environ_of, scope_of, send_wsgi, series_of
from tests.web.asgi_client import NEEDS_A_LOOP, run

PATIENCE_SECONDS = 3.0

PAGE = Request("GET", "/mounted/page")


@pytest.fixture(autouse=True)
def _what_was_started_ends() -> Iterator[None]:
    yield
    pool.finish(PATIENCE_SECONDS)


def mounted(app: Any) -> ServingFlask:
    service = FlaskAppWrapper.create_app([])
    service.mount_asgi("/mounted", app)
    return service


def below(app: Any) -> ServingFlask:
    service = FlaskAppWrapper.create_app([])
    service.mount_wsgi("/mounted", app)
    return service


def send_request(app: ServingFlask, request: Request = PAGE) -> Answer:
    """Ask as a WSGI server does, and fail where the answer stays away."""
    answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()
    threading.Thread(target=lambda: answers.put(send_wsgi(app, request)), daemon=True).start()
    return answers.get(timeout=PATIENCE_SECONDS)


def until(condition: Callable[[], object]) -> None:
    """Return once a condition is true."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def count_of(app: ServingFlask, status: int) -> float:
    counted = f'{{endpoint="/mounted",method="GET",status="{status}"}}'
    return series_of(app).get(f"flask_http_request_duration_seconds_count{counted}", 0)


def failures_of(app: ServingFlask) -> float:
    return series_of(app).get('flask_http_request_exceptions_total{method="GET",status="500"}', 0)


async def say_hello(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"hello"})


TWO_FIRST_REQUESTS = """
from aylien_model_serving.web.mounts import loop_thread
from gevent import monkey
monkey.patch_all()
import gevent
found = [gevent.spawn(loop_thread.of_process) for _ in range(2)]
gevent.joinall(found, timeout=5)
assert found[0].value is found[1].value is not None
print("the same", flush=True)
"""


def test_two_first_requests_in_a_process_that_gevent_patched_late_get_one_loop() -> None:
    pytest.importorskip("gevent")

    report_errors = subprocess.run(
        [sys.executable, "-c", TWO_FIRST_REQUESTS], capture_output=True, text=True, timeout=15, check=False
    )

    assert (report_errors.returncode, report_errors.stdout) == (0, "the same\n"), report_errors.stderr


@pytest.mark.parametrize("end", [asyncio.CancelledError, SystemExit, KeyboardInterrupt])
@pytest.mark.parametrize("moment", ["lifespan", "http"])
def test_an_app_that_exits_is_answered_with_an_error_and_the_others_go_on(
    moment: str, end: type[BaseException]
) -> None:
    async def leave(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == moment:
            raise end
        await say_hello(scope, receive, send)

    app = mounted(leave)
    app.mount_asgi("/other", say_hello)

    status = send_request(app).status

    assert status == (500 if moment == "http" else 200)
    assert failures_of(app) == (moment == "http")
    assert send_request(app, Request("GET", "/other/page")).body == b"hello"


def test_a_task_that_asks_for_the_exit_leaves_the_loop_to_the_others() -> None:
    async def leave() -> None:
        raise SystemExit

    loop = loop_thread.of_process()

    ended = asyncio.run_coroutine_threadsafe(leave(), loop)

    with pytest.raises(SystemExit):
        ended.result(PATIENCE_SECONDS)
    assert send_request(mounted(say_hello)).body == b"hello"
    assert loop_thread.of_process() is loop


def test_a_body_that_nobody_reads_before_the_answer_ends_with_the_client() -> None:
    received = []

    async def look_back(scope: Any, receive: Any, send: Any) -> None:
        await say_hello(scope, receive, send)
        if scope["type"] == "http":
            received.append(await receive())

    assert send_request(mounted(look_back), Request("POST", "/mounted/page", b"unread")).body == b"hello"

    until(lambda: received)
    assert received == [{"type": "http.disconnect"}]


@NEEDS_A_LOOP
@pytest.mark.parametrize("takes", [True, False])
def test_a_websocket_whose_app_fails_is_closed_whether_or_not_it_was_received(takes: bool) -> None:
    async def fail(scope: Any, receive: Any, send: Any) -> None:
        if takes:
            await receive()
        raise ValueError("it failed")

    async def scenario() -> None:
        given = [{"type": "websocket.connect"}]
        sent: list[Any] = []

        async def receive() -> Any:
            if not given:
                await asyncio.Event().wait()
            return given.pop()

        async def send(message: Any) -> None:
            sent.append(message)

        await mounted(fail)(scope_of(PAGE) | {"type": "websocket"}, receive, send)

        assert given == []
        assert [message["type"] for message in sent] == ["websocket.close"]

    run(scenario())


class RequestBody:
    """A body that knows whether it was closed.

    Args:
        pieces: of it.
    """

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self.pieces = pieces
        self.closings = 0

    def __iter__(self) -> Iterator[bytes]:
        return self.pieces

    def close(self) -> None:
        self.closings += 1


def test_an_app_that_is_a_generator_gets_an_id_and_is_counted() -> None:
    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield from (b"a", b"b", b"c")

    service = below(app)

    answer = send_request(service)

    headers = [("x-request-id", "the-request"), ("x-content-type-options", "nosniff")]
    assert answer == Answer(200, headers, b"abc")
    assert count_of(service, 200) == 1


def test_a_generator_without_a_piece_is_an_empty_answer() -> None:
    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("204 No Content", [])
        yield from ()

    assert send_request(below(app))[::2] == (204, b"")


@pytest.mark.parametrize("begins", [True, False])
def test_a_generator_that_fails_before_its_first_piece_gets_the_services_answer(begins: bool) -> None:
    def pieces(start_response: Any) -> Iterator[bytes]:
        if begins:
            start_response("200 OK", [])
        yield from (b"" for _ in range(1 // 0))

    bodies = []

    def app(environ: Any, start_response: Any) -> RequestBody:
        bodies.append(RequestBody(pieces(start_response)))
        return bodies[0]

    service = below(app)

    answer = send_request(service)

    assert answer.status == 500
    assert json.loads(answer.body)["request_id"] == "the-request"
    assert failures_of(service) == 1
    assert bodies[0].closings == 1


def test_a_body_without_start_response_is_an_error() -> None:
    assert send_request(below(lambda environ, start_response: iter([b"a"]))).status == 500
    assert send_request(below(lambda environ, start_response: [])).status == 500


def one_piece() -> Iterator[bytes]:
    yield b"a"
    raise ValueError("it broke on the way")


def begin_first(environ: Any, start_response: Any) -> Iterator[bytes]:
    start_response("200 OK", [])
    return one_piece()


def begin_late(environ: Any, start_response: Any) -> Iterator[bytes]:
    start_response("200 OK", [])
    yield from one_piece()


@pytest.mark.parametrize("app", [begin_first, begin_late])
def test_an_error_after_the_first_piece_is_reported_and_cuts_the_response(
    app: Any, caplog: pytest.LogCaptureFixture
) -> None:
    service = below(app)

    with pytest.raises(ValueError, match="on the way"):
        send_wsgi(service, PAGE)

    assert "GET /mounted/page failed: it broke on the way" in caplog.text
    assert failures_of(service) == 1


def test_a_cut_response_of_an_asgi_app_is_reported_too() -> None:
    async def cut(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"a", "more_body": True})
            raise ValueError("it broke on the way")

    service = mounted(cut)

    with pytest.raises(ValueError, match="on the way"):
        send_wsgi(service, PAGE)

    assert failures_of(service) == 1


def test_what_a_server_made_of_a_file_stays_as_it_is() -> None:
    made = RequestBody(iter([b"file"]))

    def app(environ: Any, start_response: Any) -> RequestBody:
        start_response("200 OK", [])
        return made

    assert below(app)(environ_of(PAGE), lambda status, headers: None) is made
