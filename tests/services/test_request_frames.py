"""Lengths, numbers and targets as no HTTP client sends them, on every kind of server."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest

from tests.selection import matrix
from tests.services.raw_http import Answer, ask, get, head
from tests.services.serving import BRIEF_SECONDS, Service, launch, serve

pytestmark = pytest.mark.processes

APP = "tests.services.frame_apps:framed"

#: More digits than Python's `int` converts.
DIGITS = "9" * 5000

MEMORY = {"MODEL_SERVING_JOBS_URL": "memory://"}

Start = Callable[[], AbstractContextManager[Service]]


def gunicorn(worker_class: str, *args: str) -> Start:
    return lambda: serve(f"{APP}()", worker_class=worker_class, workers=1, env=MEMORY, args=args)


def program(*words: str) -> Start:
    command = [sys.executable, "-m", *words, "--port", "{port}"]
    return lambda: launch(command, env=MEMORY, stop_seconds=BRIEF_SECONDS)


SERVERS: dict[str, Start] = {
    "sync": gunicorn("sync"),
    "gthread": gunicorn("gthread", "--threads", "4"),
    "gevent": gunicorn("gevent"),
    "asgi": gunicorn("asgi"),
    "asgi in Python": gunicorn("asgi", "--http-parser", "python"),
    # Its parser in C, which comes with some packages, refuses a URL that ends with the host by itself.
    "uvicorn": program("uvicorn", "--http", "h11", "--factory", APP),
    "granian wsgi": program("granian", "--interface", "wsgi", "--factory", APP),
    "granian asgi": program("granian", "--interface", "asgi", "--factory", APP),
    "flask": program("flask", "--app", f"{APP}()", "run"),
}


@pytest.fixture(scope="module", params=matrix(SERVERS, "gthread", "asgi in Python", "flask"))
def service(request: pytest.FixtureRequest) -> Iterator[Service]:
    with SERVERS[request.param]() as service:
        yield service
        assert "Traceback" not in service.log()


def post(path: str, *headers: str) -> bytes:
    return head(*headers, path=path) + b"{}"


BY_LENGTH = ["/echo", "/view", "/none", "/wsgi/a", "/asgi/a"]


@pytest.mark.parametrize("path", BY_LENGTH)
@pytest.mark.parametrize("length", [DIGITS, "0" * 5000 + "2"], ids=["of nines", "of zeros"])
def test_a_length_of_thousands_of_digits_is_refused(service: Service, path: str, length: str) -> None:
    answer = ask(service.port, post(path, f"Content-Length: {length}"))

    assert answer.status == 400, answer


@pytest.mark.parametrize("length", ["\u0662", "²", "+2", "-2", "0_2", "2.0", "0x2", "2, 3", "2;"])
def test_a_length_that_is_no_number_is_refused(service: Service, length: str) -> None:
    answer = ask(service.port, post("/echo", f"Content-Length: {length}"))

    assert answer.status == 400, answer


REFUSED = {
    "a job's number beyond SQLite's": ("/jobs?before=99999999999999999999", 400),
    "a job's number below 0": ("/jobs?before=-1", 400),
    "a page beyond SQLite's": ("/jobs?limit=99999999999999999999", 400),
    "a page of thousands of digits": (f"/jobs?limit={DIGITS[:3000]}", 400),
    "no seconds": ("/status/none?wait=nan", 400),
    "infinite seconds": ("/status/none?wait=inf", 400),
    "too many seconds": ("/status/none?wait=1e999", 400),
    "no factor": ("/number/1?times=nan", 400),
    "a number of thousands of digits in a path": (f"/number/{DIGITS[:3000]}", 200),
    "digits of another script in a path": ("/number/%D9%A2", 404),
    "a surrogate in a query": ("/status?job_id=%ED%A0%80", 400),
    "a surrogate in a path": ("/status/%ED%A0%80", 404),
    "a null in a path": ("/status/%00", 404),
}


@pytest.mark.parametrize("name", REFUSED)
def test_text_that_is_no_usable_number_is_refused(service: Service, name: str) -> None:
    path, status = REFUSED[name]

    answer = ask(service.port, get(path))

    assert answer.status == status, answer


@pytest.mark.parametrize("seconds", ["nan", "inf", "1e999", "-1", "0", DIGITS, "\u0662"])
def test_a_timeout_that_is_no_number_of_seconds_is_ignored(service: Service, seconds: str) -> None:
    answer = ask(service.port, head(f"X-Request-Timeout: {seconds}", path="/number/1", method="GET"))

    assert answer.status == 200, answer


def test_a_range_of_thousands_of_digits_is_no_failure(service: Service) -> None:
    answer = ask(service.port, head(f"Range: bytes={DIGITS}-", path="/docs", method="GET"))

    assert answer.status in (200, 206, 416), answer


def absolute(method: str, target: str, body: bytes = b"") -> bytes:
    lines = (f"{method} {target} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}", "", "")
    return "\r\n".join(lines).encode() + body


def test_the_target_of_a_request_may_be_a_whole_url(service: Service) -> None:
    def status_and_body(method: str, target: str, body: bytes = b"") -> tuple[int, bytes]:
        answer: Answer = ask(service.port, absolute(method, target, body))
        return answer.status, answer.body

    assert status_and_body("POST", "http://localhost/echo", b'{"text": "a"}') == (200, b'{"text":"a"}')
    assert status_and_body("POST", "http://localhost:80/view", b"{}")[0] == 200
    assert status_and_body("GET", "HTTP://LOCALHOST/number/2?times=3") == (200, b'{"of":2,"times":3.0}')
    assert status_and_body("GET", "http://localhost/wsgi/a") == (200, b"/a")
    assert status_and_body("GET", "http://localhost/asgi/a%20b") == (200, b"/a b")
    assert status_and_body("GET", "http://localhost/livez")[0] == 200
    assert status_and_body("GET", "http://localhost")[0] == 200
    assert status_and_body("GET", "http://localhost/none")[0] == 404
