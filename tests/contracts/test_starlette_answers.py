"""Starlette's responses are sent by all adapters as they are, though nothing here imports Starlette."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from aylien_model_serving.app_factory import FlaskAppWrapper
from aylien_model_serving.web.app import ServingFlask
from tests.contracts.adapters import ServiceByAdapter
from tests.contracts.cases import Case, post
from tests.contracts.comparison import assert_equal_responses
from tests.contracts.flask_handlers import route
from tests.with_packages import need

CSV = "text/csv; charset=utf-8"
DONE = threading.Event()


async def pieces() -> AsyncIterator[str]:
    yield "grü"
    yield "ße"


def respond(kind: str) -> Any:
    from starlette import background, responses

    made = {
        "json": lambda: responses.JSONResponse({"a": 1}, 201, {"X-Own": "yes"}),
        "text": lambda: responses.PlainTextResponse("text", 404),
        "page": lambda: responses.HTMLResponse("<p>"),
        "redirect": lambda: responses.RedirectResponse("/elsewhere", 302),
        "cookie": lambda: with_cookie(responses.Response(b"a", media_type="text/csv")),
        "stream": lambda: responses.StreamingResponse(pieces(), media_type="text/csv"),
        "file": lambda: responses.FileResponse(Path(__file__).with_name("__init__.py"), filename="ä.py"),
        "task": lambda: responses.Response(b"a", background=background.BackgroundTask(DONE.set)),
        "iterator": lambda: responses.StreamingResponse(
            iter([b"a", memoryview(b"b")]), media_type="text/csv"
        ),
        "of the connection": lambda: responses.Response(
            b"a", headers={"Connection": "close", "Transfer-Encoding": "chunked", "X-Own": "yes"}
        ),
        "two lines": lambda: responses.Response(b"a", headers={"X-Own": "a\r\nSet-Cookie: a=1"}),
        "two lines of type": lambda: responses.Response(b"a", media_type="image/png\r\nX-Own: a"),
        "two lines of a stream": lambda: responses.StreamingResponse(pieces(), headers={"X-Own": "a\nb"}),
        "no name": lambda: responses.Response(b"a", headers={"X Own": "a"}),
        "no final status": lambda: responses.Response(b"a", 100),
        "no status": lambda: responses.Response(b"a", 999),
    }
    return made[kind]()


def with_cookie(response: Any) -> Any:
    response.set_cookie("a", "1")
    response.set_cookie("b", "2")
    return response


async def respond_async(kind: str) -> Any:
    return respond(kind)


def service() -> ServingFlask:
    return FlaskAppWrapper.create_app(
        [
            route("/respond", respond),
            route("/respond-async", respond_async),
            route("/one", respond, threads=1),
        ]
    )


@pytest.fixture(scope="module")
def by_adapter() -> ServiceByAdapter:
    need("starlette")
    return ServiceByAdapter(service, {})


SENT: dict[str, tuple[int, bytes, dict[str, str]]] = {
    "json": (201, b'{"a":1}', {"content-type": "application/json", "x-own": "yes"}),
    "text": (404, b"text", {"content-type": "text/plain; charset=utf-8"}),
    "page": (200, b"<p>", {"content-security-policy": "sandbox"}),
    "redirect": (302, b"", {"location": "/elsewhere"}),
    "cookie": (200, b"a", {"content-type": CSV, "set-cookie": "b=2; Path=/; SameSite=lax"}),
    "stream": (200, "grüße".encode(), {"content-type": CSV}),
    "iterator": (200, b"ab", {"content-type": CSV}),
    "file": (200, Path(__file__).with_name("__init__.py").read_bytes(), {"accept-ranges": "bytes"}),
    "task": (200, b"a", {}),
    "of the connection": (200, b"a", {"x-own": "yes"}),
}

REFUSED = [
    "two lines",
    "two lines of type",
    "two lines of a stream",
    "no name",
    "no final status",
    "no status",
]


@pytest.mark.parametrize("path", ["/respond", "/respond-async", "/one"])
@pytest.mark.parametrize("kind", SENT)
def test_a_response_of_starlettes_is_sent_as_it_is(
    kind: str, path: str, by_adapter: ServiceByAdapter
) -> None:
    status, body, headers = SENT[kind]
    DONE.clear()
    case = Case((post(path, {"kind": kind}),), (status,), build=service)

    [answer] = assert_equal_responses(by_adapter, case).answers

    assert answer.body == body
    assert headers.items() <= dict(answer.headers).items()
    assert not {"connection", "transfer-encoding"} & dict(answer.headers).keys()
    assert kind != "task" or DONE.wait(10)


@pytest.mark.parametrize("path", ["/respond", "/respond-async"])
@pytest.mark.parametrize("kind", REFUSED)
def test_a_response_that_no_server_can_send_is_the_handlers_error(
    kind: str, path: str, by_adapter: ServiceByAdapter
) -> None:
    case = Case((post(path, {"kind": kind}),), (500,), build=service)

    [answer] = assert_equal_responses(by_adapter, case).answers

    assert b"not valid" in answer.body
    assert {"x-own", "set-cookie"}.isdisjoint(dict(answer.headers))


def test_a_service_does_not_import_starlette() -> None:
    code = (
        "import sys; from aylien_model_serving.app_factory import FlaskAppWrapper as W;"
        "c = W.create_app([{'endpoint': '/', 'callable': lambda x: x}]).test_client();"
        "print(c.post('/', json={'x': [1]}).data, 'starlette' in sys.modules)"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["b'[1]'", "False"]
