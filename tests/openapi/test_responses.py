"""Responses of the OpenAPI document: results, streams, jobs and errors."""

from typing import Any

import msgspec
import pytest

import examples.example_schema_pb2 as example_schema
from aylien_model_serving import codecs, errors
from aylien_model_serving.jobs import transitions
from aylien_model_serving.jobs.job import NewJob
from aylien_model_serving.jobs.view import ShownJob, show
from tests.openapi.documents import (
    Order,
    Receipt,
    answer,
    anything,
    anything_kept,
    described,
    document,
    many,
    measure,
    operation,
    order,
    picture,
    references,
    sound,
    spell,
    spell_iterable,
    spell_unhinted,
    view,
)
from tests.with_media import need_media


def test_an_answer_has_the_type_of_the_hint_and_the_words_of_the_docstring() -> None:
    shown = operation(callable=measure)

    assert answer(shown)["additionalProperties"] == {"$ref": "#/components/schemas/measure.Box"}
    assert shown["responses"]["200"]["description"] == "The boxes by name."


def test_the_answer_to_one_item_of_a_batch_is_one_result() -> None:
    assert answer(operation(callable=many, batch=True)) == {"type": "integer"}


def test_an_image_is_answered_as_it_is_or_as_a_file_object() -> None:
    need_media()

    content = operation(callable=picture)["responses"]["200"]["content"]

    file = {"$ref": "#/components/schemas/FileModel"}
    assert content == {"image/*": {}, "application/json": {"schema": file}}
    assert next(iter(content)) == "image/*"


def test_a_file_of_no_kind_is_answered_as_a_file_object_alone() -> None:
    assert operation(callable=anything_kept)["responses"]["200"]["content"].keys() == {"application/json"}


def test_another_file_is_described_by_its_kind() -> None:
    need_media()

    shown = operation(callable=sound)

    assert list(shown["responses"]["200"]["content"]) == ["audio/*", "application/json"]
    encoding = shown["requestBody"]["content"]["multipart/form-data"]["encoding"]
    assert {name: kind["contentType"] for name, kind in encoding.items()} == {
        "audio": "audio/*",
        "anything": "*/*",
    }


@pytest.mark.parametrize(
    ("handler", "item"),
    [(spell_unhinted, {}), (spell_iterable, {"type": "string"})],
    ids=["no hint", "items"],
)
def test_a_generator_function_is_described_as_a_stream_whatever_its_hint(handler: Any, item: Any) -> None:
    content = operation(callable=handler)["responses"]["200"]["content"]

    assert list(content) == ["application/x-ndjson", "text/event-stream"]
    assert content["application/x-ndjson"]["schema"] == item


def test_a_stream_of_messages_is_described_by_its_items() -> None:
    content = operation(callable=spell_unhinted, schema=(None, example_schema.Response))["responses"]["200"][
        "content"
    ]

    assert list(content) == ["application/x-ndjson", "text/event-stream"]
    assert "language" in content["application/x-ndjson"]["schema"]["properties"]


def test_a_stream_is_described_by_its_items_in_both_forms() -> None:
    content = operation(callable=spell)["responses"]["200"]["content"]

    item = {"$ref": "#/components/schemas/spell.Box"}
    assert list(content) == ["application/x-ndjson", "text/event-stream"]
    assert content["application/x-ndjson"]["schema"] == item
    assert content["text/event-stream"]["schema"]["properties"]["data"]["contentSchema"] == item


def test_a_cached_response_has_the_cache_header() -> None:
    shown = operation(callable=measure, cache=True)

    assert shown["responses"]["200"]["headers"].keys() == {"X-Request-ID", "X-Cache"}


def test_a_job_is_accepted_and_promises_its_result() -> None:
    found = document(described(callable=many, job=True))
    responses = found["paths"]["/"]["post"]["responses"]

    job, refined = responses["202"]["content"]["application/json"]["schema"]["allOf"]
    assert "200" not in responses
    assert "429" in responses
    assert job == {"$ref": "#/components/schemas/ShownJob"}
    assert refined == {"properties": {"result": {"type": "array", "items": {"type": "integer"}}}}
    assert found["components"]["schemas"]["ShownJob"]["properties"].keys() >= {"job_id", "status", "links"}


def test_a_job_says_which_routes_follow_it() -> None:
    accepted = operation(callable=many, job=True)["responses"]["202"]

    assert {link["operationId"] for link in accepted["links"].values()} == {
        "job_status",
        "job_cancel",
        "job_stream",
    }
    assert accepted["headers"].keys() == {"X-Request-ID", "Location"}


def test_the_items_of_a_job_are_its_result() -> None:
    accepted = operation(callable=spell, job=True)["responses"]["202"]["content"]["application/json"]

    result = {"type": "array", "items": {"$ref": "#/components/schemas/spell.Box"}}
    assert accepted["schema"]["allOf"][1] == {"properties": {"result": result}}


def test_a_protobuf_schema_is_described_by_its_messages() -> None:
    shown = operation(callable=anything, schema=example_schema)

    assert answer(shown)["properties"]["confidence"] == {"type": "number"}
    assert "application/x-protobuf" in shown["responses"]["200"]["content"]


def test_a_pydantic_schema_is_described_by_its_models() -> None:
    found = document(described(callable=order, schema=(Order, Receipt)))

    [name] = references(answer(found["paths"]["/"]["post"]))
    assert found["components"]["schemas"][name.rpartition("/")[2]]["properties"].keys() == {"amount", "note"}


def test_the_response_of_a_view_is_not_described() -> None:
    shown = operation(callable=view)["responses"]["200"]

    assert shown.keys() == {"description", "headers"}


def test_the_errors_that_a_handler_says_it_raises_are_among_the_answers() -> None:
    assert "404" in operation(callable=measure)["responses"]
    assert "404" not in operation(callable=spell)["responses"]


KINDS = [
    kind
    for name, kind in vars(errors).items()
    if not name.startswith("_") and isinstance(kind, type) and issubclass(kind, errors.ServingError)
]


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_is_described_with_its_code(kind: type[errors.ServingError]) -> None:
    shown = document()["components"]["responses"][str(kind.status)]

    assert f"`{kind.code}`" in shown["description"]
    assert shown["content"]["application/json"]["examples"][kind.code]["value"]["code"] == kind.code
    assert {name for name, _ in kind().headers()} < shown["headers"].keys()


@pytest.mark.parametrize("result", [None, b"[1, 2]"])
def test_a_jobs_status_has_the_documented_form(result: bytes | None) -> None:
    new = NewJob(id="a1", service="", route="many", call=b"")
    job = transitions.created(new, now=1.0)

    shown: Any = msgspec.json.decode(codecs.JSON.encode(show(job, result)), type=ShownJob)

    assert shown.keys() <= ShownJob.__required_keys__ | ShownJob.__optional_keys__
    assert shown["job_id"] == "a1"
