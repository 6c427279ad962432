"""A header whose name has an underscore in place of a hyphen reaches nobody on an ASGI server."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask import Flask, request

from aylien_model_serving.app_factory import FlaskAppWrapper
from aylien_model_serving.web.adapters.request_info import ScopeHeaders
from aylien_model_serving.web.app import ServingFlask
from tests.contracts.adapters import Request, send_asgi
from tests.web.asgi_client import NEEDS_A_LOOP

SMUGGLED = (("x_api_key", "secret"), ("x_own", "1"), ("_", "2"), ("content_type", "text/html"))


def seen() -> dict[str, str]:
    return dict(request.headers)


def seen_by_handler(text: str = "") -> dict[str, str]:
    return dict(request.headers)


async def mounted_asgi(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        return
    names = {name.decode(): value.decode() for name, value in scope["headers"]}
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": json.dumps(names).encode()})


@pytest.fixture
def app() -> ServingFlask:
    app = FlaskAppWrapper.create_app(
        [
            {"endpoint": "/handler", "callable": seen_by_handler, "methods": ["GET"]},
            {"endpoint": "/view", "callable": seen, "methods": ["GET"]},
        ]
    )
    mounted = Flask("mounted")
    mounted.add_url_rule("/", "seen", seen)
    app.mount_wsgi("/flask", mounted)
    app.mount_asgi("/asgi", mounted_asgi)
    return app


@NEEDS_A_LOOP
@pytest.mark.parametrize("path", ["/handler", "/view", "/flask/", "/asgi/"])
def test_a_header_with_an_underscore_is_dropped_wherever_a_request_goes(app: ServingFlask, path: str) -> None:
    answer = send_asgi(app, Request("GET", path, b"", (*SMUGGLED, ("x-own-header", "kept"))))

    names = {name.lower() for name in json.loads(answer.body)}
    assert answer.status == 200
    assert "x-own-header" in names
    assert not {"x_api_key", "x-api-key", "x_own", "x-own", "_", "-", "content-type", "content_type"} & names


@NEEDS_A_LOOP
@pytest.mark.parametrize("path", ["/handler", "/view", "/flask/", "/asgi/", "/__runners"])
def test_a_key_under_another_name_is_none(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setenv("MODEL_SERVING_API_KEYS", "secret")
    app = FlaskAppWrapper.create_app(
        [{"endpoint": "/handler", "callable": seen_by_handler, "methods": ["GET"]}]
    )
    app.add_url_rule("/view", "view", seen)
    app.mount_wsgi("/flask", Flask("mounted"))
    app.mount_asgi("/asgi", mounted_asgi)

    statuses = [send_asgi(app, Request("GET", path, b"", (header,))).status for header in SMUGGLED]

    assert statuses == [401] * len(SMUGGLED)


@pytest.mark.parametrize(
    ("pairs", "names"),
    [
        ([(b"x_a", b"1"), (b"x-a", b"2")], {"x-a": "2"}),
        ([(b"x_a", b"1")], {}),
        ([(b"x_a", b"1"), (b"x_a", b"2"), (b"x-a", b"3"), (b"x-a", b"4")], {"x-a": "3,4"}),
        ([], {}),
    ],
)
def test_names_with_an_underscore_are_no_headers(
    pairs: list[tuple[bytes, bytes]], names: dict[str, str]
) -> None:
    assert dict(ScopeHeaders(pairs)) == names
