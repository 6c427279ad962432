"""Error responses: a safe message for the client, the details for the log."""

import json
import logging
from typing import Any

import pytest

from aylien_model_serving import errors
from aylien_model_serving.core.messages import Call, Reply
from aylien_model_serving.dispatch import error_responses
from aylien_model_serving.dispatch.error_responses import ErrorResponses, error_body
from aylien_model_serving.errors import InvalidAnswer, InvalidRequest, ServingError, Unavailable

GENERIC = ServingError.message


class Responses:
    """Error responses that record what they count."""

    def __init__(self, *, expose: bool = False) -> None:
        self.counted: list[tuple[str, int]] = []
        self.error_responses = ErrorResponses(
            expose, lambda method, status: self.counted.append((method, status))
        )

    def reply(self, error: Exception, accept: str = "", path: str = "/p") -> Reply:
        return self.error_responses.reply(error, Call("POST", path, "", {"accept": accept}, b"", {}, "id-1"))

    def body(self, error: Exception, **options: Any) -> Any:
        return json.loads(self.reply(error, **options).body)


def failed(error: Exception) -> Exception:
    """Return an error with a traceback, as it comes out of a handler."""
    try:
        raise error
    except Exception as caught:
        return caught


def test_an_error_of_the_client_keeps_its_message() -> None:
    responses = Responses()

    reply = responses.reply(InvalidRequest("Missing text"))

    assert (reply.status, reply.media_type) == (400, "application/json")
    assert json.loads(reply.body) == {
        "error": "Missing text",
        "code": "invalid_request",
        "request_id": "id-1",
    }
    assert responses.counted == []


@pytest.mark.parametrize("error", [ValueError("secret"), KeyError("secret"), RecursionError("secret")])
def test_an_unexpected_error_is_reported_without_its_text(error: Exception) -> None:
    responses = Responses()

    reply = responses.reply(error)

    assert reply.status == 500
    assert json.loads(reply.body) == {"error": GENERIC, "code": "internal_error", "request_id": "id-1"}
    assert responses.counted == [("POST", 500)]


def test_an_invalid_answer_is_reported_without_details() -> None:
    body = Responses().body(InvalidAnswer("The answer does not fit: secret"))

    assert (body["error"], body["code"]) == (InvalidAnswer.message, "invalid_answer")


def test_the_text_of_an_error_is_exposed_where_the_operator_allows_it() -> None:
    responses = Responses(expose=True)

    assert responses.body(ValueError("bad weights"))["error"] == "ValueError: bad weights"
    assert responses.body(InvalidAnswer("does not fit"))["error"] == "does not fit"


def test_a_temporary_error_carries_its_header() -> None:
    responses = Responses()

    reply = responses.reply(Unavailable("full", retry_after=7))

    assert (reply.status, reply.headers) == (503, [("Retry-After", "7")])
    assert responses.counted == [("POST", 503)]


@pytest.mark.parametrize(
    "accept",
    ["application/problem+json", "Application/Problem+JSON", "text/html, application/problem+json;q=0.5"],
)
def test_problem_json_is_sent_where_it_is_accepted(accept: str) -> None:
    reply = Responses().reply(InvalidRequest("Missing text"), accept=accept)

    assert reply.media_type == "application/problem+json"
    assert json.loads(reply.body) == {
        "type": "about:blank",
        "title": "Bad Request",
        "status": 400,
        "detail": "Missing text",
        "error": "Missing text",
        "code": "invalid_request",
        "request_id": "id-1",
    }


@pytest.mark.parametrize("accept", ["", "*/*", "application/json", "application/problem+json;q=0"])
def test_problem_json_is_not_sent_otherwise(accept: str) -> None:
    assert Responses().reply(InvalidRequest(), accept=accept).media_type == "application/json"


def test_an_unexpected_error_is_logged_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    Responses().reply(failed(ValueError("secret")))

    [record] = caplog.records
    assert record.levelno == logging.ERROR
    assert record.getMessage() == "POST /p failed: secret"
    assert record.exc_info is not None


def test_the_details_of_an_invalid_answer_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    Responses().reply(failed(InvalidAnswer("does not fit: secret")))

    assert "does not fit: secret" in caplog.text


@pytest.mark.parametrize("error", [InvalidRequest("Missing text"), Unavailable(), errors.DeadlineExceeded()])
def test_what_is_no_fault_of_the_code_is_one_quiet_line(
    error: ServingError, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, error_responses.__name__)

    Responses().reply(failed(error))

    [record] = [record for record in caplog.records if record.name == error_responses.__name__]
    assert record.levelno == logging.INFO
    assert record.exc_info is None
    assert record.getMessage() == f"POST /p refused with {error.status}: {error}"


def test_a_long_path_is_logged_in_part(caplog: pytest.LogCaptureFixture) -> None:
    Responses().reply(ValueError("x"), path="/" + "y" * 10_000)

    assert len(caplog.records[0].getMessage()) < 300


def test_a_text_that_utf8_cant_encode_does_not_break_the_body() -> None:
    body, media_type = error_body(400, "bad \ud800 text", "bad_request", "id-1")

    assert media_type == "application/json"
    assert json.loads(body)["code"] == "bad_request"
