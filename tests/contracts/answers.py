"""A service whose handlers answer in every form that there is, and the requests that it gets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from http import HTTPStatus
from typing import Any

import flask
import werkzeug

from aylien_model_serving import MediaFile, Response
from aylien_model_serving.app_factory import FlaskAppWrapper
from aylien_model_serving.background.tasks import TaskResponse
from aylien_model_serving.web.app import ServingFlask
from examples import example_schema_pb2
from tests.contracts.adapters import Request
from tests.contracts.cases import Case, post
from tests.contracts.flask_handlers import route


class Countdown:
    """An iterator that is no generator."""

    def __init__(self, start: int) -> None:
        self._next = start

    def __iter__(self) -> Countdown:
        return self

    def __next__(self) -> int:
        if not self._next:
            raise StopIteration
        self._next -= 1
        return self._next + 1


class AsyncCountdown(Countdown):
    """An async iterator that is no async generator."""

    __iter__ = None  # type: ignore[assignment]

    def __aiter__(self) -> AsyncCountdown:
        return self

    async def __anext__(self) -> int:
        if not self._next:
            raise StopAsyncIteration
        return super().__next__()


def iterate(kind: str) -> Any:
    made: dict[str, Any] = {
        "iter": iter([1, "a"]),
        "map": map(abs, [-1, 2]),
        "zip": zip("ab", [1, 2], strict=True),
        "class": Countdown(2),
        "async class": AsyncCountdown(2),
    }
    return made[kind]


def iterate_hinted(count: int) -> Iterator[int]:
    return iter(range(count))


async def iterate_later(count: int) -> AsyncIterator[int]:
    return AsyncCountdown(count)


def iterate_badly(count: int) -> Any:
    return map(divmod, [1], [count - 2])


def answer_value(kind: str) -> Any:
    values: dict[str, Any] = {
        "none": None,
        "bytes": b"\xff\x00a",
        "bytearray": bytearray(b"\xff"),
        "set": {3},
        "frozenset": frozenset({"a"}),
        "range": range(3),
        "keys": {"a": 1}.keys(),
    }
    return values[kind]


def detect(title: str = "") -> dict[str, Any]:
    return {"version": "1", "language": title, "confidence": 0.5}


RESPONSES: dict[str, Any] = {
    "a result with a status": lambda: Response({"a": 1}, status=201),
    "a result with headers": lambda: Response(json=[1], headers={"X-Own": "yes"}),
    "a result with cookies": lambda: Response(1, headers=[("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]),
    "an error": lambda: Response({"error": "gone", "code": "gone"}, status=410),
    "a status alone": lambda: Response(status=204),
    "a text": lambda: Response(body="grüße"),
    "bytes": lambda: Response(body=b"\xff", content_type="image/x-own"),
    "a page": lambda: Response(body="<p>", content_type="text/html"),
    "a file": lambda: Response(body=MediaFile(b"a,b", "text/csv", "ä b.csv")),
    "a media type of its own": lambda: Response({}, headers={"Content-Type": "application/hal+json"}),
    "with tasks": lambda: TaskResponse(Response({"a": 1}, status=202), background=str),
    "Flask's": lambda: flask.Response("text", 203, {"X-Own": "yes"}),
    "Werkzeug's": lambda: werkzeug.Response(b"bytes", 206, content_type="text/csv"),
    "a tuple with a status": lambda: ({"error": "no"}, 404),
    "a tuple with a named status": lambda: ({"a": 1}, HTTPStatus.ACCEPTED),
    "a tuple with headers": lambda: ({"a": 1}, 200, {"X-Own": "yes"}),
    "a tuple of a response": lambda: (Response({"a": 1}, headers={"X-One": "1"}), 201, {"X-Two": "2"}),
    "a tuple of a result": lambda: ("cat", 0.9),
    "a tuple of counts": lambda: (640, 480),
}


def respond(kind: str):  # type: ignore[no-untyped-def]  # a tuple may be anything
    return RESPONSES[kind]()


def respond_hinted(kind: str) -> dict[str, Any] | str:
    hinted: dict[str, Any] = {
        "text and status": ("gone", 410),
        "headers alone": ({"a": 1}, {"X-Own": "yes"}),
        "no status": ({"a": 1}, 99),
    }
    return hinted[kind]  # type: ignore[no-any-return]


def respond_data(kind: str) -> tuple[dict[str, Any], int]:
    return {"kind": kind}, 404


def respond_all(kind: list[str]) -> list[Any]:
    return [RESPONSES[one]() for one in kind]


def view() -> Any:
    return Response({"a": 1}, status=201, headers={"X-Own": "yes"})


def view_of_handler() -> flask.Response:
    return FlaskAppWrapper.process_json(respond)


def detect_badly(status: int) -> Any:
    return {"language": "en", "none of its fields": 1}, status


def service() -> ServingFlask:
    """Return a service with a route for every form of an answer."""
    return FlaskAppWrapper.create_app(
        [
            route("/iterate", iterate),
            route("/iterate-one-by-one", iterate, threads=1, name="one by one"),
            route("/iterate-hinted", iterate_hinted),
            route("/iterate-later", iterate_later),
            route("/iterate-badly", iterate_badly),
            route("/value", answer_value),
            route("/detect", detect, schema=example_schema_pb2),
            route("/detect-badly", detect_badly, schema=(None, example_schema_pb2.Response)),
            route("/respond", respond),
            route("/respond-one-by-one", respond, threads=1, name="respond one by one"),
            route("/respond-hinted", respond_hinted),
            route("/respond-data", respond_data),
            route("/respond-all", respond_all, batch={"max_size": 4, "max_wait_ms": 0}),
            route("/respond-cached", respond, cache=True, name="cached"),
            route("/view", view),
            route("/view-of-handler", view_of_handler),
        ],
        {"SECRET_KEY": "secret"},
    )


def case(status: int, request: Request, **keys: Any) -> Case:
    return Case((request,), (status,), build=service, **keys)


#: The requests with the bodies of their answers.
STREAMS = {
    "an iterator of a list": (case(200, post("/iterate", {"kind": "iter"})), b'1\n"a"\n'),
    "a map": (case(200, post("/iterate", {"kind": "map"})), b"1\n2\n"),
    "a zip": (case(200, post("/iterate", {"kind": "zip"})), b'["a",1]\n["b",2]\n'),
    "an iterator of a class": (case(200, post("/iterate", {"kind": "class"})), b"2\n1\n"),
    "an async iterator": (case(200, post("/iterate", {"kind": "async class"})), b"2\n1\n"),
    "an iterator in a slot": (case(200, post("/iterate-one-by-one", {"kind": "map"})), b"1\n2\n"),
    "an iterator with its hint": (case(200, post("/iterate-hinted", {"count": 2})), b"0\n1\n"),
    "an iterator of a coroutine": (case(200, post("/iterate-later", {"count": 1})), b"1\n"),
    "events of an iterator": (
        case(200, post("/iterate", {"kind": "map"}, ("accept", "text/event-stream"))),
        b"data: 1\n\ndata: 2\n\n",
    ),
    "an iterator that fails": (
        case(200, post("/iterate-badly", {"count": 2})),
        b'{"error":"The service failed to answer this request","code":"internal_error",'
        b'"request_id":"the-request"}\n',
    ),
}

VALUES = {
    "none": b"null",
    "bytes": b'"/wBh"',
    "bytearray": b'"/w=="',
    "set": b"[3]",
    "frozenset": b'["a"]',
    "range": b"[0,1,2]",
    "keys": b'["a"]',
}

#: What is sent for each: status, media type, body, and what else is to be said of it in headers.
SENT: dict[str, tuple[int, str, bytes, dict[str, str]]] = {
    "a result with a status": (201, "application/json", b'{"a":1}', {}),
    "a result with headers": (200, "application/json", b"[1]", {"x-own": "yes"}),
    "a result with cookies": (200, "application/json", b"1", {"set-cookie": "b=2"}),
    "an error": (410, "application/json", b'{"error":"gone","code":"gone"}', {}),
    "a status alone": (204, "", b"", {}),
    "a text": (200, "text/plain; charset=utf-8", "grüße".encode(), {}),
    "bytes": (200, "image/x-own", b"\xff", {}),
    "a page": (200, "text/html", b"<p>", {"content-security-policy": "sandbox"}),
    "a file": (
        200,
        "text/csv",
        b"a,b",
        {"content-disposition": "attachment; filename=\"_ b.csv\"; filename*=UTF-8''%C3%A4%20b.csv"},
    ),
    "a media type of its own": (200, "application/hal+json", b"{}", {}),
    "with tasks": (202, "application/json", b'{"a":1}', {}),
    "Flask's": (
        203,
        "text/html; charset=utf-8",
        b"text",
        {"x-own": "yes", "content-security-policy": "sandbox"},
    ),
    "Werkzeug's": (206, "text/csv", b"bytes", {}),
    "a tuple with a status": (404, "application/json", b'{"error":"no"}', {}),
    "a tuple with a named status": (202, "application/json", b'{"a":1}', {}),
    "a tuple with headers": (200, "application/json", b'{"a":1}', {"x-own": "yes"}),
    "a tuple of a response": (201, "application/json", b'{"a":1}', {"x-one": "1", "x-two": "2"}),
    "a tuple of a result": (200, "application/json", b'["cat",0.9]', {}),
    "a tuple of counts": (200, "application/json", b"[640,480]", {}),
}

HINTED = {
    "text and status": (410, b'"gone"', {}),
    "headers alone": (200, b'{"a":1}', {"x-own": "yes"}),
    "no status": (200, b'[{"a":1},99]', {}),
}
