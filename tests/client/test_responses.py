"""An answer becomes a value, a file, or the error that the service meant."""

import json
import pickle
from pathlib import Path

import pytest

from aylien_model_serving import errors
from aylien_model_serving.client import JobCancelled, JobFailed, NotUnderstood, ReceivedFile
from aylien_model_serving.client.effects import ApiResponse
from aylien_model_serving.client.errors import error_from_response
from aylien_model_serving.client.files import file_from_response
from aylien_model_serving.client.responses import parse_response
from tests.client.script import JSON

KINDS = [
    kind
    for name, kind in vars(errors).items()
    if name[0] != "_" and isinstance(kind, type) and issubclass(kind, errors.ServingError)
]


def refused(status: int, code: str, **headers: str) -> ApiResponse:
    body = json.dumps({"error": "no", "code": code, "request_id": "demo-1"}).encode()
    return ApiResponse(
        status, {**JSON, **{name.replace("_", "-"): value for name, value in headers.items()}}, body
    )


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind is not errors.HandlerFailed])
def test_a_refusal_is_raised_as_the_class_that_it_had_in_the_service(kind: type[errors.ServingError]) -> None:
    error = error_from_response(refused(kind.status, kind.code))

    assert type(error) is kind
    assert str(error) == "no"
    assert (error.status, error.code, vars(error)["request_id"]) == (kind.status, kind.code, "demo-1")
    assert isinstance(error.headers(), list)


def test_a_code_of_the_services_own_is_found_by_its_status_and_kept() -> None:
    gone, stale = (
        error_from_response(refused(404, "no_article")),
        error_from_response(refused(410, "stale_model")),
    )

    assert (type(gone), gone.status, gone.code) == (errors.NotFound, 404, "no_article")
    assert (type(stale), stale.status, stale.code) == (errors.ServingError, 410, "stale_model")


def test_the_headers_of_a_refusal_are_attributes_of_the_error() -> None:
    later = error_from_response(refused(429, "too_many_requests", retry_after="7"))
    wrong = error_from_response(refused(405, "method_not_allowed", allow="GET, POST"))

    assert isinstance(later, errors.TooManyRequests)
    assert later.retry_after == 7
    assert isinstance(wrong, errors.MethodNotAllowed)
    assert wrong.allowed == ("GET", "POST")


@pytest.mark.parametrize("body", [b"", b"<html>Bad Gateway</html>", b"[]", b'"text"', b"\xff"])
def test_a_refusal_of_a_proxy_is_reported_by_its_status(body: bytes) -> None:
    error = error_from_response(ApiResponse(502, {"x-request-id": "demo-2"}, body))

    assert str(error) == "The service answered 502 Bad Gateway"
    assert (error.status, vars(error)["request_id"]) == (502, "demo-2")


ERRORS = [
    *(
        error_from_response(refused(kind.status, kind.code, retry_after="7", allow="GET, POST"))
        for kind in KINDS
    ),
    *(kind() for kind in KINDS),
    errors.MethodNotAllowed(("GET",)),
    errors.BodyTooLarge(1_000_000),
    JobFailed("j", "no fries"),
    JobCancelled("j", "cancelled"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_goes_through_pickle_as_between_processes(error: Exception) -> None:

    again = pickle.loads(pickle.dumps(error))

    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))


@pytest.mark.parametrize(
    ("media_type", "body", "expected"),
    [
        ("application/json", b'{"a": [1, null]}', {"a": [1, None]}),
        ("application/vnd.model+json; charset=utf-8", b"1", 1),
        ("text/plain; charset=utf-8", "ü".encode(), "ü"),
        ("application/json", b"", None),
        ("", b"", None),
        ("text/plain; charset=utf-8", b"", ""),
        ("image/png", b"", ReceivedFile(b"", "image/png")),
        ("image/png", b"picture", ReceivedFile(b"picture", "image/png")),
        ("", b"bytes", ReceivedFile(b"bytes")),
    ],
)
def test_an_answer_is_what_its_media_type_says(media_type: str, body: bytes, expected: object) -> None:
    assert parse_response(ApiResponse(200, {"content-type": media_type}, body)) == expected


def test_an_answer_without_content_is_none() -> None:
    assert parse_response(ApiResponse(204, {"content-type": "text/html; charset=utf-8"})) is None


def test_invalid_json_is_not_understood() -> None:
    with pytest.raises(NotUnderstood, match="says that it is JSON, and is not"):
        parse_response(ApiResponse(200, JSON, b"<html>"))


def test_a_redirect_is_not_followed_but_raised() -> None:
    with pytest.raises(
        NotUnderstood, match=r"308 Permanent Redirect, to https://b\.example/: redirects are not"
    ):
        parse_response(ApiResponse(308, {"location": "https://b.example/"}))


def test_file_objects_within_an_answer_are_files() -> None:
    file = {"file_name": "a.txt", "content_type": "text/plain", "content": "aGVsbG8="}
    fetched_later = {"file_name": None, "content_type": None, "content": "https://files.example/a.txt"}
    body = json.dumps(
        {"files": [file, {**file, "file_name": None}], "later": fetched_later, "half": {"content": "x"}}
    )

    value = parse_response(ApiResponse(200, JSON, body.encode()))

    assert value == {
        "files": [ReceivedFile(b"hello", "text/plain", "a.txt"), ReceivedFile(b"hello", "text/plain")],
        "later": fetched_later,
        "half": {"content": "x"},
    }


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ("inline; filename=\"_.png\"; filename*=UTF-8''%C3%A4.png", "ä.png"),
        ('attachment; filename="cat.png"', "cat.png"),
        ("attachment; filename*=UTF-8''k%C3%A4tzchen.png", "kätzchen.png"),
        ('attachment; filename="../../etc/passwd"', "passwd"),
        ('attachment; filename="..%2F..%2Fpasswd"', "passwd"),
        ('attachment; filename="C:\\\\cat.png"', "cat.png"),
        ('attachment; filename=".."', None),
        ('attachment; filename=".bashrc"', "bashrc"),
        ('attachment; filename=". .ssh"', "ssh"),
        ("inline", None),
        ("", None),
    ],
)
def test_the_name_of_a_file_leads_nowhere(disposition: str, name: str | None) -> None:
    assert file_from_response(b"", "image/png", disposition).name == name


def test_a_file_is_saved_under_its_name_or_another(tmp_path: Path) -> None:
    file = ReceivedFile(b"picture", "image/png", "cat.png")

    assert file.save(tmp_path) == tmp_path / "cat.png"
    assert file.save(tmp_path / "dog.png").read_bytes() == b"picture"
    with pytest.raises(ValueError, match="has no name"):
        ReceivedFile(b"picture").save(tmp_path)
    assert "picture" not in repr(file)


@pytest.mark.parametrize(
    ("media_type", "shown"),
    [("image/png", {"image/png": "cGljdHVyZQ=="}), ("image/svg+xml", {}), ("audio/wav", {})],
)
def test_a_picture_is_shown_in_a_notebook(media_type: str, shown: dict[str, str]) -> None:
    file = ReceivedFile(b"picture", media_type)

    assert file._repr_mimebundle_(include=None, exclude=None) == {"text/plain": repr(file), **shown}
