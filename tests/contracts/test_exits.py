"""A handler that ends its process ends its call with a 500, and no other call."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from flask import Flask

from aylien_model_serving.app_factory import FlaskAppWrapper
from aylien_model_serving.web.app import ServingFlask
from tests.contracts.adapters import ADAPTERS, Request, ServiceByAdapter


def leave(code: int = 3) -> Any:
    sys.exit(code)


async def leave_async(code: int = 3) -> Any:
    sys.exit(code)


def interrupt(code: int = 3) -> Any:
    raise KeyboardInterrupt


def cancel(code: int = 3) -> Any:
    raise asyncio.CancelledError


def leave_batch(number: list[int]) -> list[int]:
    if 3 in number:
        sys.exit(3)
    return number


def leave_streaming(code: int = 3) -> Iterator[int]:
    yield 1
    sys.exit(code)


async def leave_streaming_async(code: int = 3) -> AsyncIterator[int]:
    yield 1
    sys.exit(code)


def leave_view(name: str) -> str:
    sys.exit(name)


def echo(text: str) -> str:
    return text


def mounted_app() -> Flask:
    app = Flask("mounted")
    app.add_url_rule("/leave", "leave", leave)
    return app


async def mounted_asgi(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        sys.exit(3)


def build() -> ServingFlask:
    handlers: dict[str, Callable[..., Any]] = {
        "leave": leave,
        "leave-async": leave_async,
        "interrupt": interrupt,
        "cancel": cancel,
        "stream": leave_streaming,
        "stream-async": leave_streaming_async,
        "echo": echo,
    }
    app = FlaskAppWrapper.create_app(
        [
            *(
                {"endpoint": f"/{name}", "callable": made, "methods": ["POST"]}
                for name, made in handlers.items()
            ),
            {"endpoint": "/batch", "callable": leave_batch, "methods": ["POST"], "batch": True},
            {"endpoint": "/view/<name>", "callable": leave_view, "methods": ["GET"]},
        ]
    )
    app.mount_wsgi("/wsgi", mounted_app())
    app.mount_asgi("/asgi", mounted_asgi)
    return app


@pytest.fixture(autouse=True)
def _sigint_is_the_servers() -> Iterator[None]:
    """Let Ctrl-C be somebody else's, as every server has it: Python's own raises a KeyboardInterrupt."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="module")
def service() -> ServiceByAdapter:
    return ServiceByAdapter(build, {})


def post(path: str, body: bytes = b"{}") -> Request:
    return Request("POST", path, body, (("content-type", "application/json"),))


ENDS = {
    "sys.exit": post("/leave"),
    "sys.exit in a coroutine": post("/leave-async"),
    "KeyboardInterrupt": post("/interrupt"),
    "a cancellation of its own": post("/cancel"),
    "sys.exit in a batch": post("/batch", b'{"number": 3}'),
    "sys.exit in a view": Request("GET", "/view/a"),
    "sys.exit in a mounted Flask app": Request("GET", "/wsgi/leave"),
    "sys.exit in a mounted ASGI app": Request("GET", "/asgi/leave"),
}


@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize("end", ENDS)
def test_a_handler_that_ends_its_process_is_answered_with_a_500(
    service: ServiceByAdapter, end: str, adapter: str, caplog: pytest.LogCaptureFixture
) -> None:
    answer = service.send(adapter, ENDS[end])

    assert answer.status == 500
    assert b'"internal_error"' in answer.body
    assert "Traceback" in caplog.text
    assert service.send(adapter, post("/echo", b'{"text": "others"}')).body == b'"others"'


@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize("path", ["/stream", "/stream-async"])
def test_a_stream_that_ends_its_process_ends_with_an_error(
    service: ServiceByAdapter, path: str, adapter: str
) -> None:
    answer = service.send(adapter, post(path))

    first, last = answer.body.splitlines()
    assert (answer.status, first) == (200, b"1")
    assert b'"internal_error"' in last
    assert service.send(adapter, post("/echo", b'{"text": "others"}')).body == b'"others"'
