"""What a limit means for jobs, for services of decorators, and for what is told of a route."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from aylien_model_serving import Service
from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.limiting.machine_counts import MachineCounts
from aylien_model_serving.limiting.rates import Rate
from aylien_model_serving.limiting.windows import Hit
from aylien_model_serving.web import limiters
from tests.contracts.adapters import Request, send_asgi_async
from tests.web.asgi_client import NEEDS_A_LOOP, Client, Gate, send_request, until
from tests.web.asgi_client import run as run_scenario
from tests.web.asgi_client import service as asgi_service
from tests.web.requests import error, post, route, serve, serving


def echo(text: str = "a") -> str:
    return text


@pytest.mark.usefixtures("in_memory")
def test_a_refused_call_stores_no_job_and_the_jobs_endpoints_have_no_limit() -> None:
    client = serve(route(echo, job=True, limit="1/day"))

    stored, refused = post(client), post(client)

    assert (stored.status_code, error(refused)[:2]) == (202, (429, "too_many_requests"))
    assert "RateLimit" in stored.headers
    pages = [client.get("/jobs") for _ in range(5)]
    assert [len(page.get_json()["jobs"]) for page in pages] == [1] * 5
    assert "RateLimit-Policy" not in pages[0].headers


def test_a_decorated_route_takes_a_limit() -> None:
    app = Service("limited")
    app.endpoint("/p", limit={"rate": "1/day"})(echo)
    client = app.wsgi.test_client()

    assert [post(client, {"text": "a"}).status_code for _ in range(2)] == [200, 429]


def test_routes_count_by_themselves_and_so_do_services() -> None:
    clients = [
        serve(route(echo, limit="1/day"), route(echo, "/q", name="q", limit="1/day")) for _ in range(2)
    ]

    found = [post(client, path=path).status_code for client in clients for path in ("/p", "/q", "/p")]

    assert found == [200, 200, 429] * 2


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("LIMIT", "often", "MODEL_SERVING_LIMIT: a rate like '100/minute'"),
        ("LIMIT", "ecko=1/day", "MODEL_SERVING_LIMIT: no route is named 'ecko'; there are echo"),
        ("TRUSTED_PROXIES", "*", "MODEL_SERVING_TRUSTED_PROXIES=.*: expected addresses, networks"),
    ],
)
def test_a_setting_that_can_not_be_read_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, message: str
) -> None:
    monkeypatch.setenv(f"MODEL_SERVING_{variable}", value)

    with pytest.raises(ConfigurationError, match=message):
        serving(echo, limit="1/day")


def test_a_limit_that_an_operator_sets_is_in_the_description(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "429" not in serving(echo).get("/openapi.json").get_json()["paths"]["/p"]["post"]["responses"]
    monkeypatch.setenv("MODEL_SERVING_LIMIT", "100/minute")

    found = serving(echo).get("/openapi.json").get_json()

    assert "429" in found["paths"]["/p"]["post"]["responses"]
    assert found["components"]["responses"]["429"]["headers"].keys() >= {"Retry-After", "RateLimit"}


def test_an_error_of_the_view_has_the_fields_too_and_gives_its_place_back() -> None:
    def fail() -> str:
        raise ValueError("no")

    client = serve({"endpoint": "/v", "callable": fail, "methods": ["GET"], "limit": {"concurrent": 1}})

    answers = [client.get("/v") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [500] * 3
    assert all("RateLimit-Policy" in answer.headers for answer in answers)


class _SlowCounts:
    """Counts that answer when the test says so, as a Redis does that is slow."""

    waits = True

    def __init__(self) -> None:
        self.asked, self.answer = threading.Event(), threading.Event()

    def hit(self, rate: Rate, key: bytes) -> Hit | None:
        self.asked.set()
        assert self.answer.wait(30)
        return MachineCounts().hit(rate, key)


@NEEDS_A_LOOP
def test_counts_that_are_slow_do_not_block_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = _SlowCounts()
    monkeypatch.setattr(limiters, "_shared", lambda *_: counts)
    app = asgi_service(echo, limit="5/day")

    async def scenario() -> list[int]:
        slow = asyncio.create_task(send_asgi_async(app, Request("POST", "/", b"{}")))
        await asyncio.to_thread(counts.asked.wait, 30)
        other: Any = await send_asgi_async(app, Request("GET", "/livez"))
        counts.answer.set()
        return [other.status, (await slow).status]

    assert asyncio.run(scenario()) == [200, 200]


@NEEDS_A_LOOP
@pytest.mark.parametrize("ends", ["client leaves", "deadline"])
def test_a_call_runs_as_long_as_its_handler_whoever_waits_for_it(ends: str) -> None:
    gate = Gate()
    timeout = {} if ends == "client leaves" else {"timeout": 0.2}
    app = asgi_service(gate, threads=4, limit={"concurrent": 1}, **timeout)
    request = Request("POST", "/", b'{"text": "a"}')

    async def scenario() -> None:
        first = Client(app, request)
        await until(lambda: gate.entered)
        if ends == "client leaves":
            first.leave()
        await first.end()

        assert (await send_request(app, request)).status == 429
        gate.open.set()
        while (await send_request(app, request)).status == 429:
            await asyncio.sleep(0.01)

    run_scenario(scenario())
