"""What only the ASGI adapter does: keep the loop free, read bodies from messages, take part in a lifespan."""

from __future__ import annotations

import asyncio
import inspect
import threading
from dataclasses import replace
from typing import Any

import pytest

from aylien_model_serving.executors import latency
from aylien_model_serving.process import native_threads
from tests.contracts.adapters import Request
from tests.contracts.cases import get, post
from tests.web.asgi_client import NEEDS_A_LOOP, Gate, run, send_request, service

pytestmark = NEEDS_A_LOOP

HELLO = {"text": "hello"}


def test_a_quick_handler_runs_on_the_loop_once_it_has_been_measured_as_quick(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(latency, "QUICK_SECONDS", float("inf"))
    monkeypatch.setattr(latency, "SLOW_SECONDS", float("inf"))
    monkeypatch.setattr(latency, "LONG_SECONDS", float("inf"))
    monkeypatch.setattr(native_threads, "waits", lambda: 0)
    threads: list[threading.Thread] = []

    def handle(text: str) -> None:
        threads.append(threading.current_thread())

    app = service(handle)

    async def scenario() -> None:
        for _ in range(latency.FIRST_LOOKS + 2):
            await send_request(app, post("/", HELLO))

    run(scenario())

    main = threading.current_thread()
    assert [thread is main for thread in threads] == [False] * latency.FIRST_LOOKS + [True, True]
    assert (
        'model_serving_handler_quick{endpoint="handler"} 1.0' in app.state.instruments.scrape("")[0].decode()
    )


def test_a_slow_handler_runs_on_one_thread_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency, "QUICK_SECONDS", 0.0)
    threads: list[int] = []

    def handle(text: str) -> None:
        threads.append(threading.get_ident())

    app = service(handle)

    async def scenario() -> None:
        await asyncio.gather(*(send_request(app, post("/", HELLO)) for _ in range(8)))

    run(scenario())

    assert len(threads) == 8
    assert len({*threads, threading.get_ident()}) == 2


def test_a_response_after_the_deadline_is_not_awaited(gate: Gate) -> None:
    app = service(gate, timeout=0.05)

    async def scenario() -> None:
        client = await send_request(app, post("/", HELLO))

        assert client.status == 504
        assert not gate.open.is_set()

    run(scenario())


def test_a_body_that_is_declared_too_large_is_refused_unread() -> None:
    app = service(lambda **fields: fields)

    async def scenario() -> None:
        request = Request("POST", "/", b"{}", (("content-length", str(2**40)),))
        client = await send_request(app, request)

        assert client.status == 413
        assert not client.body_requested

    run(scenario())


def test_an_undeclared_body_that_comes_in_one_piece_is_limited_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_SERVING_MAX_BODY_MB", str(10 / 2**20))
    app = service(lambda **fields: fields)

    async def scenario() -> None:
        undeclared = replace(Request("POST", "/", b'{"text": "too long"}', chunked=True))
        client = await send_request(app, undeclared)

        assert client.status == 413

    run(scenario())


def test_a_path_below_the_servers_root_is_found() -> None:
    app = service(lambda text: text)

    async def scenario() -> None:
        native = await send_request(app, post("/below/", HELLO), root_path="/below")
        through_flask = await send_request(app, get("/below/__ping"), root_path="/below")

        beside = await send_request(app, post("/belowground", HELLO), root_path="/below")

        assert (native.status, through_flask.status, beside.status) == (200, 200, 404)

    run(scenario())


def test_a_lifespan_is_completed() -> None:
    app = service(lambda text: text)
    sent: list[dict[str, Any]] = []

    async def scenario() -> None:
        phases = asyncio.Queue[dict[str, Any]]()
        for phase in ("startup", "shutdown"):
            phases.put_nowait({"type": f"lifespan.{phase}"})

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await app({"type": "lifespan"}, phases.get, send)

    run(scenario())

    assert sent == [{"type": "lifespan.startup.complete"}, {"type": "lifespan.shutdown.complete"}]


def test_a_websocket_is_refused() -> None:
    app = service(lambda text: text)
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    run(app({"type": "websocket"}, receive, send))

    assert sent == [{"type": "websocket.close", "code": 1000}]


def test_servers_that_inspect_the_app_take_it_for_an_asgi_application() -> None:
    app = service(lambda text: text)

    assert inspect.iscoroutinefunction(app.__call__) or asyncio.iscoroutinefunction(app.__call__)
