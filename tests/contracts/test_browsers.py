"""What is refused of browsers, and the headers of CORS, behind all adapters and in all that is mounted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask, Response, abort

from aylien_model_serving.app_factory import FlaskAppWrapper
from aylien_model_serving.errors import Unavailable
from aylien_model_serving.process.listeners import Listener
from aylien_model_serving.web import browser_guard
from aylien_model_serving.web.app import ServingFlask
from tests.contracts.adapters import ADAPTERS, HOST, Answer, Request, ServiceByAdapter

APP, EVIL = "https://app.example.com", "https://evil.example"
CORS = {"MODEL_SERVING_CORS_ORIGINS": APP, "MODEL_SERVING_API_KEYS": "secret"}
BODY = b'{"text": "a"}'
KEY = ("x-api-key", "secret")

#: Every kind of thing that answers, and the status of a POST with a key.
TARGETS = {
    "/echo": 200,
    "/view": 200,
    "/stream": 200,
    "/fail": 500,
    "/later": 503,
    "/flask/echo": 200,
    "/flask/refuse": 418,
    "/asgi/echo": 200,
    "/asgi/fail": 500,
    "/nowhere": 404,
}


def echo(text: str) -> dict[str, str]:
    return {"text": text}


def view() -> Any:
    return FlaskAppWrapper.process_json(echo)


def stream(text: str) -> Iterator[str]:
    yield text
    yield text


def fail(text: str) -> None:
    raise ValueError(text)


def later(text: str) -> None:
    raise Unavailable(retry_after=7)


async def mounted_asgi(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return
    if scope["path"].endswith("fail"):
        raise ValueError("no")
    await send({"type": "http.response.start", "status": 200, "headers": [(b"vary", b"Accept")]})
    await send({"type": "http.response.body", "body": b"mounted"})


def build() -> ServingFlask:
    handlers = (echo, stream, fail, later)
    app = FlaskAppWrapper.create_app(
        [
            {"endpoint": "/view", "callable": view, "methods": ["POST"]},
            *({"endpoint": f"/{handler.__name__}", "callable": handler} for handler in handlers),
        ]
    )
    mounted = Flask("mounted")
    mounted.add_url_rule("/echo", "echo", lambda: "mounted", methods=["POST", "GET"])
    mounted.add_url_rule("/refuse", "refuse", lambda: abort(418), methods=["POST"])
    app.mount_wsgi("/flask", mounted)
    app.mount_asgi("/asgi", mounted_asgi)
    return app


@pytest.fixture(scope="module")
def closed() -> ServiceByAdapter:
    return ServiceByAdapter(build, {"MODEL_SERVING_API_KEYS": "secret"})


@pytest.fixture(scope="module")
def opened() -> ServiceByAdapter:
    return ServiceByAdapter(build, CORS)


def post(path: str, *headers: tuple[str, str], method: str = "POST") -> Request:
    return Request(method, path, BODY, (("content-type", "application/json"), *headers))


def code(answer: Answer) -> Any:
    return json.loads(answer.body)["code"]


@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize("evidence", [("origin", EVIL), ("sec-fetch-site", "cross-site")])
def test_a_page_of_a_foreign_origin_changes_nothing(
    closed: ServiceByAdapter, opened: ServiceByAdapter, adapter: str, evidence: tuple[str, str]
) -> None:
    for service in (closed, opened):
        for target in TARGETS:
            answer = service.send(adapter, post(target, evidence, KEY))

            assert (answer.status, code(answer)) == (403, "cross_origin_refused"), target
            assert "access-control-allow-origin" not in dict(answer.headers)


@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize(
    "evidence",
    [
        (),
        (("origin", f"http://{HOST}"),),
        (("origin", f"http://{HOST}"), ("sec-fetch-site", "same-origin")),
        (("sec-fetch-site", "none"),),
    ],
)
def test_a_page_of_the_service_and_programs_are_answered(
    closed: ServiceByAdapter, adapter: str, evidence: tuple[tuple[str, str], ...]
) -> None:
    for target, status in TARGETS.items():
        answer = closed.send(adapter, post(target, *evidence, KEY))

        assert answer.status == status, target
        assert not {name for name, _ in answer.headers if name.startswith("access-control-")}


@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize("keys", [(KEY,), ()])
def test_a_named_origin_gets_the_headers_of_cors_on_every_answer(
    opened: ServiceByAdapter, adapter: str, keys: tuple[tuple[str, str], ...]
) -> None:
    for target, status in TARGETS.items():
        evidence = (("origin", APP), ("sec-fetch-site", "cross-site"))
        answer = opened.send(adapter, post(target, *evidence, *keys))

        headers = dict(answer.headers)
        assert answer.status == (status if keys else 401), target
        assert headers["access-control-allow-origin"] == APP
        assert headers["access-control-allow-credentials"] == "true"
        assert "X-Request-ID" in headers["access-control-expose-headers"]
        assert "Origin" in headers["vary"].split(", ")
        assert len(headers) == len(answer.headers)


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_a_preflight_is_answered_without_a_key(opened: ServiceByAdapter, adapter: str) -> None:
    asked = (("access-control-request-method", "POST"), ("access-control-request-headers", "x-api-key"))

    for target in TARGETS:
        answer = opened.send(adapter, Request("OPTIONS", target, b"", (("origin", APP), *asked)))

        headers = dict(answer.headers)
        assert (answer.status, answer.body) == (204, b""), target
        assert headers["access-control-allow-origin"] == APP
        assert headers["access-control-allow-headers"] == "x-api-key"
        assert "POST" in headers["access-control-allow-methods"]
        assert not {"content-length", "content-type"} & set(headers)


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_a_preflight_of_another_origin_is_allowed_nothing(opened: ServiceByAdapter, adapter: str) -> None:
    asked = (("origin", EVIL), ("access-control-request-method", "POST"))

    answer = opened.send(adapter, Request("OPTIONS", "/echo", b"", (*asked, KEY)))

    assert not {name for name, _ in answer.headers if name.startswith("access-control-")}


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_all_adapters_answer_a_browser_alike(opened: ServiceByAdapter, adapter: str) -> None:
    targets = ("/echo", "/view", "/flask/echo", "/asgi/echo")
    for request in (post(target, ("origin", origin), KEY) for target in targets for origin in (APP, EVIL)):
        answer, expected = opened.send(adapter, request), opened.send("flask", request)

        assert (answer.status, answer.body) == (expected.status, expected.body)
        assert sorted(answer.headers) == sorted(expected.headers)


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_a_browsers_request_takes_the_path_of_any_other(opened: ServiceByAdapter, adapter: str) -> None:
    requests = [post("/echo", ("origin", APP), KEY), post("/echo", ("sec-fetch-site", "same-origin"), KEY)]

    outcome = opened.send_all(adapter, requests)

    assert [answer.status for answer in outcome.answers] == [200, 200]
    assert outcome.path == [ADAPTERS[adapter].handler_path] * 2


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_a_refusal_is_counted_and_reaches_nothing(adapter: str) -> None:
    outcome = ServiceByAdapter(build, {}).send_all(adapter, [post("/echo", ("origin", EVIL), KEY)])

    assert outcome.path in ([()], [("a2wsgi",)])
    assert outcome.counted["flask_http_request('POST', '403')"] == 1
    assert not any("echo" in series for series in outcome.counted)


def with_jobs() -> ServingFlask:
    """Return a service whose GET makes a job, at a path of its own and with a variable."""
    keys = {"callable": echo, "job": True, "methods": ["GET"]}
    return FlaskAppWrapper.create_app(
        [
            {"endpoint": "/work", **keys},
            {"endpoint": "/work/<text>", "name": "named", **keys},
            {"endpoint": "/echo", "name": "quick", "callable": echo, "methods": ["GET"]},
        ]
    )


@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize("evidence", [("origin", EVIL), ("sec-fetch-site", "cross-site")])
def test_a_page_of_a_foreign_origin_makes_no_job_by_a_get_either(
    adapter: str, evidence: tuple[str, str]
) -> None:
    service = ServiceByAdapter(with_jobs, {"MODEL_SERVING_JOBS_URL": "memory://"})
    for method in ("GET", "HEAD"):
        for target in ("/work?text=a", "/work/a"):
            assert service.send(adapter, Request(method, target, headers=(evidence,))).status == 403
            assert service.send(adapter, Request(method, target)).status == 202

    assert service.send(adapter, Request("GET", "/echo?text=a", headers=(evidence,))).status == 200
    assert service.send(adapter, Request("GET", "/jobs", headers=(evidence,))).status == 200


@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize(
    "evidence", [(("origin", APP), ("sec-fetch-site", "cross-site")), (("sec-fetch-site", "same-origin"),)]
)
def test_a_page_of_a_named_origin_makes_jobs_by_a_get(
    adapter: str, evidence: tuple[tuple[str, str], ...]
) -> None:
    environ = {"MODEL_SERVING_JOBS_URL": "memory://", "MODEL_SERVING_CORS_ORIGINS": APP}
    service = ServiceByAdapter(with_jobs, environ)

    assert service.send(adapter, Request("GET", "/work?text=a", headers=evidence)).status == 202


def with_own_cors() -> ServingFlask:
    """Return a service that answers CORS itself, as Flask-Cors does."""
    app = build()

    @app.after_request
    def allow(response: Response) -> Response:
        response.headers["Access-Control-Allow-Origin"] = "*"
        response.headers["Access-Control-Allow-Methods"] = "PUT"
        return response

    return app


@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize("origins", ["", APP])
def test_an_application_that_answers_cors_itself_still_does(adapter: str, origins: str) -> None:
    service = ServiceByAdapter(with_own_cors, {"MODEL_SERVING_CORS_ORIGINS": origins})
    asked = (("access-control-request-method", "PUT"), ("origin", EVIL))

    read = service.send(adapter, Request("GET", "/livez", b"", (("origin", EVIL),)))
    preflight = service.send(adapter, Request("OPTIONS", "/echo", b"", asked))
    posted = service.send(adapter, post("/echo", ("origin", APP)))

    for answer in (read, preflight):
        assert answer.status == 200
        assert [value for name, value in answer.headers if name == "access-control-allow-origin"] == ["*"]
    assert posted.status == (200 if origins else 403)
    assert len([name for name, _ in posted.headers if name == "access-control-allow-origin"]) <= 1


@pytest.fixture
def rebound(monkeypatch: pytest.MonkeyPatch) -> ServiceByAdapter:
    """A service that only this machine reaches."""
    hosts = browser_guard.AllowedHosts
    monkeypatch.setattr(browser_guard, "AllowedHosts", lambda allowed: hosts(allowed, lambda: LOCAL))
    return ServiceByAdapter(build, {})


LOCAL = [Listener("127.0.0.1", 8000)]


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_a_name_of_another_host_is_refused_wherever_it_leads(rebound: ServiceByAdapter, adapter: str) -> None:
    for target in (*TARGETS, "/metrics", "/openapi.json", "/docs", "/"):
        for method in ("GET", "POST", "OPTIONS", "HEAD"):
            answer = rebound.send(adapter, post(target, ("host", "evil.example:8000"), method=method))

            assert answer.status == 400
            assert method == "HEAD" or code(answer) == "host_not_allowed"


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_names_of_this_machine_and_probes_are_answered(rebound: ServiceByAdapter, adapter: str) -> None:
    for target, status in TARGETS.items():
        assert rebound.send(adapter, post(target, ("host", "localhost:8000"))).status == status
    for probe in ("/livez", "/readyz", "/__ping"):
        assert rebound.send(adapter, Request("GET", probe, b"", (("host", "10.1.2.3:8000"),))).status == 200


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_a_listed_host_alone_is_answered(adapter: str) -> None:
    service = ServiceByAdapter(build, {"MODEL_SERVING_ALLOWED_HOSTS": ".example.com"})

    statuses = [
        service.send(adapter, post("/echo", ("host", host))).status
        for host in ("a.example.com", "localhost", "a.example.com:443", "evil.example")
    ]

    assert statuses == [200, 400, 200, 400]
