"""The four adapters, each called in this process as a server would call it.

A service gets the same requests through each adapter; the responses are put into one form, so that they can
be compared: status, headers in order with their names in lower case, body, and the series that were counted.
"""

from __future__ import annotations

import asyncio
import io
import re
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple
from unittest import mock

import pytest

from aylien_model_serving.process import native_threads
from aylien_model_serving.web import app as web_app
from aylien_model_serving.web.adapters import asgi_to_wsgi
from aylien_model_serving.web.app import ServingFlask

HOST = "service.test"
REQUEST_ID = "the-request"
PIECE_BYTES = 7

Build = Callable[[], ServingFlask]


@dataclass(frozen=True)
class Request:
    """One request as a client sends it.

    Args:
        target: path and query, percent-encoded.
        chunked: whether it has no declared length, and arrives in small pieces.
    """

    method: str
    target: str
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    chunked: bool = False

    def all_headers(self) -> list[tuple[str, str]]:
        framing: list[tuple[str, str]] = []
        if self.chunked:
            framing = [("transfer-encoding", "chunked")]
        elif self.body or self.method in ("POST", "PUT", "PATCH"):
            framing = [("content-length", str(len(self.body)))]
        own = {name for name, _ in self.headers}
        default = [("host", HOST), ("x-request-id", REQUEST_ID), *framing]
        return [pair for pair in default if pair[0] not in own] + list(self.headers)

    def with_header(self, name: str, value: str) -> Request:
        return replace(self, headers=(*self.headers, (name, value)))


class Answer(NamedTuple):
    """What a client sees of an answer."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


class Outcome(NamedTuple):
    """The responses and side effects of some requests, with the code path that each really took."""

    answers: list[Answer]
    counted: dict[str, float]
    seen: list[Any]
    path: list[tuple[str, ...]]


def send_wsgi(app: ServingFlask, request: Request) -> Answer:
    """Send a request as Gunicorn's WSGI workers do."""
    started: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        started[:] = [status, headers]

    produced = app(environ_of(request), start_response)
    try:
        body = b"".join(produced)
    finally:
        getattr(produced, "close", lambda: None)()
    status, headers = started
    return Answer(int(status.split()[0]), [_timeless(name, value) for name, value in headers], body)


HTTP_DATE = re.compile(r"\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT")


def _timeless(name: str, value: str) -> tuple[str, str]:
    """Return a header without the second at which it was made."""
    return name.lower(), HTTP_DATE.sub("a date", value)


def environ_of(request: Request) -> dict[str, Any]:
    path, _, query = request.target.partition("?")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": urllib.parse.unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query,
        "SERVER_NAME": HOST,
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(request.body),
        "wsgi.errors": io.StringIO(),
        "wsgi.input_terminated": True,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in request.all_headers():
        variable = name.upper().replace("-", "_")
        variable = variable if variable in ("CONTENT_TYPE", "CONTENT_LENGTH") else "HTTP_" + variable
        environ[variable] = f"{environ[variable]},{value}" if variable in environ else value
    return environ


def scope_of(request: Request) -> dict[str, Any]:
    path, _, query = request.target.partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": "http",
        "path": urllib.parse.unquote(path, errors="replace"),
        "raw_path": path.encode(),
        "query_string": query.encode("latin-1"),
        "root_path": "",
        "headers": [
            (name.encode("latin-1"), value.encode("latin-1")) for name, value in request.all_headers()
        ],
        "server": (HOST, 8000),
        "client": ("127.0.0.1", 50000),
    }


class _Body:
    """Gives the body to an app; after it the client stays, and says nothing."""

    def __init__(self, request: Request) -> None:
        size = PIECE_BYTES if request.chunked else max(1, len(request.body))
        self._rest = [request.body[at : at + size] for at in range(0, len(request.body), size)] or [b""]

    async def receive(self) -> dict[str, Any]:
        if not self._rest:
            await asyncio.Event().wait()
        piece = self._rest.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(self._rest)}


async def send_asgi_async(app: ServingFlask, request: Request) -> Answer:
    """Send a request as an ASGI server does."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope_of(request), _Body(request).receive, send)
    start, *pieces = sent
    assert start["type"] == "http.response.start"
    assert [piece.get("more_body", False) for piece in pieces] == [True] * (len(pieces) - 1) + [False]
    headers = [_timeless(name.decode("latin-1"), value.decode("latin-1")) for name, value in start["headers"]]
    return Answer(start["status"], headers, b"".join(piece["body"] for piece in pieces))


def send_asgi(app: ServingFlask, request: Request) -> Answer:
    """Send a request as an ASGI server does, on an event loop of its own."""
    return asyncio.run(send_asgi_async(app, request))


@dataclass(frozen=True)
class Adapter:
    """One adapter, and how a request gets to it.

    Args:
        setting: the value of MODEL_SERVING_EXPRESS.
        send: sends a request to an app.
        handler_path: the parts that answer a request for a bare handler.
        flask_path: the parts that answer what only Flask can.
    """

    setting: str
    send: Callable[[ServingFlask, Request], Answer]
    handler_path: tuple[str, ...]
    flask_path: tuple[str, ...]


ADAPTERS = {
    "flask": Adapter("0", send_wsgi, ("flask",), ("flask",)),
    "wsgi": Adapter("1", send_wsgi, ("wsgi",), ("flask",)),
}
if not native_threads.is_patched():  # where greenlets share a thread, it has room for one event loop
    ADAPTERS |= {
        "asgi": Adapter("1", send_asgi, ("asgi",), ("a2wsgi", "flask")),
        "asgi to flask": Adapter("0", send_asgi, ("a2wsgi", "flask"), ("a2wsgi", "flask")),
    }


class ServiceByAdapter:
    """One service behind each adapter, built when an adapter is first used.

    Args:
        build: makes the service.
        environ: the operator's settings.
    """

    def __init__(self, build: Build, environ: Mapping[str, str]) -> None:
        self._build = build
        self._environ = environ
        self._apps: dict[str, ServingFlask] = {}
        self._counts: dict[str, dict[str, float]] = {}

    def send(self, name: str, request: Request) -> Answer:
        """Send a request through one adapter, and return the response alone."""
        return ADAPTERS[name].send(self.app(name), request)

    def send_all(self, name: str, requests: Sequence[Request]) -> Outcome:
        """Send requests through one adapter."""
        adapter, app = ADAPTERS[name], self.app(name)
        before = self._counts.get(name, {})
        answers, path = [], []
        with pytest.MonkeyPatch.context() as patch:
            used = _record_path(patch)
            for request in requests:
                used.clear()
                answers.append(adapter.send(app, request))
                path.append(tuple(used))
        after = self._counts[name] = counts_of(app)
        more = {series: value - before.get(series, 0) for series, value in after.items()}
        counted = {series: value for series, value in more.items() if value}
        return Outcome(answers, counted, app.config.get("SEEN", []), path)

    def app(self, name: str) -> ServingFlask:
        """Return the app behind one adapter, built at its first use."""
        if name not in self._apps:
            with pytest.MonkeyPatch.context() as patch:
                settings = {**self._environ, "MODEL_SERVING_EXPRESS": ADAPTERS[name].setting}
                for variable, value in settings.items():
                    patch.setenv(variable, value)
                self._apps[name] = self._build()
        return self._apps[name]


def _record_path(patch: pytest.MonkeyPatch) -> list[str]:
    """Return a list to which each part adds its name when a request passes it."""
    used: list[str] = []

    def recording(name: str, function: Any) -> Any:
        def recorded(*args: Any, **kwargs: Any) -> Any:
            used.append(name)
            return function(*args, **kwargs)

        return recorded

    patch.setattr(web_app.wsgi, "answer", recording("wsgi", web_app.wsgi.answer))
    patch.setattr(web_app.asgi, "answer", recording("asgi", web_app.asgi.answer))
    middleware = asgi_to_wsgi.WSGIMiddleware
    patch.setattr(middleware, "__call__", recording("a2wsgi", middleware.__call__))
    # Not Flask's own method: the fast paths are closed where somebody patches one.
    dispatch = ServingFlask.full_dispatch_request
    patch.setattr(ServingFlask, "full_dispatch_request", recording("flask", dispatch))
    return used


SERIES = [
    "flask_http_request_duration_seconds_count",
    "flask_http_request_total",
    "flask_http_request_exceptions_total",
    "model_serving_cache_total",
    "model_serving_handler_seconds_count",
]


def series_of(app: ServingFlask) -> dict[str, float]:
    """Return the counts of a scrape that are not zero, by name and labels, without times."""
    lines = app.state.instruments.scrape("", SERIES)[0].decode().splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name: float(value) for name, value in pairs if float(value)}


def counts_of(app: ServingFlask) -> dict[str, float]:
    """Return the counts of the instruments that are not zero: a scrape for each case takes long."""
    found = {}
    for instrument in app.state.instruments._registry._collector_to_names:
        for labels, child in instrument._metrics.items() if instrument._type != "gauge" else ():
            values = getattr(child, "_buckets", None) or [child._value]
            found[f"{instrument._name}{labels[:-1]}"] = sum(value.get() for value in values)
    return {name: count for name, count in found.items() if count}


def frozen_signatures() -> Any:
    """Let signed cookies be equal whenever they are signed."""
    return mock.patch("itsdangerous.timed.TimestampSigner.get_timestamp", return_value=1_700_000_000)
