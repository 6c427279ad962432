"""No header, query or path of the 64 KiB that servers take keeps an app busy, whatever it holds."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from aylien_model_serving.app_factory import FlaskAppWrapper
from aylien_model_serving.web.app import ServingFlask
from tests.contracts.adapters import Answer, Request, send_asgi, send_wsgi
from tests.costs import reference

SIZE = 64 * 1024

#: Seconds of CPU for one request on the machine that limits are written for: twice of what the rule allows
#: for 64 kB, since all threads are measured.
LONGEST = 0.04

KEY = ("authorization", "Bearer secret")

#: What a reader of some header may stumble over.
UNITS = {
    "digits": "9",
    "commas": ",",
    "semicolons": ";",
    "pairs": "a=b;",
    "quoted pairs": '\\"',
    "spaces": " ",
    "labels": "a.",
    "slashes": "/",
    "ranges": "a/b;q=0.1,",
    "colons": ":",
    "brackets": "[",
    "base64": "QUFB",
    "escapes": "%41",
}

HEADERS = [
    "accept",
    "accept-encoding",
    "accept-language",
    "access-control-request-headers",
    "access-control-request-method",
    "authorization",
    "content-encoding",
    "content-type",
    "cookie",
    "forwarded",
    "host",
    "idempotency-key",
    "if-modified-since",
    "if-none-match",
    "last-event-id",
    "origin",
    "range",
    "referer",
    "sec-fetch-site",
    "upgrade",
    "user-agent",
    "x-api-key",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-request-id",
    "x-request-timeout",
]

Send = Callable[[ServingFlask, Request], Answer]


@pytest.fixture(scope="module")
def app() -> ServingFlask:
    def echo(text: str = "") -> str:
        return text

    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("MODEL_SERVING_API_KEYS", "alice:secret")
        patched.setenv("MODEL_SERVING_CORS_ORIGINS", "https://friend.example")
        return FlaskAppWrapper.create_app(
            [
                {"endpoint": "/echo", "callable": echo},
                {"endpoint": "/files/<path:text>", "callable": echo, "name": "files"},
            ]
        )


def seconds_of(send: Send, app: ServingFlask, request: Request) -> float:
    """Return the CPU time of a request, the least of some where the first is long; it is never a 5xx."""
    times: list[float] = []
    while len(times) < 5 and (not times or min(times) > LONGEST):
        slowness = reference.slowness() if times else 1.0
        start = time.process_time()
        answer = send(app, request)
        times.append((time.process_time() - start) / slowness)
        assert answer.status < 500
    return min(times)


def slow(send: Send, app: ServingFlask, requests: dict[str, Request]) -> dict[str, float]:
    found = {name: seconds_of(send, app, request) for name, request in requests.items()}
    return {name: seconds for name, seconds in found.items() if seconds > LONGEST}


def long(unit: str) -> str:
    return unit * (SIZE // len(unit))


@pytest.mark.parametrize("send", [send_wsgi, send_asgi])
@pytest.mark.parametrize("name", HEADERS)
def test_a_long_header_takes_no_long_time(app: ServingFlask, send: Send, name: str) -> None:
    key = () if name == "authorization" else (KEY,)
    requests = {
        f"{method} {path} {held}": Request(method, path, b"{}", (*key, (name, long(unit))))
        for held, unit in UNITS.items()
        for method, path in (("POST", "/echo"), ("GET", "/nowhere"))
    }

    assert slow(send, app, requests) == {}


@pytest.mark.parametrize("send", [send_wsgi, send_asgi])
@pytest.mark.parametrize("target", ["/echo?", "/metrics?name[]=", "/docs?", "/nowhere?", "/files/", "/"])
def test_a_long_target_takes_no_long_time(app: ServingFlask, send: Send, target: str) -> None:
    requests = {held: Request("GET", target + long(unit), headers=(KEY,)) for held, unit in UNITS.items()}

    assert slow(send, app, requests) == {}


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_many_headers_take_no_long_time(app: ServingFlask, method: str) -> None:
    repeated = [("a", "b")] * (SIZE // 8)
    others = [(f"n{number}", "v") for number in range(SIZE // 12)]
    requests = {
        name: Request(method, "/echo", b"{}", (KEY, *headers))
        for name, headers in {"repeated": repeated, "different": others, "both": repeated + others}.items()
    }

    assert slow(send_asgi, app, requests) == {}
