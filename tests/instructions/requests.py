"""One request through each door, and through the pipeline alone."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from typing import Any

import examples.example_schema_pb2 as schema
from aylien_model_serving.app_factory import FlaskAppWrapper
from aylien_model_serving.core.messages import Call
from aylien_model_serving.dispatch.pipeline import answer, run_steps

BODY = b'{"title":"A title","enrichments":{"extracted":{"value":{"body":"The text of an article"}}}}'


def predict(title: str = "", body: str = "", enrichments: dict[str, Any] | None = None) -> dict[str, Any]:
    """Answer at once, so that nothing but the way of the request is counted."""
    return {"version": "1", "language": "en", "confidence": 0.75}


def views() -> Any:
    return FlaskAppWrapper.process_json(predict, schema=schema)


def doors() -> dict[str, Callable[[], object]]:
    """Return, by name, what answers one request."""
    app = FlaskAppWrapper.create_app(
        [
            {"endpoint": "/express", "callable": predict, "schema": schema, "name": "express"},
            {"endpoint": "/cached", "callable": predict, "schema": schema, "name": "cached", "cache": True},
            {"endpoint": "/flask", "callable": views, "methods": ["POST"]},
        ]
    )
    endpoint = app.state.endpoints[0]
    _wsgi(app, "/express")  # after which the handler counts as quick
    headers = {"content-type": "application/json", "accept": "*/*"}
    return {
        "pipeline": lambda: run_steps(
            answer(endpoint, Call("POST", "/express", "", headers, BODY, {}, "id"))
        ),
        "express door": lambda: _wsgi(app, "/express"),
        "express door, cached": lambda: _wsgi(app, "/cached"),
        "ASGI door": lambda: _asgi(app, "/express"),
        "Flask door": lambda: _wsgi(app, "/flask"),
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
    raise AssertionError("a quick handler is answered without waiting")
