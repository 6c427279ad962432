"""Everything a client can send wrongly, sent as bytes to real Gunicorns of every worker class.

Each refusal is JSON with a request id, and the server goes on: on the same connection where it keeps it, on
the next one where it closes it. The sync worker closes every connection after its answer. The gthread worker
closes after a body that was refused unread, while gevent's reads the rest of it away. All close where the
request's frame itself is broken, because nobody knows where the next request would start.
"""

import gzip
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest

from tests.selection import matrix
from tests.services.raw_http import Answer, Connection, connect, head, request
from tests.services.serving import Service, serve

pytestmark = pytest.mark.processes

MEBIBYTE = 1024 * 1024
PIECE = bytes(64 * 1024)
CHUNK = f"{len(PIECE):x}\r\n".encode() + PIECE + b"\r\n"
LARGE = 16 * MEBIBYTE // len(PIECE)  # pieces of a body twice as large as is accepted

BOTH = frozenset({"gthread", "gevent"})
GEVENT = frozenset({"gevent"})
NONE: frozenset[str] = frozenset()

GOOD = request(b'{"text": "hello"}')


@dataclass(frozen=True)
class Refused:
    """A request that gets a 4xx.

    Args:
        status: the answer's status.
        code: the answer's `code`.
        said: a part of the answer's `error`.
        sent: the request's bytes.
        kept: the worker classes that keep the connection.
        rest: what the client still sends once it has the answer, before its next request.
    """

    status: int
    code: str
    said: str
    sent: bytes
    kept: frozenset[str] = BOTH
    rest: Sequence[bytes] = ()


def malformed(body: bytes, said: str, *headers: str) -> Refused:
    return Refused(400, "malformed_body", said, request(body, *headers))


def unexpected(name: str) -> Refused:
    body = json.dumps({"text": "hello", name: 1}).encode()
    return Refused(400, "field_mismatch", f"Unexpected field {name!r}", request(body))


def misframed(*headers: str) -> Refused:
    return Refused(400, "bad_request", "content-length", head(*headers) + b"{}", NONE)


REFUSED = {
    "truncated": malformed(b'{"text": "hel', "not valid JSON"),
    "an array": malformed(b"[1]", "an array"),
    "a string": malformed(b'"text"', "a string"),
    "a number": malformed(b"7", "a number"),
    "null": malformed(b"null", "null"),
    "a boolean": malformed(b"true", "a boolean"),
    "empty": malformed(b"", "empty"),
    "blank": malformed(b" \r\n", "not valid JSON"),
    "a duplicate key": malformed(b'{"text": "a", "text": "b"}', "'text' is given twice"),
    "a duplicate key deep inside": malformed(b'{"text": [{"a": 1, "a": 2}]}', "'a' is given twice"),
    "100 levels": malformed(b'{"text": ' + b"[" * 99 + b"]" * 99 + b"}", "64 levels"),
    "100,000 levels": malformed(b'{"text": ' + b"[" * 99_999 + b"]" * 99_999 + b"}", "64 levels"),
    "NaN": malformed(b'{"text": NaN}', "not valid JSON"),
    "Infinity": malformed(b'{"text": -Infinity}', "not valid JSON"),
    "invalid UTF-8": malformed(b'{"text": "\xff\xfe"}', "not UTF-8"),
    "a lone surrogate": malformed(b'{"text": "\\ud83d"}', "lone surrogate"),
    "a million items": Refused(
        413,
        "too_many_items",
        "MODEL_SERVING_MAX_JSON_ITEMS",
        request(b'{"text": [' + b"[]," * 1_000_000 + b"0]}"),
    ),
    "a thousand fields": Refused(
        413,
        "too_many_items",
        "more than 1,000 fields",
        request(b"text=a&" * 1001, "Content-Type: application/x-www-form-urlencoded"),
    ),
    "an undeclared gzip body": malformed(gzip.compress(b'{"text": "hello"}'), "JSON"),
    "a body that is no gzip": malformed(b'{"text": "hello"}', "no gzip", "Content-Encoding: gzip"),
    "an unknown coding": Refused(
        415, "unsupported_coding", "compress", request(b"{}", "Content-Encoding: compress")
    ),
    "an unknown media type": Refused(
        415, "unsupported_media_type", "image/png", request(b"\x89PNG\r\n", "Content-Type: image/png")
    ),
    "an unknown method": Refused(405, "method_not_allowed", "POST", request(b"{}", method="BREW")),
    "another method": Refused(405, "method_not_allowed", "POST", request(b"{}", method="PUT")),
    "a method in lower case": Refused(400, "bad_request", "method", request(b"{}", method="post"), NONE),
    "an unknown path": Refused(404, "not_found", "No such path", request(b"{}", path="/none")),
    "a length that is no number": misframed("Content-Length: many"),
    "a negative length": misframed("Content-Length: -1"),
    "two lengths": misframed("Content-Length: 2", "Content-Length: 3"),
    "a length and chunks": misframed("Content-Length: 2", "Transfer-Encoding: chunked"),
    "a broken chunk": Refused(
        400, "malformed_body", "chunk", head("Transfer-Encoding: chunked") + b"zz\r\n{}\r\n0\r\n\r\n", NONE
    ),
    "a large body": Refused(
        413,
        "body_too_large",
        "8,388,608 bytes",
        head(f"Content-Length: {LARGE * len(PIECE)}"),
        GEVENT,
        rest=[PIECE] * LARGE,
    ),
}
REFUSED |= {
    f"the field {name}": unexpected(name)
    for name in ("class", "lambda", "None", "self", "handler", "__class__", "__init__", "__dict__", "")
}


#: Worker class, app, and Gunicorn's parser of HTTP; "auto" takes the one in C where it is installed.
SERVED = [
    ("sync", "answering", "auto"),
    ("gthread", "answering", "auto"),
    ("gthread", "answering_with_hook", "python"),
    ("gevent", "answering", "auto"),
]


@pytest.fixture(scope="module", params=matrix(SERVED, SERVED[2], SERVED[3]), ids="-".join)
def served(request: pytest.FixtureRequest) -> Iterator[tuple[Service, str]]:
    worker_class, app, parser = request.param
    args = ("--http-parser", parser)
    with serve(f"tests.services.apps:{app}()", worker_class=worker_class, workers=1, args=args) as service:
        yield service, worker_class


def assert_refused(answer: Answer | None, refused: Refused) -> None:
    assert answer is not None
    told = answer.json()
    assert (answer.status, told["code"]) == (refused.status, refused.code)
    assert refused.said.lower() in told["error"].lower()  # Gunicorn's two parsers spell differently
    assert told.keys() == {"error", "code", "request_id"}
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"] == told["request_id"] != ""


def assert_good(answer: Answer | None) -> None:
    assert answer is not None
    assert (answer.status, answer.json()) == (200, {"text": "hello"})


def assert_closed(connection: Connection, service: Service) -> None:
    """Read to the connection's end, and see that the next one is served."""
    assert connection.ask(GOOD) is None
    connection.close()
    with connect(service.port) as next_connection:
        assert_good(next_connection.ask(GOOD))


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_wrong_is_refused_and_the_next_request_is_answered(
    served: tuple[Service, str], name: str
) -> None:
    service, worker_class = served
    refused = REFUSED[name]

    with connect(service.port) as connection:
        answer = connection.ask(refused.sent)

        assert_refused(answer, refused)
        connection.send(*refused.rest)
        if worker_class in refused.kept:
            assert_good(connection.ask(GOOD))
        else:
            assert_closed(connection, service)


def test_a_body_without_a_length_is_refused_where_it_becomes_too_large(served: tuple[Service, str]) -> None:
    service, worker_class = served

    with connect(service.port) as connection:
        connection.send(head("Transfer-Encoding: chunked"))
        sent = connection.send_until_answered([CHUNK] * LARGE)
        answer = connection.answer()

        assert_refused(answer, Refused(413, "body_too_large", "8,388,608 bytes", b""))
        assert sent * len(PIECE) >= 8 * MEBIBYTE
        connection.send(*[CHUNK] * (LARGE - sent), b"0\r\n\r\n")
        if worker_class == "gevent":
            assert_good(connection.ask(GOOD))
        else:
            assert_closed(connection, service)


CUT = {
    "in its middle": head("Content-Length: 100") + b'{"text": "hello"}',
    "at its start": head("Content-Length: 100"),
    "within a chunk": head("Transfer-Encoding: chunked") + b'64\r\n{"text": "hello"}',
    "before the last chunk": head("Transfer-Encoding: chunked") + b'11\r\n{"text": "hello"}\r\n',
}


@pytest.mark.parametrize("name", CUT)
def test_a_body_that_ends_too_early_is_refused(served: tuple[Service, str], name: str) -> None:
    service, _ = served

    with connect(service.port) as connection:
        connection.send(CUT[name])
        connection.end()
        answer = connection.answer()

        assert_refused(answer, Refused(400, "malformed_body", "The body", b""))
        assert connection.answer() is None
    with connect(service.port) as next_connection:
        assert_good(next_connection.ask(GOOD))


def test_what_follows_the_declared_length_is_taken_for_the_next_request_and_refused(
    served: tuple[Service, str],
) -> None:
    service, worker_class = served

    with connect(service.port) as connection:
        answer = connection.ask(head("Content-Length: 9") + b'{"text": "hello"}')

        assert_refused(answer, Refused(400, "malformed_body", "not valid JSON", b""))
        if worker_class != "sync":
            left_over = connection.ask(b"\r\n\r\n")
            assert_refused(left_over, Refused(400, "bad_request", "Invalid", b""))
        assert_closed(connection, service)


def test_fields_of_any_name_reach_a_handler_that_takes_all(served: tuple[Service, str]) -> None:
    service, _ = served
    fields = dict.fromkeys(("class", "self", "cls", "handler", "arguments", "__class__", "__init__", ""), 1)

    with connect(service.port) as connection:
        answer = connection.ask(request(json.dumps(fields).encode(), path="/everything"))

    assert answer is not None
    assert (answer.status, answer.json()) == (200, fields)
