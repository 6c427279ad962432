"""Every error of the table, as a client receives it."""

import logging
from typing import Any

import flask
import pytest
from flask.testing import FlaskClient
from werkzeug.exceptions import Conflict, ImATeapot

from aylien_model_serving import errors
from aylien_model_serving.errors import InvalidRequest
from examples import example_schema_pb2
from tests.web.requests import error, post, route, serve, serving

GENERIC = "The service failed to answer this request"


def raising(exception: Exception) -> FlaskClient:
    def handler(**fields: Any) -> None:
        raise exception

    return serve(route(handler))


def predict(text: str) -> dict[str, str]:
    return {"text": text}


@pytest.mark.parametrize(
    ("body", "status", "code", "message"),
    [
        (b'{"text": "a', 400, "malformed_body", "The body is not valid JSON: it is truncated"),
        (b'["a"]', 400, "malformed_body", "The body has to be a JSON object, not an array"),
        (b'"text"', 400, "malformed_body", "The body has to be a JSON object, not a string"),
        (b"3", 400, "malformed_body", "The body has to be a JSON object, not a number"),
        (b"null", 400, "malformed_body", "The body has to be a JSON object, not null"),
        (b"", 400, "malformed_body", "The body is empty: send a JSON object"),
        (b'{"text": "a", "text": "b"}', 400, "malformed_body", "The key 'text' is given twice"),
        (b'{"text": NaN}', 400, "malformed_body", "The body is not valid JSON: invalid character (byte 9)"),
        (
            b'{"text": ' + b"[" * 100 + b"]" * 100 + b"}",
            400,
            "malformed_body",
            "The body is nested more than 64 levels deep",
        ),
        (b'{"text": 3}', 400, "schema_mismatch", "text: Expected `str`, got `int`"),
        (b"{}", 400, "field_mismatch", "Missing field 'text': expected are text"),
        (b'{"text": "a", "b": 1}', 400, "field_mismatch", "Unexpected field 'b': expected are text"),
    ],
)
def test_a_body_that_is_wrong_is_a_400_with_the_reason(
    body: bytes, status: int, code: str, message: str
) -> None:
    assert error(post(serve(route(predict)), body)) == (status, code, message)


@pytest.mark.parametrize(
    "content_type", [None, "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
)
def test_an_empty_body_is_a_400_whatever_its_media_type(content_type: str | None) -> None:
    client = serve(route(lambda text="": text))

    assert error(client.post("/p", data=b"", content_type=content_type))[:2] == (400, "malformed_body")


@pytest.mark.parametrize(
    ("exception", "status", "code", "message"),
    [
        (InvalidRequest("Missing text"), 400, "invalid_request", "Missing text"),
        (errors.TooManyRequests(), 429, "too_many_requests", "Too many requests"),
        (errors.Unavailable("No replica"), 503, "unavailable", "No replica"),
        (ValueError("secret"), 500, "internal_error", GENERIC),
        (TypeError("predict() got an unexpected keyword argument 'text'"), 500, "internal_error", GENERIC),
        (KeyError("secret"), 500, "internal_error", GENERIC),
        (SystemError("secret"), 500, "internal_error", GENERIC),
        (StopIteration("secret"), 500, "internal_error", GENERIC),
    ],
)
def test_the_class_of_an_exception_decides_its_response(
    exception: Exception, status: int, code: str, message: str
) -> None:
    assert error(post(raising(exception))) == (status, code, message)


@pytest.mark.parametrize("exception", [errors.TooManyRequests("full", 7), errors.Unavailable("full", 7)])
def test_a_temporary_error_has_a_retry_after(exception: Exception) -> None:
    assert post(raising(exception)).headers["Retry-After"] == "7"


def test_the_text_of_an_exception_is_shown_where_the_operator_allows_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MODEL_SERVING_EXPOSE_ERRORS", "1")

    assert error(post(raising(ValueError("bad weights"))))[2] == "ValueError: bad weights"


def test_an_unexpected_exception_is_logged_with_its_traceback_and_the_request(
    caplog: pytest.LogCaptureFixture,
) -> None:
    post(raising(ValueError("secret")), X_Request_ID="id-7")

    [record] = caplog.records
    assert (record.levelno, record.getMessage()) == (logging.ERROR, "POST /p failed: secret")
    assert record.exc_info is not None


@pytest.mark.parametrize("result", [object(), {"a": {1j}}, "\ud800"])
def test_an_answer_that_cant_be_encoded_is_a_500(result: Any) -> None:
    status, code, _ = error(post(serve(route(lambda **fields: result))))

    assert (status, code) == (500, "invalid_answer")


def test_an_unknown_path_is_a_404() -> None:
    assert error(serve(route(predict)).get("/nowhere")) == (404, "not_found", "No such path")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "BREW"])
def test_a_method_that_the_path_does_not_answer_is_a_405_with_the_right_ones(method: str) -> None:
    response = serve(route(predict)).open("/p", method=method)

    assert error(response)[:2] == (405, "method_not_allowed")
    assert {name.strip() for name in response.headers["Allow"].split(",")} == {"OPTIONS", "POST"}
    assert "POST" in error(response)[2]


def test_a_body_over_the_limit_is_a_413(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_SERVING_MAX_BODY_MB", "0.001")
    client = serve(route(predict), route(lambda: flask.request.get_data(), "/view"))

    assert error(post(client, {"text": "a" * 2000})) == (
        413,
        "body_too_large",
        "The body is larger than the 1,048 bytes accepted here",
    )
    assert error(post(client, b"a" * 2000, "/view"))[:2] == (413, "body_too_large")
    assert post(client, {"text": "a" * 1000}).status_code == 200


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Content-Type": "image/png"}, "unsupported_media_type"),
        ({"Content-Encoding": "compress"}, "unsupported_coding"),
        ({"Content-Encoding": "gzip, exi", "Content-Type": "application/json"}, "unsupported_coding"),
    ],
)
def test_what_is_not_understood_is_a_415(headers: dict[str, str], code: str) -> None:
    response = serve(route(predict)).post("/p", data=b"\x1f\x8b\x08", headers=headers)

    assert error(response)[:2] == (415, code)


def test_a_call_that_takes_too_long_is_a_504() -> None:
    def slow() -> None:
        raise errors.DeadlineExceeded

    assert error(post(serve(route(slow, timeout=5))))[:2] == (504, "deadline_exceeded")


PROBLEM = "application/problem+json"


@pytest.mark.parametrize(
    ("path", "body", "status", "title", "detail"),
    [
        ("/p", b"{}", 400, "Bad Request", "Missing field 'text': expected are text"),
        ("/nowhere", b"{}", 404, "Not Found", "No such path"),
        ("/broken", b"{}", 500, "Internal Server Error", GENERIC),
    ],
)
def test_problem_json_is_sent_to_clients_that_accept_it(
    path: str, body: bytes, status: int, title: str, detail: str
) -> None:
    def broken(**fields: Any) -> None:
        raise ValueError("secret")

    response = post(serve(route(predict), route(broken, "/broken")), body, path, Accept=PROBLEM)

    problem = response.get_json()
    assert (response.status_code, response.content_type) == (status, PROBLEM)
    assert problem["request_id"] == response.headers["X-Request-ID"]
    assert (problem["type"], problem["title"], problem["status"]) == ("about:blank", title, status)
    assert problem["detail"] == problem["error"] == detail
    assert problem["code"]


def abort_in_handler(**fields: Any) -> None:
    flask.abort(409, "Taken by another")


def abort_in_view() -> None:
    flask.abort(409, "Taken by another")


@pytest.mark.parametrize("target", [abort_in_handler, abort_in_view])
def test_an_error_that_flask_raises_has_the_same_format(target: Any) -> None:
    assert error(post(serve(route(target)))) == (409, "conflict", "Taken by another")


@pytest.mark.parametrize(
    ("exception", "status", "code"), [(Conflict(), 409, "conflict"), (ImATeapot(), 418, "i'm_a_teapot")]
)
def test_an_http_error_without_a_description_has_the_standard_phrase(
    exception: Any, status: int, code: str
) -> None:
    def view() -> None:
        raise exception

    assert error(post(serve(route(view))))[:2] == (status, code)


def test_an_exception_in_a_view_is_a_500_in_the_same_format() -> None:
    def view() -> None:
        raise ValueError("secret")

    assert error(post(serve(route(view)))) == (500, "internal_error", GENERIC)


def test_a_redirect_is_no_error() -> None:
    response = post(serve(route(lambda: flask.redirect("/elsewhere"))))

    assert (response.status_code, response.headers["Location"]) == (302, "/elsewhere")


def test_an_answer_that_breaks_its_schema_is_the_services_fault() -> None:
    client = serving(lambda title: {"label": "en"}, schema=example_schema_pb2)

    assert error(post(client, {"title": "a"}))[:2] == (500, "invalid_answer")
    assert (
        'flask_http_request_exceptions_total{method="POST",status="500"} 1.0' in client.get("/metrics").text
    )
