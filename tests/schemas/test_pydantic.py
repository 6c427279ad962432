"""Schemas given as pydantic models."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pydantic
import pytest

from aylien_model_serving import schemas
from aylien_model_serving.codecs import json
from aylien_model_serving.codecs.fields import Fields
from aylien_model_serving.errors import FieldMismatch, InvalidAnswer, SchemaMismatch
from aylien_model_serving.handlers.signatures import Signature
from aylien_model_serving.schemas import Schema


class Request(pydantic.BaseModel):
    text: str
    count: int = pydantic.Field(default=1, ge=1)
    tags: list[str] = []


class Strict(Request, extra="forbid"):
    pass


class Loose(Request, extra="allow"):
    pass


class Renamed(pydantic.BaseModel):
    text: str = pydantic.Field(alias="theText")


class Response(pydantic.BaseModel):
    language: str
    confidence: float


def handler(text: str, count: int) -> None: ...
def open_handler(text: str, **rest: Any) -> None: ...


def schema_of(
    request: Any = Request,
    response: Any = Response,
    handler: Any = handler,
    path: frozenset[str] = frozenset(),
) -> Schema:
    return schemas.choose((request, response), handler, Signature.of(handler), path)


def arguments(
    schema: Schema, values: dict[str, Any], path_values: dict[str, Any] | None = None
) -> dict[str, Any]:
    return schema.arguments(Fields(values), path_values or {})


def test_the_handler_gets_validated_values_with_the_models_defaults() -> None:
    assert arguments(schema_of(), {"text": "a"}) == {"text": "a", "count": 1}
    assert arguments(schema_of(), {"text": "a", "count": "3"}) == {"text": "a", "count": 3}


def test_a_default_that_the_handler_has_no_name_for_is_left_out() -> None:
    with pytest.raises(FieldMismatch, match="'tags'"):
        arguments(schema_of(), {"text": "a", "tags": []})

    assert arguments(schema_of(handler=open_handler), {"text": "a"}) == {"text": "a", "count": 1, "tags": []}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "text: Field required"),
        ({"text": 3}, "text: Input should be a valid string"),
        ({"text": "a", "count": 0}, "count: Input should be greater than or equal to 1"),
        ({"text": "a", "tags": ["b", 3]}, "tags.1: Input should be a valid string"),
        ({"count": "secret"}, "text: Field required; count: Input should be a valid integer"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_by_the_fields_name(
    values: dict[str, Any], message: str
) -> None:
    with pytest.raises(SchemaMismatch) as refused:
        arguments(schema_of(), values)

    assert str(refused.value).startswith(message)
    assert "secret" not in str(refused.value)


def test_the_model_decides_about_extra_fields() -> None:
    assert arguments(schema_of(Loose, handler=open_handler), {"text": "a", "x": 1})["x"] == 1
    assert "x" not in arguments(schema_of(handler=open_handler), {"text": "a", "x": 1})
    with pytest.raises(SchemaMismatch, match="x: Extra inputs are not permitted"):
        arguments(schema_of(Strict), {"text": "a", "x": 1})


def test_the_client_uses_the_alias_and_the_handler_the_name() -> None:
    assert arguments(schema_of(Renamed, handler=lambda text: text), {"theText": "a"}) == {"text": "a"}


def test_values_of_the_path_reach_model_and_handler() -> None:
    def with_lang(text: str, count: int, lang: str) -> None: ...

    schema = schema_of(Strict, handler=with_lang, path=frozenset({"lang", "count"}))

    assert arguments(schema, {"text": "a"}, {"lang": "en", "count": 2}) == {
        "text": "a",
        "count": 2,
        "lang": "en",
    }
    with pytest.raises(SchemaMismatch, match="count: "):
        arguments(schema, {"text": "a"}, {"lang": "en", "count": 0})


@pytest.mark.parametrize(
    "result",
    [
        {"language": "en", "confidence": "0.5"},
        Response(language="en", confidence=0.5),
        SimpleNamespace(language="en", confidence=0.5),
    ],
)
def test_an_answer_becomes_the_model(result: Any) -> None:
    assert schema_of().check_result(result) == Response(language="en", confidence=0.5)


@pytest.mark.parametrize("result", [{"language": "en"}, None, "en", {"language": 3, "confidence": 1}])
def test_an_answer_that_does_not_fit_is_refused(result: Any) -> None:
    with pytest.raises(InvalidAnswer, match="The answer does not fit its schema: "):
        schema_of().check_result(result)


def test_either_of_the_pair_may_be_absent() -> None:
    only_request, only_response = schema_of(response=None), schema_of(request=None)

    assert only_request.check_result({"anything": 1}) == {"anything": 1}
    assert arguments(only_response, {"text": 1, "count": "x"}) == {"text": 1, "count": "x"}
    with pytest.raises(InvalidAnswer):
        only_response.check_result({})


def test_a_module_or_object_with_both_names_is_a_schema() -> None:
    schema = schemas.choose(
        SimpleNamespace(Request=Request, Response=Response), handler, Signature.of(handler)
    )

    assert arguments(schema, {"text": "a"}) == {"text": "a", "count": 1}


def test_schemas_are_identified_by_the_names_of_their_models() -> None:
    names = {schema_of().name, schema_of(Strict).name, schema_of(response=None).name, schema_of(None).name}

    assert len(names) == 4


class Measured(pydantic.BaseModel):
    score: float
    counts: list[int] = []
    extra: Any = None


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ({"score": np.float32(0.5)}, {"score": 0.5, "counts": [], "extra": None}),
        (
            {"score": np.array(0.5), "counts": np.array([1, 2])},
            {"score": 0.5, "counts": [1, 2], "extra": None},
        ),
        ({"score": 1, "counts": [np.int64(3)]}, {"score": 1, "counts": [3], "extra": None}),
        (
            {"score": 1, "extra": {"a": np.float32(2), "b": np.array([1])}},
            {"score": 1, "counts": [], "extra": {"a": 2, "b": [1]}},
        ),
    ],
    ids=repr,
)
def test_numbers_of_numpy_are_those_of_a_model(result: Any, expected: Any) -> None:
    checked = schemas.choose((None, Measured), handler, Signature.of(handler)).check_result(result)

    assert json.as_received(checked) == expected
