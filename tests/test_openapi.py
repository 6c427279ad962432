"""The document that tells clients of the routes says what the routes do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from pydantic import BaseModel

import examples.example_schema_pb2 as example_schema
from aylien_model_serving import codecs, openapi, routes, schemas
from aylien_model_serving.app_factory import FlaskAppWrapper
from aylien_model_serving.jobs.job import NewJob
from aylien_model_serving.jobs.store import open_store
from aylien_model_serving.jobs.view import ShownJob, show
from aylien_model_serving.media import AudioFile, ImageFile, MediaFile
from aylien_model_serving.openapi_answers import Described
from aylien_model_serving.signatures import Signature
from tests.with_media import need_media


@dataclass
class Box:
    width: float
    inner: list[Box] | None = None


class Order(BaseModel):
    amount: int
    note: str = ""


class Receipt(BaseModel):
    orders: list[Order]


def measure(text: str, boxes: list[Box], limit: int = 5, hint=None) -> dict[str, Box]:  # type: ignore[no-untyped-def]  # an open field
    """Measure boxes.

    All of them.
    """
    return {}


def many(text: list[str]) -> list[int]:
    return []


def picture(image: ImageFile, others: list[ImageFile] | None = None, level: int = 1) -> ImageFile:
    return image


def sound(audio: AudioFile, anything: MediaFile | None = None) -> AudioFile:
    return audio


def spell(text: str, count: int = 1) -> Iterator[Box]:
    yield from ()


def order(amount: int, note: str) -> Any: ...


def anything(**fields: Any) -> Any: ...


def view() -> str:
    return ""


def described(**route: Any) -> Described:
    [read] = routes.read([{"endpoint": "/", **route}])
    if read.view:
        return Described(read, None)
    signature = Signature.of(read.callable)
    schema = schemas.choose(
        read.schema, read.callable, signature, read.path_names, batched=read.batch is not None
    )
    return Described(read, schema)


def document(*found: Described, with_keys: bool = False) -> dict[str, Any]:
    return openapi.document(found, "boxes", "", with_keys=with_keys)


def operation(method: str = "post", **route: Any) -> dict[str, Any]:
    """Return what the document says of a route."""
    [path] = document(described(**route))["paths"].values()
    found: dict[str, Any] = path[method]
    return found


def body(shown: dict[str, Any], media_type: str = "application/json") -> dict[str, Any]:
    found: dict[str, Any] = shown["requestBody"]["content"][media_type]["schema"]
    return found


def answer(shown: dict[str, Any], media_type: str = "application/json") -> dict[str, Any]:
    found: dict[str, Any] = shown["responses"]["200"]["content"][media_type]["schema"]
    return found


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        yield from ([node["$ref"]] if isinstance(node.get("$ref"), str) else ())
        for part in node.values():
            yield from references(part)
    elif isinstance(node, list):
        for part in node:
            yield from references(part)


def test_fields_have_the_types_of_the_hints() -> None:
    shown = operation(callable=measure)

    assert body(shown) == {
        "type": "object",
        "properties": {
            "text": {"type": "string"},
            "boxes": {"type": "array", "items": {"$ref": "#/components/schemas/measure.Box"}},
            "limit": {"type": "integer"},
            "hint": {},
        },
        "required": ["text", "boxes"],
        "additionalProperties": False,
    }
    assert answer(shown)["additionalProperties"] == {"$ref": "#/components/schemas/measure.Box"}


def test_the_docstring_tells_what_a_route_does() -> None:
    shown = operation(callable=measure)

    assert (shown["operationId"], shown["summary"]) == ("measure", "Measure boxes.")
    assert shown["description"] == "Measure boxes.\n\nAll of them."


def test_a_handler_that_takes_everything_says_so() -> None:
    assert body(operation(callable=anything)) == {
        "type": "object",
        "properties": {},
        "additionalProperties": True,
    }


def test_a_call_of_a_batched_route_is_one_item() -> None:
    shown = operation(callable=many, batch=True)

    assert body(shown)["properties"] == {"text": {"type": "string"}}
    assert answer(shown) == {"type": "integer"}


def test_files_are_parts_of_a_form_and_say_what_they_may_be() -> None:
    need_media()

    content = operation(callable=picture)["requestBody"]["content"]

    assert content.keys() == {"multipart/form-data"}
    form = content["multipart/form-data"]
    file = {"type": "string", "format": "binary"}
    assert form["schema"]["properties"]["image"] == file
    assert {"type": "array", "items": file} in form["schema"]["properties"]["others"]["anyOf"]
    assert form["encoding"] == {"image": {"contentType": "image/*"}, "others": {"contentType": "image/*"}}


def test_an_image_is_answered_as_it_is_or_as_a_file_object() -> None:
    need_media()

    content = operation(callable=picture)["responses"]["200"]["content"]

    assert content == {"application/json": {"schema": {"$ref": "#/components/schemas/File"}}, "image/*": {}}


def test_another_file_is_answered_as_a_file_object_alone() -> None:
    need_media()

    shown = operation(callable=sound)

    assert shown["responses"]["200"]["content"].keys() == {"application/json"}
    encoding = shown["requestBody"]["content"]["multipart/form-data"]["encoding"]
    assert {name: kind["contentType"] for name, kind in encoding.items()} == {
        "audio": "audio/*",
        "anything": "*/*",
    }


def test_a_stream_is_described_by_its_items_in_both_forms() -> None:
    content = operation(callable=spell)["responses"]["200"]["content"]

    item = {"schema": {"$ref": "#/components/schemas/spell.Box"}}
    assert content == {"application/x-ndjson": item, "text/event-stream": item}


def test_values_of_the_path_are_no_part_of_the_body() -> None:
    shown = operation(callable=spell, endpoint="/v1/<int(min=1):count>/spell")

    [parameter] = shown["parameters"]
    assert parameter == {"name": "count", "in": "path", "required": True, "schema": {"type": "integer"}}
    assert body(shown)["properties"].keys() == {"text"}
    assert "404" in shown["responses"]


def test_the_path_has_the_documents_own_syntax() -> None:
    found = document(described(callable=spell, endpoint="/v1/<int(min=1):count>/<text>"))

    assert list(found["paths"]) == ["/v1/{count}/{text}"]


def test_a_get_takes_its_fields_from_the_query() -> None:
    shown = operation("get", callable=spell, methods=["GET", "POST"])

    assert "requestBody" not in shown
    assert [(field["name"], field["in"], field["required"]) for field in shown["parameters"]] == [
        ("text", "query", True),
        ("count", "query", False),
    ]


def test_each_method_of_a_path_has_an_id_of_its_own() -> None:
    [path] = document(described(callable=spell, methods=["GET", "POST"], name="a b:/c"))["paths"].values()

    assert [shown["operationId"] for shown in path.values()] == ["a_b_c_get", "a_b_c_post"]


def test_a_job_is_accepted_and_promises_its_result() -> None:
    found = document(described(callable=many, job=True))
    responses = found["paths"]["/"]["post"]["responses"]

    job, refined = responses["202"]["content"]["application/json"]["schema"]["allOf"]
    assert "200" not in responses
    assert "429" in responses
    assert job == {"$ref": "#/components/schemas/ShownJob"}
    assert refined == {"properties": {"result": {"type": "array", "items": {"type": "integer"}}}}
    assert found["components"]["schemas"]["ShownJob"]["properties"].keys() >= {"job_id", "status", "links"}


def test_the_items_of_a_job_are_its_result() -> None:
    accepted = operation(callable=spell, job=True)["responses"]["202"]["content"]["application/json"]

    result = {"type": "array", "items": {"$ref": "#/components/schemas/spell.Box"}}
    assert accepted["schema"]["allOf"][1] == {"properties": {"result": result}}


def test_a_protobuf_schema_is_described_by_its_messages() -> None:
    shown = operation(callable=anything, schema=example_schema)

    assert body(shown)["properties"].keys() == {"id", "title", "body", "enrichments"}
    assert body(shown)["properties"]["title"] == {"type": "string"}
    assert body(shown)["additionalProperties"] is False
    assert answer(shown)["properties"]["confidence"] == {"type": "number"}
    assert "application/x-protobuf" in shown["requestBody"]["content"]
    assert "application/x-protobuf" in shown["responses"]["200"]["content"]


def test_a_pydantic_schema_is_described_by_its_models() -> None:
    found = document(described(callable=order, schema=(Order, Receipt)))
    shown = found["paths"]["/"]["post"]

    assert body(shown)["required"] == ["amount"]
    assert body(shown)["properties"]["note"]["default"] == ""
    [name] = references(answer(shown))
    assert found["components"]["schemas"][name.rpartition("/")[2]]["properties"].keys() == {"amount", "note"}


def test_nothing_is_said_of_what_a_view_takes_and_answers() -> None:
    shown = operation(callable=view)

    assert body(shown) == {"type": "object"}
    assert shown["responses"]["200"] == {"description": "The answer"}


def test_a_limit_of_time_is_told_in_seconds() -> None:
    assert operation(callable=spell, timeout=3)["x-timeout"] == 3.0


def test_keys_are_asked_for_where_there_are_any() -> None:
    found = document(described(callable=spell), with_keys=True)

    assert found["security"] == [{"bearer": []}, {"key": []}]
    assert found["components"]["securitySchemes"].keys() == {"bearer", "key"}
    assert {"401", "403"} <= found["paths"]["/"]["post"]["responses"].keys()
    assert "security" not in document(described(callable=spell))


def test_every_reference_leads_somewhere() -> None:
    found = document(
        described(callable=measure, endpoint="/a"),
        described(callable=spell, endpoint="/b", job=True),
        described(callable=order, endpoint="/c", schema=(Order, Receipt)),
        described(callable=anything, endpoint="/d", schema=example_schema),
    )

    for name in references(found):
        place: Any = found
        for part in name.removeprefix("#/").split("/"):
            place = place[part]
        assert place


@pytest.mark.parametrize("result", [None, b"[1, 2]"])
def test_a_job_is_told_as_the_document_promises(result: bytes | None) -> None:
    new = NewJob(id="a1", service="", route="many", call=b"")
    job, _ = open_store("memory://").enqueue(new, now=1.0)

    told = msgspec.json.decode(codecs.JSON.encode(show(job, result)), type=ShownJob)

    assert told.keys() <= ShownJob.__required_keys__ | ShownJob.__optional_keys__
    assert told["job_id"] == "a1"


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("MODEL_SERVING_API_KEYS", "secret")
    monkeypatch.setenv("MODEL_SERVING_SERVICE_NAME", "boxes")
    return FlaskAppWrapper.create_app([{"endpoint": "/spell", "callable": spell}])


def test_the_document_is_served_without_a_key(app: Any) -> None:
    answered = app.test_client().get("/openapi.json")

    assert answered.status_code == 200
    assert answered.json["info"]["title"] == "boxes"
    assert answered.json["info"]["apipod"] == {"compute": "dedicated", "version": "1.0.33"}
    assert answered.json["paths"].keys() == {"/spell"}


def test_the_document_says_below_which_path_it_is_served(app: Any) -> None:
    answered = app.test_client().get("/openapi.json", environ_overrides={"SCRIPT_NAME": "/v2"})

    assert answered.json["servers"] == [{"url": "/v2"}]
