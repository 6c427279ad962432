"""One request through each adapter, and through the pipeline alone."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from typing import Any

import examples.example_schema_pb2 as schema
from aylien_model_serving.app_factory import FlaskAppWrapper
from aylien_model_serving.core.messages import Call
from aylien_model_serving.dispatch.pipeline import answer, run_steps
from aylien_model_serving.executors.latency import FIRST_LOOKS

BODY = b'{"title":"A title","enrichments":{"extracted":{"value":{"body":"The text of an article"}}}}'


def predict(title: str = "", body: str = "", enrichments: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return at once, so that nothing but the handling of the request is counted."""
    return {"version": "1", "language": "en", "confidence": 0.75}


def views() -> Any:
    return FlaskAppWrapper.process_json(predict, schema=schema)


def requests_by_adapter() -> dict[str, Callable[[], object]]:
    """Return, by the adapter's name, a function that makes one request."""
    app = FlaskAppWrapper.create_app(
        [
            {"endpoint": "/fast", "callable": predict, "schema": schema, "name": "fast"},
            {"endpoint": "/cached", "callable": predict, "schema": schema, "name": "cached", "cache": True},
            {"endpoint": "/flask", "callable": views, "methods": ["POST"]},
        ]
    )
    endpoint = app.state.endpoints[0]
    _wsgi(app, "/fast")
    for _ in range(FIRST_LOOKS):
        endpoint.executor._latency.saw(False)  # after which the handler counts as quick
    headers = {"content-type": "application/json", "accept": "*/*"}
    return {
        "pipeline": lambda: run_steps(answer(endpoint, Call("POST", "/fast", "", headers, BODY, {}, "id"))),
        "WSGI fast path": lambda: _wsgi(app, "/fast"),
        "WSGI fast path, cached": lambda: _wsgi(app, "/cached"),
        "ASGI adapter": lambda: _asgi(app, "/fast"),
        "Flask adapter": lambda: _wsgi(app, "/flask"),
    }


def _wsgi(app: Any, path: str) -> list[bytes]:
    environ = {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(BODY)),
        "HTTP_HOST": "localhost",
        "HTTP_ACCEPT": "*/*",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(BODY),
        "wsgi.errors": sys.stderr,
    }
    return list(app(environ, lambda status, headers, exc_info=None: None))


def _asgi(app: Any, path: str) -> list[Any]:
    """Run the coroutine by hand: an event loop's own instructions depend on the clock."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": BODY, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [
        (b"host", b"localhost"),
        (b"accept", b"*/*"),
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(BODY)),
    ]
    scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": headers}
    try:
        app(scope, receive, send).send(None)
    except StopIteration:
        return sent
    raise AssertionError("a quick handler runs without waiting")
