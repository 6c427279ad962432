"""Redirects of the service's own are relative: the host that a client names leads nobody there."""

from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI
from flask import Flask, redirect
from starlette.responses import RedirectResponse

from aylien_model_serving.app_factory import FlaskAppWrapper
from aylien_model_serving.process import native_threads
from aylien_model_serving.web.app import ServingFlask
from aylien_model_serving.web.locations import relative
from tests.contracts.adapters import Answer, Request, send_asgi, send_wsgi

FORGED = "evil.example"

WORLDS: dict[str, Callable[[ServingFlask, Request], Answer]] = {"wsgi": send_wsgi}
if not native_threads.is_patched():  # where greenlets share a thread, it has room for one event loop
    WORLDS["asgi"] = send_asgi


def mounted_flask() -> Flask:
    app = Flask("mounted")
    app.add_url_rule("/folder/", "folder", lambda: "here")
    app.add_url_rule("/away", "away", lambda: redirect("https://elsewhere.example/there"))
    app.add_url_rule("/own", "own", lambda: redirect(f"http://{FORGED}/other?a=b#c"))
    return app


def mounted_fastapi() -> FastAPI:
    app = FastAPI()
    app.add_api_route("/folder/", lambda: "here")
    app.add_api_route("/away", lambda: RedirectResponse("https://elsewhere.example/there"))
    app.add_api_route("/own", lambda: RedirectResponse(f"http://{FORGED}/other?a=b#c"))
    return app


def view() -> str:
    return "here"


@pytest.fixture
def app() -> ServingFlask:
    made = FlaskAppWrapper.create_app(
        [
            {"endpoint": "/folder/", "callable": view, "methods": ["GET"]},
            {"endpoint": "/<path:rest>/below/", "callable": lambda rest: rest, "methods": ["GET"]},
        ]
    )
    made.mount_wsgi("/flask", mounted_flask())
    made.mount_asgi("/fastapi", mounted_fastapi())
    return made


@pytest.fixture(params=WORLDS)
def location(request: pytest.FixtureRequest, app: ServingFlask) -> Callable[[str], Any]:
    """The Location that a server sends to a client that names another host."""

    def ask(target: str) -> str:
        answer = WORLDS[request.param](app, Request("GET", target, headers=(("host", FORGED),)))
        assert 300 <= answer.status < 400, answer
        return next(value for name, value in answer.headers if name == "location")

    return ask


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/folder", "/folder/"),
        ("/folder?a=b&c=%2F", "/folder/?a=b&c=%2F"),
        ("//folder", "/folder/"),
        ("/docs/", "../docs"),
        ("/__dashboard/", "../__dashboard"),
        ("/flask/folder", "/flask/folder/"),
        ("/flask/own", "/other?a=b#c"),
        ("/flask/away", "https://elsewhere.example/there"),
        ("/fastapi/folder", "/fastapi/folder/"),
        ("/fastapi/own", "/other?a=b#c"),
        ("/fastapi/away", "https://elsewhere.example/there"),
    ],
)
def test_a_redirect_to_the_service_itself_names_no_host(
    location: Callable[[str], str], target: str, expected: str
) -> None:
    assert location(target) == expected


@pytest.mark.parametrize(
    "target", ["/%2F%2Fevil.example/below", "/%5C%5Cevil.example/below", "//evil.example/below"]
)
def test_no_path_is_sent_back_as_another_host(location: Callable[[str], str], target: str) -> None:
    found = location(target)

    assert found.startswith("/")
    assert found[1:2] not in ("/", "\\")


@pytest.mark.parametrize(
    ("url", "host", "expected"),
    [
        ("http://a/b", "a", "/b"),
        ("https://A:443/b?c", "a", "/b?c"),
        ("http://a/b", "a:80", "/b"),
        ("http://a:8000/b", "A:8000", "/b"),
        ("http://[::1]:8000/b", "[::1]:8000", "/b"),
        ("http://a", "a", "/"),
        ("http://a?b", "a", "/?b"),
        ("http://a//b", "a", "http://a//b"),
        ("http://a/\\b", "a", "http://a/\\b"),
        ("http://a:8000/b", "a", "http://a:8000/b"),
        ("http://ab/c", "a", "http://ab/c"),
        ("http://a@b/c", "a", "http://a@b/c"),
        ("/b", "a", "/b"),
        ("//a/b", "a", "//a/b"),
        ("../b?c=http://a/d", "a", "../b?c=http://a/d"),
        ("javascript://a/b", "a", "javascript://a/b"),
        ("http:///b", "not, valid", "/b"),
    ],
)
def test_only_the_named_host_is_left_out(url: str, host: str, expected: str) -> None:
    assert relative(url, host) == expected
