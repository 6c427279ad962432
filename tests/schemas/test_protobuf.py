"""Schemas given as protobuf messages: validity and messages of `ParseDict`, the values of the client."""

from typing import Any

import numpy as np
import pytest
from google.protobuf.json_format import ParseDict, ParseError

from aylien_model_serving import schemas
from aylien_model_serving.codecs.fields import Fields
from aylien_model_serving.errors import ConfigurationError, FieldMismatch, InvalidAnswer, SchemaMismatch
from aylien_model_serving.handlers.signatures import Signature
from aylien_model_serving.schemas import Schema
from examples import example_schema_pb2
from examples.example_schema_pb2 import Request, Response
from tests.schemas.proto_files import message_class


def handler(**fields: Any) -> None: ...
def strict_handler(title: str, body: str = "") -> None: ...


def schema_of(
    schema: Any = example_schema_pb2, handler: Any = handler, path: frozenset[str] = frozenset()
) -> Schema:
    return schemas.choose(schema, handler, Signature.of(handler), path)


NESTED = {"enrichments": {"extracted": {"value": {"body": "b"}}}}


@pytest.mark.parametrize("values", [{}, {"title": "a"}, {"title": None}, NESTED, {"id": "", "body": "ü"}])
def test_fields_that_fit_pass_as_the_client_sent_them(values: dict[str, Any]) -> None:
    assert schema_of().arguments(Fields(values), {}) is values


@pytest.mark.parametrize(
    "values",
    [
        {"language": "en"},
        {"title": 3},
        {"title": ["a"]},
        {"enrichments": "a"},
        {"enrichments": {"extracted": {"value": {"text": "b"}}}},
        {"title": "\ud800"},
    ],
)
def test_fields_that_do_not_fit_are_refused_with_the_parsers_message(values: dict[str, Any]) -> None:
    with pytest.raises((ParseError, ValueError)) as parsers:
        ParseDict(values, Request())

    with pytest.raises(SchemaMismatch) as refused:
        schema_of().arguments(Fields(values), {})

    assert str(refused.value) == str(parsers.value)


def test_an_unknown_field_is_named() -> None:
    with pytest.raises(SchemaMismatch, match=r'"app\.Request" has no field named "language"'):
        schema_of().arguments(Fields({"language": "en"}), {})


def test_a_field_that_the_handler_requires_is_required() -> None:
    with pytest.raises(FieldMismatch, match="Missing field 'title'"):
        schema_of(handler=strict_handler).arguments(Fields({"body": "a"}), {})
    with pytest.raises(FieldMismatch, match="Unexpected field 'id'"):
        schema_of(handler=strict_handler).arguments(Fields({"title": "a", "id": "a"}), {})


def test_a_value_of_the_path_need_not_be_part_of_the_message() -> None:
    schema = schema_of(path=frozenset({"lang", "title"}))

    assert schema.arguments(Fields({"body": "b"}), {"lang": "en", "title": "t"}) == {
        "body": "b",
        "lang": "en",
        "title": "t",
    }
    with pytest.raises(SchemaMismatch, match="title"):
        schema.arguments(Fields({}), {"lang": "en", "title": 3})


MEASURES = """
    message Measures
    int32 count
    double weight
    bool done
    repeated float sizes
    string name
    repeated bool flags
"""


@pytest.mark.parametrize(
    ("field", "text", "expected"),
    [
        ("count", "3", 3),
        ("count", "-3", -3),
        ("weight", "1.5", 1.5),
        ("weight", "3", 3.0),
        ("done", "true", True),
        ("done", "0", False),
        ("sizes", "1.5", [1.5]),
        ("sizes", ["1", "2"], [1.0, 2.0]),
        ("flags", ["TRUE", "false"], [True, False]),
        ("name", "3", "3"),
    ],
)
def test_text_of_a_query_string_is_read_as_the_field_says(field: str, text: Any, expected: Any) -> None:
    schema = schema_of((message_class(MEASURES, "Measures"), None))

    arrived = schema.arguments(Fields({field: text}, textual=True), {})[field]

    assert arrived == expected
    assert type(arrived) is type(expected)


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("count", "many"),
        ("count", "1.5"),
        ("count", "9" * 5000),
        ("count", "+-5"),
        ("weight", "x"),
        ("weight", "1e999"),
        ("done", "yes"),
        ("other", "1"),
    ],
)
def test_text_that_stands_for_no_such_value_is_refused(field: str, text: str) -> None:
    schema = schema_of((message_class(MEASURES, "Measures"), None))

    with pytest.raises(SchemaMismatch):
        schema.arguments(Fields({field: text}, textual=True), {})


@pytest.mark.parametrize(
    "result",
    [
        {"language": "en", "confidence": 0.5},
        {},
        Response(language="en"),
    ],
)
def test_an_answer_that_fits_passes_as_it_is(result: Any) -> None:
    assert schema_of().check_result(result) is result


@pytest.mark.parametrize("number", [np.float32(0.5), np.array(0.5)])
def test_arrays_and_scalars_of_an_answer_pass_as_pythons_own(number: Any) -> None:
    answer = schema_of().check_result({"language": "en", "confidence": number})

    assert answer == {"language": "en", "confidence": 0.5}
    assert type(answer["confidence"]) is float


@pytest.mark.parametrize(
    "result",
    [
        {"label": "en"},
        {"confidence": "much"},
        {"language": 3},
        Request(title="a"),
        [1],
        None,
        "en",
        object(),
        {"language": object()},
    ],
)
def test_an_answer_that_does_not_fit_is_refused(result: Any) -> None:
    with pytest.raises(InvalidAnswer):
        schema_of().check_result(result)


def test_a_protobuf_route_speaks_protobuf() -> None:
    schema = schema_of(handler=strict_handler)

    found = schema.decoders["application/x-protobuf"](Request(body="b").SerializeToString(), "")

    assert found.values == {"body": "b", "title": ""}
    assert [encoder.media_type for encoder in schema.encoders] == [
        "application/json",
        "application/x-protobuf",
        "application/protobuf",
    ]


def test_either_of_the_pair_may_be_absent() -> None:
    only_request, only_response = schema_of((Request, None)), schema_of((None, Response))

    assert only_request.check_result({"anything": 1}) == {"anything": 1}
    assert [encoder.media_type for encoder in only_request.encoders] == ["application/json"]
    assert only_response.arguments(Fields({"anything": 1}), {}) == {"anything": 1}
    assert "application/x-protobuf" not in only_response.decoders


@pytest.mark.parametrize(
    "schema", ["app.Request", 3, (Request,), (None, None), (Request, int), (int, str), object()]
)
def test_what_is_no_schema_stops_the_service(schema: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"a schema is a .*_pb2 module with Request and Response"):
        schema_of(schema)


def test_schemas_are_identified_by_the_names_of_their_messages() -> None:
    assert schema_of().name == "app.Request|app.Response"
    assert schema_of((Request, None)).name == "app.Request|"
