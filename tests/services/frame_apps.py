"""A service with each kind of what may answer a request: handlers, a view, jobs, mounts."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any

from flask import Flask, request

from aylien_model_serving.app_factory import FlaskAppWrapper


def echo(text: str) -> dict[str, Any]:
    return {"text": text}


def number(of: int, times: float = 1.0) -> dict[str, Any]:
    return {"of": of, "times": times}


def view() -> dict[str, Any]:
    return {"path": request.path, "bytes": len(request.get_data())}


def enqueued(text: str) -> dict[str, Any]:
    return {"text": text}


def last(seconds: float) -> None:
    time.sleep(seconds)


def count(to: int, pause: float = 0.0) -> Iterator[int]:
    for number in range(to):
        yield number
        time.sleep(pause)


def below_wsgi(environ: Any, start_response: Any) -> Iterable[bytes]:
    body = environ["PATH_INFO"].encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


async def below_asgi(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        raise RuntimeError("no lifespan")
    body = scope["path"].removeprefix("/asgi").encode()
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def framed() -> Flask:
    app = FlaskAppWrapper.create_app(
        [
            {"endpoint": "/echo", "callable": echo, "methods": ["POST"]},
            {"endpoint": "/number/<int:of>", "callable": number, "methods": ["GET"]},
            {"endpoint": "/view", "callable": view, "methods": ["POST"]},
            {"endpoint": "/enqueued", "callable": enqueued, "methods": ["POST"], "job": True},
        ]
    )
    app.mount_wsgi("/wsgi", below_wsgi)
    app.mount_asgi("/asgi", below_asgi)
    return app


def lasting() -> Flask:
    """Return a service whose jobs and streams take as long as a client wants."""
    return FlaskAppWrapper.create_app(
        [
            {"endpoint": "/last", "callable": last, "methods": ["POST"], "job": True},
            {"endpoint": "/count", "callable": count, "methods": ["GET"], "threads": 32},
            {"endpoint": "/echo", "callable": echo, "methods": ["POST"]},
        ]
    )
