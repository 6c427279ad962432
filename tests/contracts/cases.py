"""The requests that every adapter gets, with the status that each has to answer."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from examples import example_schema_pb2
from tests.contracts.adapters import Build, Request
from tests.contracts.services import service

JSON = ("content-type", "application/json")
FORM = ("content-type", "application/x-www-form-urlencoded")
PROTOBUF = ("content-type", "application/x-protobuf")
HTML = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8")
PROBLEM = ("accept", "application/problem+json")

KIBIBYTE = 1024
SMALL_LIMIT = {"MODEL_SERVING_MAX_BODY_MB": str(KIBIBYTE / (1024 * KIBIBYTE))}
KEYS = {"MODEL_SERVING_API_KEYS": "first,second"}

MULTIPART = (
    b'--cut\r\nContent-Disposition: form-data; name="label"\r\n\r\na label\r\n'
    b'--cut\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n\x00\xff\x01\r\n--cut--\r\n'
)
MULTIPART_TYPE = ("content-type", "multipart/form-data; boundary=cut")


@dataclass(frozen=True)
class Case:
    """Some requests to one service.

    Args:
        statuses: what they are answered with, in order.
        bare: whether they are for bare handlers, which take the fast path.
        build: makes the service.
        environ: the operator's settings.
        paths: the parts that they pass, by adapter, where it is neither of the usual two.
    """

    requests: tuple[Request, ...]
    statuses: tuple[int, ...]
    bare: bool = True
    build: Build = service
    environ: Mapping[str, str] = field(default_factory=dict)
    paths: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def post(target: str, fields: Any = None, *headers: tuple[str, str], **keys: Any) -> Request:
    """Return a POST of JSON fields."""
    body = json.dumps({} if fields is None else fields, ensure_ascii=False).encode()
    return Request("POST", target, body, (JSON, *headers), **keys)


def send(target: str, body: bytes, *headers: tuple[str, str], **keys: Any) -> Request:
    """Return a POST of bytes."""
    return Request("POST", target, body, headers, **keys)


def get(target: str, *headers: tuple[str, str]) -> Request:
    return Request("GET", target, headers=headers)


def one(status: int, request: Request, **keys: Any) -> Case:
    return Case((request,), (status,), **keys)


def flask_only(status: int, request: Request, **keys: Any) -> Case:
    return Case((request,), (status,), bare=False, **keys)


HELLO = {"text": "hello"}
PACKED = gzip.compress(b'{"text": "hello"}', mtime=0)
PACKED_LARGE = gzip.compress(b'{"text": "%b"}' % bytes(b"a" * 300_000), mtime=0)

KINDS = {
    "a function": one(200, post("/echo", HELLO)),
    "a function with an optional field": one(200, post("/echo", {"text": "a", "times": 3})),
    "a handler that takes every field": one(200, post("/open", {"a": 1, "ü": [None, {"b": 1.5}]})),
    "a closure": one(200, post("/closure", HELLO)),
    "a class": one(200, post("/class", HELLO)),
    "an instance": one(200, post("/instance", HELLO)),
    "a method": one(200, post("/method", {"text": "HELLO"})),
    "a partial": one(200, post("/partial", HELLO)),
    "a lambda": one(200, post("/lambda", HELLO)),
    "an async handler": one(200, post("/async", HELLO)),
    "a generator": one(200, get("/stream?count=3")),
    "a generator's events": one(200, get("/stream?count=3", ("accept", "text/event-stream"))),
    "a generator that makes nothing": one(200, get("/stream?count=0")),
    "a generator that fails": one(200, post("/stream-fails")),
    "a HEAD of a generator": one(200, Request("HEAD", "/stream?count=3")),
    "a view": flask_only(200, post("/view", HELLO)),
    "a view with a schema": flask_only(200, post("/view-with-schema", {"title": "en"})),
    "a view that answers text": flask_only(202, get("/text")),
    "a handler that is not counted": one(200, post("/untracked", HELLO)),
}

PATHS = {
    "values of a path": one(200, post("/greet/en/7")),
    "values of a path by GET": one(200, get("/greet/en/7")),
    "values of a path by HEAD": one(200, Request("HEAD", "/greet/en/7")),
    "a value of a path and of the body": one(400, post("/greet/en/7", {"lang": "de"})),
    "a value of a path beyond ASCII": one(200, post("/greet/gr%C3%BC%C3%9Fe/7")),
    "a value of a path that is not UTF-8": one(200, post("/greet/%FF/7")),
    "an escaped slash": flask_only(404, post("/greet/a%2Fb/7")),
    "a value that does not convert": flask_only(404, post("/greet/en/seven")),
    "a value of thousands of digits": flask_only(404, post(f"/greet/en/{'9' * 5000}")),
    "a value in digits of another script": flask_only(404, post("/greet/en/%D9%A2")),
    "a path of several parts": one(200, get("/files/a/b%20c/d.txt")),
    "a path beyond ASCII": one(200, post("/gr%C3%B6%C3%9Fe", HELLO)),
    "a path that is not UTF-8": flask_only(404, post("/%FF", HELLO)),
    "an unknown path": flask_only(404, post("/none", HELLO)),
    "the root": flask_only(200, get("/")),
    "the root in a browser": flask_only(200, get("/", HTML)),
    "a HEAD of the root": flask_only(200, Request("HEAD", "/")),
    "a HEAD of the root in a browser": flask_only(200, Request("HEAD", "/", headers=(HTML,))),
    "a POST to the root": flask_only(405, post("/", HELLO)),
    "a POST to the root in a browser": flask_only(405, post("/", HELLO, HTML)),
    "another method": flask_only(405, get("/echo")),
    "another method of a path with values": flask_only(405, Request("PATCH", "/greet/en/7")),
    "an unknown method": flask_only(405, Request("BREW", "/echo")),
    "a folder": one(200, post("/folder/", HELLO)),
    "a folder without its slash": flask_only(308, post("/folder?a=b", HELLO)),
    "a folder of a path with values, without its slash": flask_only(308, post("/folder/en", HELLO)),
    "a slash too many at the end": flask_only(404, post("/echo/", HELLO)),
    "a slash too many at the start": flask_only(200, post("//echo", HELLO)),
    "a slash too many in the middle": flask_only(308, post("/greet//en/7", HELLO)),
    "OPTIONS": flask_only(200, Request("OPTIONS", "/echo")),
    "OPTIONS of a path with values": flask_only(200, Request("OPTIONS", "/greet/en/7")),
    "OPTIONS of a handler of its own": one(400, Request("OPTIONS", "/options")),
    "an operator's path": flask_only(200, get("/__ping")),
    "another method of an operator's path": flask_only(405, post("/__ping")),
}

CODECS = {
    "a query": one(200, get("/search?q=a%20b&limit=3&exact=true")),
    "a query by HEAD": one(200, Request("HEAD", "/search?q=a")),
    "a list in a query": one(200, Request("DELETE", "/open?a=1&a=2&b=")),
    "a query that is not UTF-8": one(400, get("/search?q=%FF")),
    "raw bytes in a query": one(200, get("/search?q=\u00c3\u00bc")),
    "raw bytes in a query to Flask": flask_only(404, get("/none?q=\u00c3\u00bc")),
    "no body of a GET": one(400, get("/search")),
    "a query beside a body": one(200, post("/echo?times=2", HELLO)),
    "a query beside a form": one(200, send("/echo?times=2", b"text=a", FORM)),
    "a query beside a protobuf body": one(
        200, send("/detect?title=en", example_schema_pb2.Request(body="b").SerializeToString(), PROTOBUF)
    ),
    "a query beside values of a path": one(200, post("/greet/en/7?polite=true", {})),
    "a query in place of a body": one(200, send("/echo?text=a&times=2", b"")),
    "a query beside the body of a view": flask_only(200, post("/view-with-schema?title=en", {"body": "b"})),
    "a query beside a body of any fields": one(200, post("/open?b=1&b=2", {"a": 1})),
    "a form": one(200, send("/echo", b"text=a+b&times=2", FORM)),
    "JSON under a form's type": one(200, send("/echo", b'{"text": "a"}', FORM)),
    "JSON under no type": one(200, send("/echo", b'{"text": "a"}')),
    "JSON under another type": one(200, send("/echo", b'{"text": "a"}', ("content-type", "text/plain"))),
    "JSON with a charset": one(
        200, send("/echo", b'{"text": "a"}', ("content-type", "Application/JSON; charset=utf-8"))
    ),
    "JSON in chunks": one(200, post("/echo", {"text": "ä" * 50}, chunked=True)),
    "nothing in chunks": one(400, send("/echo", b"", JSON, chunked=True)),
    "compressed JSON": one(200, send("/echo", PACKED, JSON, ("content-encoding", "gzip"))),
    "compressed JSON in chunks": one(
        200, send("/echo", PACKED, JSON, ("content-encoding", "gzip"), chunked=True)
    ),
    "compressed JSON of a view": flask_only(200, send("/view", PACKED, ("content-encoding", "gzip"))),
    "JSON that is not compressed": one(200, post("/echo", HELLO, ("content-encoding", "identity"))),
    "a large body that was small": one(200, send("/open", PACKED_LARGE, ("content-encoding", "gzip"))),
    "a query of a client that would compress": one(200, get("/search?q=a", ("content-encoding", "gzip"))),
    "multipart": one(200, send("/upload", MULTIPART, MULTIPART_TYPE)),
    "multipart in chunks": one(200, send("/upload", MULTIPART, MULTIPART_TYPE, chunked=True)),
    "protobuf": one(
        200, send("/detect", example_schema_pb2.Request(title="en").SerializeToString(), PROTOBUF)
    ),
    "protobuf for JSON": one(200, post("/detect", {"title": "en"}, ("accept", "application/x-protobuf"))),
    "protobuf that is broken": one(400, send("/detect", b"\xff", PROTOBUF)),
    "a PUT": one(200, Request("PUT", "/open", b'{"a": 1}', (JSON,))),
    "a PATCH": one(200, Request("PATCH", "/open", b'{"a": 1}', (JSON,))),
    "a DELETE with a body": one(200, Request("DELETE", "/open", b'{"a": 1}', (JSON,))),
    "an odd request id": one(200, post("/echo", HELLO, ("x-request-id", "mine/1.2:3"))),
    "a request id that is repeated": one(200, post("/echo", HELLO, ("accept", "a/b"), ("accept", "c/d"))),
}

REFUSALS = {
    "no body": one(400, send("/echo", b"", JSON)),
    "no JSON": one(400, send("/echo", b"{", JSON)),
    "no object": one(400, post("/echo", [1])),
    "no UTF-8": one(400, send("/echo", b'{"text": "\xff"}', JSON)),
    "a key twice": one(400, send("/echo", b'{"text": "a", "text": "b"}', JSON)),
    "a missing field": one(400, post("/echo")),
    "an unexpected field": one(400, post("/echo", {"text": "a", "more": 1})),
    "an unexpected name in the query": one(400, post("/echo?more=1", HELLO)),
    "a name in the body and in the query": one(400, post("/echo?text=a", HELLO)),
    "a name in the path and in the query": one(400, post("/greet/en/7?lang=de", {})),
    "a wrong type in the query": one(400, post("/echo?times=many", HELLO)),
    "a wrong type": one(400, post("/echo", {"text": 1})),
    "a schema's mismatch": one(400, post("/detect", {"title": 1})),
    "a multipart body without its boundary": one(
        400, send("/upload", MULTIPART, ("content-type", "multipart/form-data"))
    ),
    "a handler's refusal": one(400, post("/refuse", HELLO)),
    "a surrogate": one(400, send("/refuse", b'{"text": "\\ud800"}', JSON)),
    "a media type": one(415, send("/echo", b"\x89PNG", ("content-type", "image/png"))),
    "a compressed body that is damaged": one(400, send("/echo", b"\x1f\x8b", ("content-encoding", "gzip"))),
    "a compressed body of a coding that nobody knows": one(
        415, send("/echo", b"\x1f\x8b", ("content-encoding", "compress"))
    ),
    "a compressed body that is too large": one(
        413, send("/echo", PACKED_LARGE, ("content-encoding", "gzip")), environ=SMALL_LIMIT
    ),
    "a compressed body of a view that is too large": flask_only(
        413, send("/view", PACKED_LARGE, ("content-encoding", "gzip")), environ=SMALL_LIMIT
    ),
    "a large body": one(413, send("/echo", bytes(KIBIBYTE + 1), JSON), environ=SMALL_LIMIT),
    "a large body in chunks": one(
        413, send("/echo", bytes(KIBIBYTE + 1), JSON, chunked=True), environ=SMALL_LIMIT
    ),
    "a body of the largest size": one(
        200, send("/open", b"{" + b" " * (KIBIBYTE - 2) + b"}", JSON), environ=SMALL_LIMIT
    ),
    "a body of the largest size in chunks": one(
        413, send("/open", b"{" + b" " * (KIBIBYTE - 2) + b"}", JSON, chunked=True), environ=SMALL_LIMIT
    ),
    "a body just below the largest size in chunks": one(
        200, send("/open", b"{" + b" " * (KIBIBYTE - 3) + b"}", JSON, chunked=True), environ=SMALL_LIMIT
    ),
    "a large body of a view": flask_only(413, send("/view", bytes(KIBIBYTE + 1), JSON), environ=SMALL_LIMIT),
    "a length of thousands of digits": one(400, send("/echo", b"{}", JSON, ("content-length", "9" * 5000))),
    "a length that is no number": one(400, send("/echo", b"{}", JSON, ("content-length", "\u00b2"))),
    "a length of thousands of digits for a view": flask_only(
        400, send("/view", b"{}", JSON, ("content-length", "9" * 5000))
    ),
    "a length of thousands of digits for an unknown path": flask_only(
        400, send("/none", b"{}", JSON, ("content-length", "9" * 5000))
    ),
    "a body that ends early": one(400, send("/echo", b"{}", JSON, ("content-length", "10"))),
    "no API key": flask_only(401, post("/echo", HELLO), environ=KEYS),
    "a wrong API key": flask_only(403, post("/echo", HELLO, ("x-api-key", "third")), environ=KEYS),
    "a wrong API key for an unknown path": flask_only(
        403, post("/none", HELLO, ("x-api-key", "third")), environ=KEYS
    ),
    "the root without an API key": flask_only(200, get("/"), environ=KEYS),
    "a POST to the root without an API key": flask_only(401, post("/", HELLO), environ=KEYS),
    "a right API key": one(200, post("/echo", HELLO, ("x-api-key", "second")), environ=KEYS),
    "a bearer's API key": one(200, post("/echo", HELLO, ("authorization", "Bearer first")), environ=KEYS),
}

FAILURES = {
    "an exception": one(500, post("/value-error", HELLO)),
    "an exception that is exposed": one(
        500, post("/value-error", HELLO), environ={"MODEL_SERVING_EXPOSE_ERRORS": "1"}
    ),
    "an exception of an async handler": one(500, post("/async-fails", HELLO)),
    "no room": one(503, post("/unavailable")),
    "too many requests": one(429, post("/too-many")),
    "an answer that is no JSON": one(500, post("/nonsense")),
    "an answer against its schema": one(500, post("/against-the-schema")),
    "an answer that is late": one(504, post("/long")),
    "an answer that is late for its client": one(504, post("/patient", None, ("x-request-timeout", "0.2"))),
    "a problem": one(400, post("/echo", None, PROBLEM)),
    "a problem of the service": one(500, post("/value-error", HELLO, PROBLEM)),
    "a problem of a path": flask_only(404, post("/none", None, PROBLEM)),
    "a problem of an API key": flask_only(401, post("/echo", HELLO, PROBLEM), environ=KEYS),
}

CACHE = {
    "a miss and a hit": Case(
        (post("/cached", {"text": "a"}), send("/cached", b'{ "text" :"a"}'), post("/cached", {"text": "b"})),
        (200, 200, 200),
    ),
    "a miss and a hit of a query": Case(
        (get("/cached-search?q=a"), get("/cached-search?q=a"), get("/cached-search?q=b")), (200, 200, 200)
    ),
    "failures are not kept": Case((post("/cached-fails", HELLO), post("/cached-fails", HELLO)), (500, 500)),
    "refusals are not counted": Case((post("/cached"), post("/cached", {"text": "c"})), (400, 200)),
}

OF_FLASK = {
    "a response of its own": one(201, post("/response", HELLO)),
    "a response without content": one(204, post("/status", {"status": 204})),
    "a response that is not modified": one(304, post("/status", {"status": 304})),
    "a response of an unknown status": one(299, post("/status", {"status": 299})),
    "a response that was made": one(203, post("/made", HELLO)),
    "a response by jsonify": one(200, post("/json", HELLO)),
    "a redirect": one(302, post("/redirect", {"to": "/größe?a=b c"})),
    "an abort": one(404, post("/abort", {"status": 404})),
    "an abort of the service's": one(503, post("/abort", {"status": 503}, PROBLEM)),
    "an abort in words": one(422, post("/abort-words")),
    "an abort with a response": one(418, post("/abort-response")),
    "a file": one(200, post("/file")),
    "a HEAD of a file": one(200, Request("HEAD", "/file")),
    "a response of pieces": one(200, post("/streamed")),
    "a response of pieces within the request": one(200, post("/streamed-with-context")),
    "the request": one(200, post("/request?a=1&a=2", {"b": [1]}, ("x-own", "ü"))),
    "the request with a cookie": flask_only(200, post("/request", {}, ("cookie", "c=1"))),
    "the request in chunks": one(200, post("/request", {"b": [1]}, chunked=True)),
    "the request of a form": one(200, send("/request", b"a=1&a=2", FORM)),
    "the request of a multipart form": one(200, send("/request", MULTIPART, MULTIPART_TYPE)),
    "the request of a GET": one(200, get("/request?a=1")),
    "the request of a HEAD": one(200, Request("HEAD", "/request?a=1")),
    "the request of a path with values": one(200, post("/request/gr%C3%BC%C3%9Fe", {"a": 1})),
    "the request of an async handler": one(200, post("/async-request", HELLO, ("user-agent", "me"))),
    "g": Case((post("/g"), post("/g")), (200, 200)),
    "a session": one(200, post("/session", {"add": 2})),
    "a session that is read": one(200, post("/session")),
    "a session that is kept": one(200, post("/keep-session")),
    "url_for": one(200, post("/url-for")),
    "after_this_request": one(202, post("/after", HELLO)),
    "after_this_request that fails": one(500, post("/after-fails", HELLO)),
    "after_this_request of a refusal": one(400, post("/after-failure")),
    "contexts within the context": one(200, post("/contexts")),
}

CASES: dict[str, Case] = {
    **KINDS,
    **PATHS,
    **CODECS,
    **REFUSALS,
    **FAILURES,
    **CACHE,
    **OF_FLASK,
}
