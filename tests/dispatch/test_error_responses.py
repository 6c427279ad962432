"""How errors are told: safe words to the client, the whole story to the log."""

import json
import logging
from typing import Any

import pytest

from aylien_model_serving import errors
from aylien_model_serving.core.messages import Call, Reply
from aylien_model_serving.dispatch.error_responses import ErrorResponses, error_body
from aylien_model_serving.errors import InvalidAnswer, InvalidRequest, ServingError, Unavailable

GENERIC = ServingError.message


class Told:
    """Failures that note what they count."""

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


def test_an_error_of_the_client_is_told_in_its_own_words() -> None:
    told = Told()

    reply = told.reply(InvalidRequest("Missing text"))

    assert (reply.status, reply.media_type) == (400, "application/json")
    assert json.loads(reply.body) == {
        "error": "Missing text",
        "code": "invalid_request",
        "request_id": "id-1",
    }
    assert told.counted == []


@pytest.mark.parametrize("error", [ValueError("secret"), KeyError("secret"), RecursionError("secret")])
def test_an_unexpected_error_is_told_without_its_text(error: Exception) -> None:
    told = Told()

    reply = told.reply(error)

    assert reply.status == 500
    assert json.loads(reply.body) == {"error": GENERIC, "code": "internal_error", "request_id": "id-1"}
    assert told.counted == [("POST", 500)]


def test_an_answer_that_breaks_its_schema_is_told_without_details() -> None:
    body = Told().body(InvalidAnswer("The answer does not fit: secret"))

    assert (body["error"], body["code"]) == (InvalidAnswer.message, "invalid_answer")


def test_the_text_of_an_error_is_told_where_the_operator_allows_it() -> None:
    told = Told(expose=True)

    assert told.body(ValueError("bad weights"))["error"] == "ValueError: bad weights"
    assert told.body(InvalidAnswer("does not fit"))["error"] == "does not fit"


def test_an_error_that_passes_carries_its_header() -> None:
    told = Told()

    reply = told.reply(Unavailable("full", retry_after=7))

    assert (reply.status, reply.headers) == (503, [("Retry-After", "7")])
    assert told.counted == [("POST", 503)]


@pytest.mark.parametrize(
    "accept",
    ["application/problem+json", "Application/Problem+JSON", "text/html, application/problem+json;q=0.5"],
)
def test_problem_json_is_answered_where_it_is_asked_for(accept: str) -> None:
    reply = Told().reply(InvalidRequest("Missing text"), accept=accept)

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
def test_problem_json_is_not_answered_otherwise(accept: str) -> None:
    assert Told().reply(InvalidRequest(), accept=accept).media_type == "application/json"


def test_an_unexpected_error_is_logged_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    Told().reply(failed(ValueError("secret")))

    [record] = caplog.records
    assert record.levelno == logging.ERROR
    assert record.getMessage() == "POST /p failed: secret"
    assert record.exc_info is not None


def test_the_details_of_a_wrong_answer_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    Told().reply(failed(InvalidAnswer("does not fit: secret")))

    assert "does not fit: secret" in caplog.text


@pytest.mark.parametrize("error", [InvalidRequest("Missing text"), Unavailable(), errors.DeadlineExceeded()])
def test_what_is_no_fault_of_the_code_is_one_quiet_line(
    error: ServingError, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    Told().reply(failed(error))

    [record] = caplog.records
    assert record.levelno == logging.INFO
    assert record.exc_info is None
    assert record.getMessage() == f"POST /p refused with {error.status}: {error}"


def test_a_long_path_is_logged_in_part(caplog: pytest.LogCaptureFixture) -> None:
    Told().reply(ValueError("x"), path="/" + "y" * 10_000)

    assert len(caplog.records[0].getMessage()) < 300


def test_a_text_that_utf8_cant_hold_does_not_break_the_answer() -> None:
    body, media_type = error_body(400, "bad \ud800 text", "bad_request", "id-1")

    assert media_type == "application/json"
    assert json.loads(body)["code"] == "bad_request"
