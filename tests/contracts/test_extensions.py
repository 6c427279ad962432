"""Flask's extensions do behind every adapter what they do for any Flask app."""

from __future__ import annotations

import pytest
from flask import request
from werkzeug.middleware.proxy_fix import ProxyFix

from aylien_model_serving.web.app import ServingFlask
from tests.contracts.adapters import ADAPTERS, Answer, Request, ServiceByAdapter
from tests.contracts.cases import get, post
from tests.contracts.setups import SetUp, small_service
from tests.with_packages import need

HELLO = {"text": "hello"}
ORIGIN = "https://app.example.com"


def send(adapter: str, set_up: SetUp, *requests: Request, **settings: str) -> list[Answer]:
    """Return the answers of a small service that was set up so."""
    service = ServiceByAdapter(small_service(set_up), settings)
    return [service.send(adapter, request) for request in requests]


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_flask_cors_adds_its_headers_once(adapter: str) -> None:
    need("flask_cors")
    from flask_cors import CORS

    origin = ("origin", ORIGIN)
    asked = Request("OPTIONS", "/echo", b"", (origin, ("access-control-request-method", "POST")))
    sent = (post("/echo", HELLO).with_header(*origin), get("/view").with_header(*origin), asked)

    answers = send(adapter, lambda app: CORS(app, origins=[ORIGIN]), *sent, MODEL_SERVING_CORS_ORIGINS=ORIGIN)

    assert [answer.status for answer in answers] == [200, 200, 204]
    for answer in answers:
        assert [value for name, value in answer.headers if name == "access-control-allow-origin"] == [ORIGIN]


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_flask_limiter_refuses_what_is_beyond_its_limit(adapter: str) -> None:
    need("flask_limiter")
    from flask_limiter import Limiter
    from flask_limiter.util import get_remote_address

    def limit(app: ServingFlask) -> None:
        Limiter(get_remote_address, app=app, default_limits=["2 per hour"], storage_uri="memory://")

    answers = send(adapter, limit, *[post("/echo", HELLO)] * 3, get("/view"))

    assert [answer.status for answer in answers] == [200, 200, 429, 200]
    assert b'"too_many_requests"' in answers[2].body


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_flask_talisman_sends_to_https_and_adds_its_headers(adapter: str) -> None:
    need("flask_talisman")
    from flask_talisman import Talisman

    secure = post("/echo", HELLO).with_header("x-forwarded-proto", "https")

    plain, secured = send(adapter, Talisman, post("/echo", HELLO), secure)

    assert plain.status == 302
    assert secured.status == 200
    assert [name for name, _ in secured.headers].count("strict-transport-security") == 1
    assert [name for name, _ in secured.headers].count("content-security-policy") == 1


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_proxy_fix_has_handlers_see_the_client(adapter: str) -> None:
    def trust_a_proxy(app: ServingFlask) -> None:
        app.add_middleware(ProxyFix, x_for=1, x_proto=1, x_host=0)
        app.add_url_rule("/whence", view_func=whence)

    def whence() -> str:
        return f"{request.remote_addr} {request.scheme}"

    sent = get("/whence").with_header("x-forwarded-for", "203.0.113.7")

    [answer] = send(adapter, trust_a_proxy, sent.with_header("x-forwarded-proto", "https"))

    assert answer.body == b"203.0.113.7 https"
