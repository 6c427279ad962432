"""Which requests of other origins are refused, and the headers of CORS."""

from __future__ import annotations

import pytest

from aylien_model_serving.core.messages import Reply
from aylien_model_serving.errors import CrossOriginRefused
from aylien_model_serving.web.origins import CrossOriginPolicy

APP = "https://app.example.com"


def is_allowed(headers: dict[str, str], *allowed: str, method: str = "POST", changes: bool = False) -> bool:
    try:
        CrossOriginPolicy(allowed).check({"host": "api.example.com", **headers}, method, changes=changes)
    except CrossOriginRefused:
        return False
    return True


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "none"},
        {"sec-fetch-site": "same-origin", "origin": "https://another.example"},
        {"origin": "https://api.example.com"},
        {"origin": "http://api.example.com"},
        {"origin": "https://api.example.com", "host": "API.example.com"},
        {"origin": "https://api.example.com", "host": "api.example.com:443"},
        {"origin": "http://localhost:8000", "host": "localhost:8000"},
        {
            "origin": "https://api.example.com",
            "host": "127.0.0.1:8000",
            "x-forwarded-host": "api.example.com",
        },
        {"origin": "https://api.example.com", "host": "inner", "x-forwarded-host": "api.example.com, inner"},
        {"origin": "http://[::1]:8000", "host": "[::1]:8000"},
        {"origin": "", "sec-fetch-site": ""},
    ],
)
def test_a_page_of_the_service_itself_and_other_programs_may_ask(headers: dict[str, str]) -> None:
    assert is_allowed(headers)


FOREIGN = [
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"sec-fetch-site": "anything"},
    {"sec-fetch-site": "cross-site", "origin": "https://api.example.com"},
    {"sec-fetch-site": "same-site", "origin": "http://localhost:3000", "host": "localhost:8000"},
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {"origin": "https://api.example.com.evil.example"},
    {"origin": "https://api.example.com:8443"},
    {"origin": "http://api.example.com", "host": "api.example.com:443"},
    {"origin": "https://api.example.com@evil.example"},
    {"origin": "http://localhost:3000", "host": "localhost:8000"},
    {"origin": "http://[broken", "host": "[broken"},
    {"origin": "https://evil.example", "x-forwarded-host": "api.example.com"},
    {"origin": "https://", "host": "", "x-forwarded-host": ""},
    {"origin": "nonsense", "host": ""},
    {"origin": "https://api.example.com, https://evil.example"},
]


@pytest.mark.parametrize("headers", FOREIGN)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "CONNECT", "MAKEUP", "get"])
def test_a_page_of_another_origin_may_change_nothing(headers: dict[str, str], method: str) -> None:
    assert not is_allowed(headers, method=method)


@pytest.mark.parametrize("headers", FOREIGN)
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_what_changes_nothing_is_not_refused(headers: dict[str, str], method: str) -> None:
    assert is_allowed(headers, method=method)


@pytest.mark.parametrize("headers", FOREIGN)
def test_a_websocket_may_change_anything(headers: dict[str, str]) -> None:
    assert not is_allowed(headers, method="GET", changes=True)
    assert is_allowed({}, method="GET", changes=True)


@pytest.mark.parametrize("headers", FOREIGN)
def test_with_a_star_everybody_may_ask(headers: dict[str, str]) -> None:
    assert is_allowed(headers, "*")


@pytest.mark.parametrize("site", ["cross-site", "same-site", "same-origin", ""])
def test_a_named_origin_may_ask(site: str) -> None:
    assert is_allowed({"origin": APP, "sec-fetch-site": site}, "https://other.example", APP)


@pytest.mark.parametrize(
    ("origin", "is_named"),
    [
        ("https://a.example.com", True),
        ("https://b-1.a.example.com", True),
        ("https://example.com", False),
        ("https://.example.com", False),
        ("https://evilexample.com", False),
        ("https://a.example.com.evil.example", False),
        ("https://evil.example/.example.com", False),
        ("https://a.example.com:8443", False),
        ("http://a.example.com", False),
        ("https://evil.example#.example.com", False),
        ("https://a\n.example.com", False),
    ],
)
def test_a_pattern_names_what_is_below_a_name(origin: str, is_named: bool) -> None:
    assert is_allowed({"origin": origin}, "https://*.example.com") == is_named
    read = dict(with_headers([], origin, "https://*.example.com"))
    assert (read.get("Access-Control-Allow-Origin") == origin) == is_named


@pytest.mark.parametrize("headers", FOREIGN)
def test_an_origin_that_is_not_named_may_not(headers: dict[str, str]) -> None:
    assert not is_allowed(headers, APP)


def test_a_refusal_names_the_origin_and_the_cure() -> None:
    with pytest.raises(CrossOriginRefused) as refused:
        CrossOriginPolicy(()).check({"origin": "https://evil.example" + "x" * 8000}, "POST")

    assert "https://evil.example" in str(refused.value)
    assert "MODEL_SERVING_CORS_ORIGINS" in str(refused.value)
    assert len(str(refused.value)) < 300


def preflight(headers: dict[str, str], *allowed: str) -> Reply | None:
    return CrossOriginPolicy(allowed).preflight(
        {"origin": APP, "access-control-request-method": "POST", **headers}, "OPTIONS"
    )


@pytest.mark.parametrize("allowed", ["*", APP])
def test_a_preflight_is_answered_with_what_was_asked_for(allowed: str) -> None:
    reply = preflight({"access-control-request-headers": "content-type,x-api-key"}, allowed)

    assert reply is not None
    headers = dict(reply.headers)
    assert (reply.status, reply.body, reply.media_type) == (204, b"", "")
    assert "POST" in headers["Access-Control-Allow-Methods"]
    assert headers["Access-Control-Allow-Headers"] == "content-type,x-api-key"
    assert "Access-Control-Request-Headers" in headers["Vary"]


@pytest.mark.parametrize("headers", ["", "x-a\r\nx-b", "a" * 5000, "x:y", "x\u00e9"])
def test_a_preflight_repeats_no_text_that_is_none_of_headers(headers: str) -> None:
    reply = preflight({"access-control-request-headers": headers}, "*")

    assert reply is not None
    assert "Access-Control-Allow-Headers" not in dict(reply.headers)


@pytest.mark.parametrize(
    "headers",
    [{"origin": "https://evil.example"}, {"origin": ""}, {"access-control-request-method": ""}],
)
def test_what_is_no_preflight_of_a_named_origin_is_left_to_the_application(headers: dict[str, str]) -> None:
    assert preflight(headers, APP) is None


def test_only_options_is_a_preflight() -> None:
    headers = {"origin": APP, "access-control-request-method": "POST"}

    assert CrossOriginPolicy(("*",)).preflight(headers, "GET") is None


def with_headers(given: list[tuple[str, str]], origin: str | None, *allowed: str) -> list[tuple[str, str]]:
    return CrossOriginPolicy(allowed).with_headers(given, origin)


def test_a_named_origin_may_read_answers_and_send_its_cookies() -> None:
    headers = dict(with_headers([("X-Own", "1")], APP, APP))

    assert headers["Access-Control-Allow-Origin"] == APP
    assert headers["Access-Control-Allow-Credentials"] == "true"
    assert {"X-Request-ID", "Location", "Retry-After"} <= set(
        headers["Access-Control-Expose-Headers"].split(", ")
    )
    assert (headers["Vary"], headers["X-Own"]) == ("Origin", "1")


def test_with_a_star_nobody_sends_cookies_and_answers_are_the_same_for_all() -> None:
    headers = dict(with_headers([], APP, "*"))

    assert headers["Access-Control-Allow-Origin"] == "*"
    assert not {"Access-Control-Allow-Credentials", "Vary"} & set(headers)


@pytest.mark.parametrize("origin", [None, "", "null", "https://evil.example", "HTTPS://app.example.com"])
def test_caches_are_told_of_the_origin_also_where_it_may_read_nothing(origin: str | None) -> None:
    assert with_headers([], origin, APP) == [("Vary", "Origin")]


@pytest.mark.parametrize(
    ("vary", "merged"),
    [("Accept", "Accept, Origin"), ("Accept, origin", "Accept, origin"), ("*", "*")],
)
def test_an_own_vary_is_kept(vary: str, merged: str) -> None:
    assert with_headers([("vary", vary), ("X-Own", "1")], None, APP) == [("vary", merged), ("X-Own", "1")]


def test_an_application_that_answers_cors_itself_is_left_alone() -> None:
    own = [("access-control-allow-origin", "https://own.example"), ("Vary", "Accept")]

    assert with_headers(own, APP, APP) == own
