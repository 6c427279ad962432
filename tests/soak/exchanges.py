"""The kinds of exchanges with the service of this folder: answered, refused and abandoned ones."""

from __future__ import annotations

import time
from typing import Any

from tests.services.raw_http import Answer, ask, connect, get, head, post, request
from tests.soak.load import Exchange
from tests.soak.service import HOSTED, JOB, MEASURE

#: Characters of a large body.
LENGTH = 300_000

#: Requests that a client sends over one connection, where the server keeps it.
KEPT = 8

SMALL = post({"text": "short"}, path=MEASURE)
LARGE = post({"text": "x" * LENGTH}, path=MEASURE)
LARGE_TO_REPLICA = post({"text": "x" * LENGTH}, path=HOSTED)
UPLOAD = request(
    b'--soak\r\nContent-Disposition: form-data; name="file"; filename="zeros"\r\n\r\n'
    + bytes(LENGTH)
    + b"\r\n--soak--\r\n",
    "Content-Type: multipart/form-data; boundary=soak",
    path="/file",
)
#: Seconds in which those who have left give their places back, on however busy a machine.
_PATIENCE_SECONDS = 20.0

#: Items of a stream.
ITEMS = 20

STREAM = post({"items": ITEMS}, "Accept: application/x-ndjson", "Connection: close", path="/count")


def expect(answer: Answer | None, status: int) -> Answer:
    assert answer is not None, "the server closed the connection without an answer"
    assert answer.status == status, answer
    return answer


def answered(message: bytes, length: int) -> Exchange:
    """Return an exchange that sends a request some times, over one connection where the server keeps it."""

    def exchange(port: int) -> None:
        left = KEPT
        while left:
            with connect(port) as connection:
                answer = expect(connection.ask(message), 200)
                while answer is not None:
                    assert expect(answer, 200).json() == {"length": length}
                    left -= 1
                    answer = connection.ask(message) if left else None

    return exchange


def refused(message: bytes, *statuses: int) -> Exchange:
    def exchange(port: int) -> None:
        answer = ask(port, message)
        assert answer.status in statuses, answer

    return exchange


def abandoned(message: bytes, *, answer_bytes: int = 0) -> Exchange:
    """Return an exchange whose client leaves once it has sent a message and received so many bytes."""

    def exchange(port: int) -> None:
        with connect(port) as connection:
            connection.send(message)
            assert not answer_bytes or connection.socket.recv(answer_bytes)

    return exchange


def stream(port: int) -> None:
    answer = expect(ask_patiently(port, STREAM), 200)
    assert len(answer.body.splitlines()) >= ITEMS, answer


def ask_patiently(port: int, message: bytes) -> Answer:
    """Ask again while streams that were abandoned have all places: until their next item can't be sent."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        answer = ask(port, message)
        if answer.status != 503 or time.monotonic() > deadline:
            return answer
        time.sleep(0.1)


def job(port: int) -> None:
    assert result_of_job(port, "later") == {"length": 5}


def result_of_job(port: int, text: str) -> Any:
    """Have a job made of a text, and wait for its result."""
    told = expect(ask(port, post({"text": text}, path=JOB)), 202).json()
    while told["status"] != "finished":
        answer = ask_patiently(port, get(f"/status/{told['job_id']}?wait=5"))
        told = expect(answer, 200).json()
        assert told["status"] in ("queued", "processing", "finished"), told
    return told["result"]


def operators(port: int) -> None:
    for path in ("/__ping", "/readyz", "/metrics", "/__runners"):
        expect(ask(port, get(path)), 200)


EXCHANGES: dict[str, Exchange] = {
    "small bodies": answered(SMALL, 5),
    "large bodies": answered(LARGE, LENGTH),
    "large bodies to a replica": answered(LARGE_TO_REPLICA, LENGTH),
    "uploads": answered(UPLOAD, LENGTH),
    "streams": stream,
    "jobs": job,
    "operators": operators,
    "malformed bodies": refused(request(b'{"text":', path=MEASURE), 400),
    "unexpected fields": refused(post({"text": "a", "more": 1}, path=MEASURE), 400),
    "unknown paths": refused(post({}, path="/none"), 404),
    "too large bodies": refused(head("Content-Length: 100000000", path=MEASURE), 413),
    "broken frames": refused(head("Content-Length: ten", path=MEASURE), 400),
    "too many calls": refused(post({"text": "once a day"}, path="/limited"), 200, 429),
    "abandoned calls": abandoned(post({"seconds": 0.05}, path="/sleep")),
    "abandoned calls of a replica": abandoned(LARGE_TO_REPLICA),
    "abandoned bodies": abandoned(LARGE[: LENGTH // 2]),
    "abandoned uploads": abandoned(UPLOAD[: LENGTH // 2]),
    "abandoned streams": abandoned(STREAM, answer_bytes=100),
    "abandoned jobs": abandoned(post({"text": "abandoned"}, path=JOB)),
}
