"""Operations of the OpenAPI document: where fields are, their types, and an example."""

from typing import Any

import pytest

import examples.example_schema_pb2 as example_schema
from aylien_model_serving.openapi.operations import path_of
from tests.openapi.documents import (
    Order,
    Receipt,
    add,
    anything,
    body,
    described,
    document,
    enclose,
    enclose_or_not,
    look,
    many,
    measure,
    operation,
    order,
    picture,
    shout,
    spell,
    view,
)
from tests.with_media import need_media

FILE = {"type": "string", "format": "binary"}


NOTHING_GIVEN = object()


def classify(
    text: str, labels: tuple[str, ...] = ("a", "b"), top: Any = NOTHING_GIVEN, far: float = 1e999
) -> str:
    return text


class Classifier:
    """Names what it sees.

    Args:
        device: where the model runs.
    """

    def __init__(self, text: str = "of the class", device: str = "cpu") -> None:
        self.device = device

    def __call__(self, text: str, device: str = "auto") -> str:
        return text


def test_fields_have_the_types_of_the_hints_and_the_words_of_the_docstring() -> None:
    shown = operation(callable=measure)

    assert body(shown) == {
        "type": "object",
        "properties": {
            "text": {"type": "string", "description": "what is written on them."},
            "boxes": {"type": "array", "items": {"$ref": "#/components/schemas/measure.Box"}},
            "limit": {"type": "integer", "description": "how many at most.", "default": 5},
            "hint": {},
        },
        "required": ["text", "boxes"],
        "additionalProperties": False,
    }


def test_defaults_are_shown_as_json_where_json_has_them() -> None:
    shown = body(operation(callable=classify))["properties"]

    assert shown["labels"]["default"] == ["a", "b"]
    assert "default" not in shown["top"]
    assert "default" not in shown["far"]


@pytest.mark.parametrize("handler", [Classifier, Classifier()])
def test_a_call_of_an_object_has_the_defaults_and_words_of_its_call(handler: Any) -> None:
    shown = body(operation(callable=handler))

    assert shown["required"] == ["text"]
    assert shown["properties"]["device"] == {"type": "string", "default": "auto"}


def test_a_handler_that_takes_everything_says_so() -> None:
    assert body(operation(callable=anything)) == {
        "type": "object",
        "properties": {},
        "additionalProperties": True,
    }


def test_a_call_of_a_batched_route_is_one_item() -> None:
    assert body(operation(callable=many, batch=True))["properties"] == {"text": {"type": "string"}}


def test_the_warm_up_call_is_the_example_of_a_body() -> None:
    shown = operation(endpoint="/<text>", callable=measure, warmup={"text": "a", "boxes": ({"width": 1},)})

    assert shown["requestBody"]["content"]["application/json"]["example"] == {"boxes": [{"width": 1}]}
    assert shown["parameters"][0]["example"] == "a"


def test_the_warm_up_call_is_the_example_of_a_query() -> None:
    shown = operation("get", callable=measure, methods=["GET"], warmup={"limit": 3, "text": object()})

    assert [parameter.get("example") for parameter in shown["parameters"]] == [None, None, 3, None]


def test_a_large_value_of_the_warm_up_call_is_no_example() -> None:
    shown = operation(callable=measure, warmup={"text": "a" * 2000, "limit": 3})

    assert shown["requestBody"]["content"]["application/json"]["example"] == {"limit": 3}


def test_files_are_parts_of_a_form_and_say_what_they_may_be() -> None:
    need_media()

    content = operation(callable=picture, warmup={"image": b"", "level": 3})["requestBody"]["content"]

    assert content.keys() == {"multipart/form-data"}
    form = content["multipart/form-data"]
    assert form["schema"]["properties"] == {
        "image": {**FILE, "examples": [""]},
        "others": {"type": "array", "items": FILE},
        "level": {"type": "integer", "default": 1, "examples": [3]},
    }
    assert form["encoding"] == {"image": {"contentType": "image/*"}, "others": {"contentType": "image/*"}}


def test_a_structured_body_is_described_by_its_type() -> None:
    shown = operation(endpoint="/<int:number>", callable=enclose, warmup={"width": 1})["requestBody"]

    assert shown == {
        "description": "what is within.",
        "required": True,
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/enclose.Box"},
                "example": {"width": 1},
            }
        },
    }


def test_the_fields_of_a_structured_query_are_its_parameters() -> None:
    shown = operation("get", endpoint="/<int:number>", callable=enclose, methods=["GET"])["parameters"]

    assert [(one["name"], one["in"], one["required"]) for one in shown] == [
        ("number", "path", True),
        ("width", "query", True),
        ("inner", "query", False),
    ]


def test_a_bare_body_is_described_as_the_value_it_is() -> None:
    assert operation(callable=add, warmup={"numbers": [1]})["requestBody"] == {
        "description": "all of them.",
        "required": True,
        "content": {
            "application/json": {
                "schema": {"type": "array", "items": {"type": "integer"}},
                "example": [1],
            }
        },
    }


def test_bodies_that_are_taken_as_they_are_are_named() -> None:
    content = operation(callable=shout)["requestBody"]["content"]

    assert content.keys() == {"application/json", "text/plain"}
    assert content["text/plain"] == {"schema": {"type": "string"}}
    assert operation(callable=look)["requestBody"]["content"] == {
        "*/*": {"schema": FILE},
        "application/octet-stream": {"schema": FILE},
    }


def test_a_structured_body_that_may_be_left_out_is_not_required() -> None:
    shown = operation(callable=enclose_or_not)

    assert shown["requestBody"]["required"] is False
    assert body(shown) == {"$ref": "#/components/schemas/enclose_or_not.Box"}


def test_values_of_the_path_are_no_part_of_the_body() -> None:
    shown = operation(callable=spell, endpoint="/v1/<int(min=1):count>/spell")

    [parameter] = shown["parameters"]
    assert parameter == {
        "name": "count",
        "in": "path",
        "required": True,
        "schema": {"type": "integer", "default": 1},
    }
    assert body(shown)["properties"].keys() == {"text"}
    assert "404" in shown["responses"]


def test_the_path_has_the_documents_own_syntax() -> None:
    assert path_of("/v1/<int(min=1):count>/<text>") == "/v1/{count}/{text}"


def test_a_get_takes_its_fields_from_the_query() -> None:
    shown = operation("get", callable=measure, methods=["GET", "POST"])

    assert "requestBody" not in shown
    assert [(field["name"], field["in"], field["required"]) for field in shown["parameters"]] == [
        ("text", "query", True),
        ("boxes", "query", True),
        ("limit", "query", False),
        ("hint", "query", False),
    ]
    assert shown["parameters"][0]["description"] == "what is written on them."
    assert shown["parameters"][0]["schema"] == {"type": "string"}


def test_a_call_that_becomes_a_job_may_say_more_in_headers() -> None:
    parameters = operation(callable=many, job=True)["parameters"]

    assert [(field["name"], field["in"]) for field in parameters] == [
        ("Idempotency-Key", "header"),
        ("X-Job-Priority", "header"),
    ]


def test_a_protobuf_schema_is_described_by_its_messages() -> None:
    shown = operation(callable=anything, schema=example_schema)

    assert body(shown)["properties"].keys() == {"id", "title", "body", "enrichments"}
    assert body(shown)["properties"]["title"] == {"type": "string"}
    assert body(shown)["additionalProperties"] is False
    assert "application/x-protobuf" in shown["requestBody"]["content"]


def test_a_pydantic_schema_is_described_by_its_models() -> None:
    shown = document(described(callable=order, schema=(Order, Receipt)))["paths"]["/"]["post"]

    assert body(shown)["required"] == ["amount"]
    assert body(shown)["properties"]["note"]["default"] == ""


def test_the_fields_of_a_view_are_not_described() -> None:
    assert body(operation(callable=view)) == {"type": "object"}


def test_a_value_of_the_path_says_whether_it_takes_slashes() -> None:
    shown = operation(endpoint="/<lang>/<path:file>", callable=anything)

    assert [item["schema"].get("x-path") for item in shown["parameters"]] == [None, True]
