"""What a service says of itself becomes names, signatures and docstrings, of whatever dialect it is."""

import inspect
import json
from pathlib import Path
from typing import Any, Literal

import pytest

from aylien_model_serving import FlaskAppWrapper, JobProgress
from aylien_model_serving.client import Job, NotUnderstood, ReceivedFile, Stream, UnknownRoute
from aylien_model_serving.client.methods import as_method, completion_names
from aylien_model_serving.client.openapi import Document
from aylien_model_serving.client.signatures import LEFT_OUT, signature_of, type_of


def classify(text: str, top: int = 3, labels: list[str] | None = None) -> dict[str, float]:
    """Find the labels of a text.

    Args:
        text: what to read.
        top: how many labels at most.
    """
    return {}


def wait(job_progress: JobProgress, seconds: float) -> None:
    """Wait."""


@pytest.fixture
def document(monkeypatch: pytest.MonkeyPatch) -> Document:
    """What a service with several kinds of routes says of itself."""
    monkeypatch.setenv("MODEL_SERVING_JOBS_URL", "memory://")
    app = FlaskAppWrapper.create_app(
        [
            {"endpoint": "/classify", "callable": classify, "methods": ["GET", "POST"]},
            {"endpoint": "/v1/<text>/classify", "callable": classify, "methods": ["GET"], "name": "v1"},
            {"endpoint": "/wait", "callable": wait, "job": True},
            {"endpoint": "/class", "callable": classify, "name": "class"},
        ]
    )
    return Document(app.test_client().get("/openapi.json").data)


def test_a_route_has_one_name_and_one_more_for_each_of_several_methods(document: Document) -> None:
    assert document.names() == ["classify", "v1", "wait", "class"]
    assert document.find("classify").method == "POST"
    assert document.find("classify_get").method == "GET"


@pytest.mark.parametrize(
    ("name", "path", "method"),
    [
        ("/classify", "/classify", "POST"),
        ("GET /classify", "/classify", "GET"),
        ("get /classify", "/classify", "GET"),
        ("/v1/{text}/classify", "/v1/{text}/classify", "GET"),
        ("/v1/<string:text>/classify", "/v1/{text}/classify", "GET"),
        ("job_status", "/status/{job_id}", "GET"),
    ],
)
def test_a_route_is_found_by_its_path(document: Document, name: str, path: str, method: str) -> None:
    found = document.find(name)

    assert (found.path, found.method) == (path, method)


def test_an_unknown_route_is_reported_with_the_nearest_one(document: Document) -> None:
    with pytest.raises(UnknownRoute, match=r"no route 'clasify'; did you mean 'classify'\?"):
        document.find("clasify")
    with pytest.raises(AttributeError, match="known are classify, v1, wait, class"):
        document.find("zzz")


def test_a_method_has_a_signature_and_a_docstring(document: Document) -> None:
    def call(**fields: Any) -> None: ...

    method = as_method(call, document.find("classify"), job=Job, stream=Stream)

    assert method.__name__ == "classify"
    signature = inspect.signature(method)
    assert signature.parameters["text"].annotation is str
    assert str(signature).startswith("(*, text: str, top: int = 3, ")
    assert inspect.getdoc(method) == (
        "Find the labels of a text.\n\n"
        "Args:\n    text: what to read.\n    top: how many labels at most.\n\n"
        "POST /classify"
    )


def test_a_job_route_returns_a_job(document: Document) -> None:
    def call(**fields: Any) -> None: ...

    method = as_method(call, document.find("wait"), job=Job, stream=Stream)

    assert str(inspect.signature(method)) == "(*, seconds: float) -> aylien_model_serving.client.Job"


def test_tab_completion_offers_what_can_be_typed(document: Document) -> None:
    assert completion_names(document, ["call"]) == ["call", "class", "classify", "v1", "wait"]
    assert completion_names(None, ["call"]) == ["call"]


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string"}, str),
        ({"type": "integer"}, int),
        ({"type": "array", "items": {"type": "number"}}, list[float]),
        ({"type": "array"}, list),
        ({"type": "string", "format": "binary"}, Path | bytes),
        ({"type": ["string", "null"]}, str | None),
        ({"type": "string", "nullable": True}, str | None),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, int | None),
        ({"enum": ["a", "b"]}, Literal["a", "b"]),
        ({"const": 1}, Literal[1]),
        ({"allOf": [{"type": "boolean"}]}, bool),
        ({"type": "null"}, None),
        ({"$ref": "#/components/schemas/Size"}, int),
        ({"$ref": "#/components/schemas/FileModel"}, ReceivedFile),
        ({"$ref": "#/components/schemas/Circle"}, Any),
        ({"$ref": "#/components/schemas/Nobody"}, Any),
        ({}, Any),
        (True, Any),
        (None, Any),
        ({"type": "tuple"}, Any),
    ],
)
def test_a_schema_is_a_type_hint(schema: Any, expected: Any) -> None:
    circle = {"$ref": "#/components/schemas/Circle"}

    assert type_of(schema, {"Size": {"type": "integer"}, "Circle": circle}) == expected


def test_optional_fields_come_last_and_show_no_default_that_is_not_known() -> None:
    fields = {"a": {"type": "integer"}, "b": {"type": "integer"}, "not-a-name": {}}

    signature = signature_of(fields, ["b"], {}, is_open=True, returns=str)

    assert str(signature) == "(*, b: int, a: int = ..., **fields: Any) -> str"
    assert signature.parameters["a"].default is LEFT_OUT


def test_a_field_with_the_name_of_a_keyword_of_python_can_still_be_given() -> None:
    signature = signature_of({"from": {}}, [], {}, is_open=False, returns=Any)

    assert str(signature) == "(**fields: Any) -> Any"


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"info": {"title": ""}, "paths": []}'])
def test_an_invalid_description_is_not_understood(body: bytes) -> None:
    with pytest.raises(NotUnderstood, match=r"/openapi\.json of this address"):
        Document(body)


def test_a_description_of_openapi_3_0_is_understood_too() -> None:
    body = {"content": {"multipart/form-data": {"schema": {"$ref": "#/components/schemas/Body"}}}}
    schemas = {"Body": {"properties": {"image": {"type": "string", "format": "binary", "nullable": True}}}}
    reported = {"post": {"operationId": "draw", "requestBody": body, "responses": {}}}
    document = {"info": {"title": ""}, "paths": {"/draw": reported}, "components": {"schemas": schemas}}

    found = Document(json.dumps(document).encode()).find("draw")

    assert found.signature.parameters["image"].annotation == Path | bytes | None


def named(paths: dict[str, dict[str, str]]) -> Document:
    """Return a description of operations, by path, method and id."""
    reported = {
        path: {method: {"operationId": name, "responses": {}} for method, name in methods.items()}
        for path, methods in paths.items()
    }
    return Document(json.dumps({"info": {"title": ""}, "paths": reported}).encode())


def test_a_name_that_ends_as_a_method_does_is_whole() -> None:
    document = named({"/posts": {"post": "create_post", "get": "list_posts"}, "/get": {"get": "do_get"}})

    assert document.names() == ["create_post", "list_posts", "do_get"]


def test_the_name_that_the_description_has_goes_before_one_without_its_method() -> None:
    document = named(
        {
            "/blog_post": {"post": "blog_post"},
            "/blog": {"post": "blog_post_2", "get": "blog_get"},
            "/other": {"get": "blog"},
        }
    )

    assert document.find("blog_post").path == "/blog_post"
    assert document.find("blog").path == "/other"
    assert named({"/blog": {"post": "blog_post_2", "get": "blog_get"}}).find("blog").method == "POST"
