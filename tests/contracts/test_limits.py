"""A route's limit is the same behind every adapter, for handlers and for views."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator
from typing import Any

import flask
import pytest

from aylien_model_serving.app_factory import FlaskAppWrapper
from aylien_model_serving.errors import InvalidRequest
from aylien_model_serving.limiting import machine
from aylien_model_serving.limiting.machine import MachineStores
from aylien_model_serving.limiting.machine_counts import MachineCounts
from aylien_model_serving.limiting.running_calls import RunningCalls
from aylien_model_serving.web.app import ServingFlask
from tests.contracts.adapters import (
    ADAPTERS,
    Answer,
    Request,
    ServiceByAdapter,
    environ_of,
    frozen_signatures,
    scope_of,
)
from tests.limiting.clock import Clock

LIMIT = {"rate": "2/minute;100/hour", "concurrent": 1}


def echo(text: str) -> dict[str, str]:
    if not text:
        raise InvalidRequest("no text")
    return {"text": text}


def count(number: int) -> Iterator[int]:
    yield from range(number)


def view() -> Any:
    return FlaskAppWrapper.process_json(echo)


def note(text: str) -> str:
    flask.session["text"] = text
    return text


def plain_view() -> str:
    return "seen"


def streaming_view() -> flask.Response:
    return flask.Response(str(number) for number in range(3))


def build() -> ServingFlask:
    return FlaskAppWrapper.create_app(
        [
            {"endpoint": "/echo", "callable": echo, "limit": LIMIT},
            {
                "endpoint": "/address",
                "callable": echo,
                "name": "by-address",
                "limit": {**LIMIT, "per": "address"},
            },
            {"endpoint": "/count", "callable": count, "limit": {"concurrent": 1}},
            {"endpoint": "/view", "callable": view, "limit": LIMIT},
            {"endpoint": "/plain", "callable": plain_view, "methods": ["GET"], "limit": LIMIT},
            {
                "endpoint": "/stream",
                "callable": streaming_view,
                "methods": ["GET"],
                "limit": {"concurrent": 1},
            },
            {"endpoint": "/free", "callable": echo, "name": "free"},
            {"endpoint": "/note", "callable": note, "limit": LIMIT},
        ],
        {"SECRET_KEY": "a secret of tests"},
    )


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock(7200)
    stores = MachineStores(MachineCounts(clock=clock), RunningCalls())
    monkeypatch.setattr(machine, "stores", lambda: stores)
    return clock


@pytest.fixture(params=ADAPTERS)
def adapter(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def ask(path: str, text: str = "a", **headers: str) -> Request:
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Request(
        "POST", path, b'{"text":"%s"}' % text.encode(), (("content-type", "application/json"), *named)
    )


def shown(answer: Answer) -> dict[str, str]:
    return {name: value for name, value in answer.headers if "ratelimit" in name or name == "retry-after"}


POLICY = '"minute";q=2;w=60, "hour";q=100;w=3600, "concurrent";q=1;qu="concurrent-requests"'


@pytest.mark.parametrize("request_", [ask("/echo"), ask("/view"), Request("GET", "/plain")], ids=str)
def test_more_calls_than_a_window_takes_are_429_and_every_response_says_what_is_left(
    adapter: str, request_: Request
) -> None:
    service = ServiceByAdapter(build, {})

    answers = [service.send(adapter, request_) for _ in range(3)]

    assert [answer.status for answer in answers] == [200, 200, 429]
    assert [shown(answer) for answer in answers] == [
        {"ratelimit-policy": POLICY, "ratelimit": '"minute";r=1;t=61, "hour";r=99;t=3601'},
        {"ratelimit-policy": POLICY, "ratelimit": '"minute";r=0;t=61, "hour";r=98;t=3601'},
        {"ratelimit-policy": POLICY, "ratelimit": '"minute";r=0;t=61', "retry-after": "61"},
    ]
    assert b"One client may make 2 calls per minute here: try again in 61 s" in answers[2].body


def test_all_adapters_respond_alike(clock: Clock) -> None:
    service = ServiceByAdapter(build, {})
    requests = [ask("/echo"), ask("/echo", ""), ask("/echo"), ask("/view"), ask("/note"), ask("/free")]

    outcomes = {}
    with frozen_signatures():
        for name in ADAPTERS:
            clock.now += 7200
            outcomes[name] = [service.send(name, request) for request in requests]

    assert [answer.status for answer in outcomes["flask"]] == [200, 400, 429, 200, 200, 200]
    for outcome in outcomes.values():
        assert outcome == outcomes["flask"]
    assert shown(outcomes["flask"][1])["ratelimit"].startswith('"minute";r=0')
    assert shown(outcomes["flask"][5]) == {}


def test_refusals_are_counted(adapter: str) -> None:
    service = ServiceByAdapter(build, {})
    for _ in range(4):
        service.send(adapter, ask("/echo"))

    text = service.app(adapter).test_client().get("/metrics").text

    assert 'model_serving_limited_total{endpoint="echo",limit="rate"} 2.0' in text
    assert 'model_serving_limited_total{endpoint="echo",limit="concurrent"} 0.0' in text
    assert 'flask_http_request_total{method="POST",status="429"} 2.0' in text


def test_each_owner_of_a_key_has_calls_of_its_own(adapter: str) -> None:
    service = ServiceByAdapter(build, {"MODEL_SERVING_API_KEYS": "one,other"})

    def statuses(path: str) -> list[int]:
        return [
            service.send(adapter, ask(path, x_api_key=key)).status for key in ("one", "one", "one", "other")
        ]

    assert statuses("/echo") == [200, 200, 429, 200]
    assert statuses("/address") == [200, 200, 429, 429]
    assert statuses("/view") == [200, 200, 429, 200]


def test_a_request_without_its_key_does_not_count(adapter: str) -> None:
    service = ServiceByAdapter(build, {"MODEL_SERVING_API_KEYS": "one"})
    sent = [ask("/address")] * 3 + [ask("/address", x_api_key="one")] * 2

    assert [service.send(adapter, request).status for request in sent] == [401, 401, 401, 200, 200]


def test_a_request_that_a_foreign_page_sends_does_not_count(adapter: str) -> None:
    service = ServiceByAdapter(build, {})
    sent = [ask("/echo", origin="https://elsewhere.test")] * 3 + [ask("/echo")] * 2

    assert [service.send(adapter, request).status for request in sent] == [403, 403, 403, 200, 200]


def test_the_client_of_a_trusted_proxy_is_who_calls(adapter: str) -> None:
    service = ServiceByAdapter(build, {"MODEL_SERVING_TRUSTED_PROXIES": "127.0.0.1"})
    clients = ["1.1.1.1", "1.1.1.1", "1.1.1.1", "6.6.6.6, 2.2.2.2", "6.6.6.6, 2.2.2.2", "7.7.7.7, 2.2.2.2"]

    found = [service.send(adapter, ask("/echo", x_forwarded_for=client)).status for client in clients]

    assert found == [200, 200, 429, 200, 200, 429]


def test_nobody_else_is_believed_who_its_client_is(adapter: str) -> None:
    service = ServiceByAdapter(build, {})

    found = [service.send(adapter, ask("/echo", x_forwarded_for=f"1.1.1.{n}")).status for n in range(3)]

    assert found == [200, 200, 429]


def test_an_operator_limits_the_routes_that_have_no_rate_and_one_by_name(adapter: str) -> None:
    service = ServiceByAdapter(build, {"MODEL_SERVING_LIMIT": "3/minute,echo=1/minute,by-address=off"})

    def answered(path: str) -> int:
        return sum(service.send(adapter, ask(path)).status == 200 for _ in range(5))

    assert [answered(path) for path in ("/free", "/echo", "/address", "/view")] == [3, 1, 5, 2]


class _Unread(io.RawIOBase):
    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        raise AssertionError("the body is read")


@pytest.mark.parametrize("path", ["/echo", "/view"])
def test_a_refused_body_is_not_read(adapter: str, path: str) -> None:
    service = ServiceByAdapter(build, {})
    app = service.app(adapter)
    for _ in range(2):
        service.send(adapter, ask(path))
    started: list[Any] = []

    async def receive() -> Any:
        raise AssertionError("the body is read")

    async def send(message: Any) -> None:
        started.append(message.get("status"))

    if "asgi" in adapter:
        asyncio.run(app(scope_of(ask(path)), receive, send))
        assert started[0] == 429
    else:
        body = app(environ_of(ask(path)) | {"wsgi.input": _Unread()}, lambda *head: started.append(head[0]))
        list(body)
        assert started[0].startswith("429")


@pytest.mark.parametrize(
    "request_", [ask("/count").with_header("x", "y"), Request("GET", "/stream")], ids=str
)
def test_a_stream_counts_as_running_until_its_end(request_: Request) -> None:
    stream = Request(request_.method, request_.target, b'{"number":3}', request_.headers)
    for setting in ("1", "0"):
        service = ServiceByAdapter(build, {})
        name = "wsgi" if setting == "1" else "flask"
        app = service.app(name)
        body = app(environ_of(stream), lambda *_: None)
        pieces = iter(body)
        next(pieces)
        meanwhile = service.send(name, stream)
        body.close()

        assert (meanwhile.status, shown(meanwhile)["retry-after"]) == (429, "1")
        assert b"at once here: 1" in meanwhile.body
        assert service.send(name, stream).status == 200
        assert service.send(name, stream).status == 200


@pytest.mark.skipif("asgi" not in ADAPTERS, reason="where greenlets share a thread, it has room for one loop")
@pytest.mark.parametrize("leaves", [False, True])
def test_a_stream_of_an_event_loop_counts_as_running_until_its_end(leaves: bool) -> None:
    service = ServiceByAdapter(build, {})
    app = service.app("asgi")
    stream = Request("POST", "/count", b'{"number":1000}', (("content-type", "application/json"),))

    async def scenario() -> list[int]:
        found: list[int] = []
        went, gone, left = asyncio.Event(), asyncio.Event(), []

        async def receive() -> Any:
            if not left:
                left.append(True)
                return {"type": "http.request", "body": stream.body}
            await (went.wait() if leaves else asyncio.Event().wait())
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            if message.get("body"):
                gone.set()
                await went.wait()

        async def status() -> int:
            answers: list[Any] = []

            async def receive_all() -> Any:
                if answers:
                    await asyncio.Event().wait()
                return {"type": "http.request", "body": stream.body}

            async def keep(message: Any) -> None:
                answers.append(message)

            await app(scope_of(stream), receive_all, keep)
            first: int = answers[0]["status"]
            return first

        running = asyncio.create_task(app(scope_of(stream), receive, send))
        await gone.wait()
        found.append(await status())
        went.set()
        await running
        found.append(await status())
        return found

    assert asyncio.run(scenario()) == [429, 200]
