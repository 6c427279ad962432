"""Requests with a line that does not end: refused before a worker has kept more than a few reads of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.selection import matrix
from tests.services.raw_http import ask, connect, get, head
from tests.services.serving import Service, serve

pytestmark = pytest.mark.processes

BLOCK = b"0" * 65536
BLOCKS = 500  # 32 MB

CHUNKED = head("Transfer-Encoding: chunked")

BEGINNINGS = {
    "a target": b"GET /",
    "a header": b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: ",
    "a chunk's size": CHUNKED,
    "a chunk's extension": CHUNKED + b"1;",
    "a trailer": CHUNKED + b"2\r\n{}\r\n0\r\nX-Long: ",
}

#: Worker class, and Gunicorn's parser of HTTP; "auto" takes the one in C where it is installed.
SERVED = [(name, parser) for name in ("asgi", "gevent", "gthread", "sync") for parser in ("auto", "python")]


@pytest.fixture(scope="module", params=matrix(SERVED, ("asgi", "auto")), ids="-".join)
def service(request: pytest.FixtureRequest) -> Iterator[Service]:
    worker_class, parser = request.param
    args = ("--http-parser", parser)
    target = "tests.services.apps:answering()"
    with serve(target, worker_class=worker_class, workers=1, args=args) as service:
        yield service


@pytest.mark.parametrize("line", BEGINNINGS)
def test_a_line_without_an_end_is_refused(service: Service, line: str) -> None:
    with connect(service.port) as connection:
        connection.send(BEGINNINGS[line])
        sent = connection.send_until_answered([BLOCK] * BLOCKS)
        answer = connection.answer()

    assert sent < BLOCKS
    assert answer is None or answer.status in (400, 414, 431)
    assert ask(service.port, get("/__ping")).status == 200
