"""The tree of errors: statuses, codes, headers, and the picture of it in the docstring."""

import re
from collections.abc import Iterator

import pytest

from aylien_model_serving import errors


def tree(kind: type[errors.ServingError] = errors.ServingError) -> Iterator[type[errors.ServingError]]:
    if not kind.__name__.startswith("_"):
        yield kind
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from tree(child)


def test_the_docstring_shows_the_whole_tree() -> None:
    shown = re.findall(r"^[ │├└─]+(\w+) +(\d{3})  (\w+)", errors.__doc__ or "", re.MULTILINE)

    assert {(name, int(status), code) for name, status, code in shown} == {
        (kind.__name__, kind.status, kind.code) for kind in tree()
    }


@pytest.mark.parametrize("kind", list(tree()), ids=lambda kind: kind.__name__)
def test_an_error_has_a_message_of_its_own_and_takes_another(kind: type[errors.ServingError]) -> None:
    assert str(kind()) == kind.message
    assert kind.message
    assert kind.__doc__


def test_a_given_message_is_the_errors_text() -> None:
    assert str(errors.InvalidRequest("Missing text")) == "Missing text"
    assert str(errors.InvalidRequest("")) == errors.BadRequest.message


@pytest.mark.parametrize("kind", [errors.TooManyRequests, errors.Unavailable])
def test_a_temporary_error_says_when_to_retry(kind: type[errors.Unavailable]) -> None:
    assert kind().headers() == [("Retry-After", "1")]
    assert kind("full", retry_after=30).headers() == [("Retry-After", "30")]


def test_a_wrong_method_is_answered_with_the_allowed_ones() -> None:
    error = errors.MethodNotAllowed(("GET", "POST"))

    assert str(error) == "This path answers GET, POST only"
    assert error.headers() == [("Allow", "GET, POST")]


def test_the_error_of_a_large_body_names_the_limit() -> None:
    assert str(errors.BodyTooLarge(33554432)) == "The body is larger than the 33,554,432 bytes accepted here"


def test_a_configuration_error_is_no_error_of_a_request() -> None:
    assert not issubclass(errors.ConfigurationError, errors.ServingError)


@pytest.mark.parametrize(
    ("status", "phrase"), [(404, "Not Found"), (500, "Internal Server Error"), (599, "Unknown")]
)
def test_a_status_has_its_standard_phrase(status: int, phrase: str) -> None:
    assert errors.reason(status) == phrase
