"""ASGI middleware around a service: natively under ASGI servers, on the process's loop under WSGI ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

from aylien_model_serving import Service
from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.web.app import ServingFlask
from tests.contracts.adapters import Request
from tests.mounted import Seen, Stamp
from tests.web.asgi_client import NEEDS_A_LOOP, run, send_request


class Timed(BaseHTTPMiddleware):
    async def dispatch(self, request: Any, call_next: Any) -> Any:
        response = await call_next(request)
        response.headers["x-timed"] = "yes"
        return response


def half(x: float) -> float:
    return x / 2


def count(n: int) -> Iterator[int]:
    yield from range(n)


def fail(n: int) -> int:
    raise ValueError(n)


def service() -> ServingFlask:
    app = Service()
    for handler in (half, count, fail):
        app.endpoint()(handler)
    app.add_asgi_middleware(Stamp, stamp="inner")
    app.add_asgi_middleware(TrustedHostMiddleware, allowed_hosts=["localhost", "example.com"])
    app.add_asgi_middleware(Timed)
    return app.wsgi


class TestUnderWSGI:
    def test_a_request_passes_the_layers_and_its_response_comes_back(self) -> None:
        answer = service().test_client().post("/half", json={"x": 3}, headers={"X-Request-ID": "id-1"})

        assert (answer.status_code, answer.json) == (200, 1.5)
        assert (answer.headers["x-stamp"], answer.headers["x-timed"]) == ("inner", "yes")
        assert answer.headers["X-Request-ID"] == "id-1"

    def test_what_a_layer_refuses_does_not_reach_the_service(self) -> None:
        answer = service().test_client().post("/half", json={"x": 3}, base_url="http://elsewhere.com")

        assert (answer.status_code, answer.text) == (400, "Invalid host header")

    def test_streams_and_errors_pass(self) -> None:
        client = service().test_client()

        lines = client.post("/count", json={"n": 3}, headers={"Accept": "application/x-ndjson"})
        failed = client.post("/fail", json={"n": 3})

        assert lines.text == "0\n1\n2\n"
        assert (failed.status_code, failed.json["code"]) == (500, "internal_error")

    def test_what_is_mounted_is_within(self) -> None:
        app, inner = service(), FastAPI()
        inner.get("/where")(lambda: "here")
        app.mount_asgi("/fast", inner)

        answer = app.test_client().get("/fast/where")

        assert (answer.json, answer.headers["x-stamp"]) == ("here", "inner")

    def test_wsgi_middleware_is_within_too(self) -> None:
        app, paths = service(), list[str]()
        app.add_middleware(Seen, paths=paths)

        answer = app.test_client().post("/half", json={"x": 3})

        assert (answer.headers["x-seen"], answer.headers["x-stamp"]) == ("yes", "inner")
        assert paths == ["/half"]


@NEEDS_A_LOOP
def test_under_asgi_the_layers_are_called_on_the_servers_loop() -> None:
    app = service()
    app.add_asgi_middleware(GZipMiddleware, minimum_size=1)

    async def scenario() -> None:
        good = await send_request(
            app, Request("POST", "/half", body=b'{"x": 3}', headers=(("host", "localhost"),))
        )
        bad = await send_request(app, Request("POST", "/half", body=b'{"x": 3}', headers=(("host", "bad"),)))

        assert (good.status, good.body) == (200, b"1.5")
        assert (b"x-stamp", b"inner") in good.sent[0]["headers"]
        assert (bad.status, bad.body) == (400, b"Invalid host header")

    run(scenario())


def test_layers_of_the_wrong_kind_or_with_wrong_options_are_refused() -> None:
    app = service()

    with pytest.raises(ConfigurationError, match=r"Seen: .* it is WSGI middleware, for add_middleware"):
        app.add_asgi_middleware(Seen)
    with pytest.raises(ConfigurationError, match=r"middleware Stamp: .*'stamp'"):
        app.add_asgi_middleware(Stamp)
