"""A protobuf message as the only parameter is the whole body, in JSON, in forms and in its own format."""

from typing import Annotated, Any

import pytest
from google.protobuf.json_format import ParseDict
from hypothesis import given, settings
from hypothesis import strategies as st

from aylien_model_serving import Body, Nested, schemas
from aylien_model_serving.codecs.fields import Fields
from aylien_model_serving.errors import ConfigurationError, SchemaMismatch
from aylien_model_serving.handlers.signatures import Signature
from examples import example_schema_pb2 as app_pb2
from examples.example_schema_pb2 import Request, Response
from tests.schemas.proto_files import message_class
from tests.web.requests import error, route, serve

PROTOBUF = "application/x-protobuf"


def detect(request: Request) -> Response:
    return Response(language=request.title, version=request.enrichments.extracted.value.body)


@pytest.fixture(scope="module")
def client() -> Any:
    return serve(
        route(detect, methods=["GET", "POST"], cache=True, warmup={"title": "warm"}),
        route(detect, "/with-schema", schema=app_pb2),
        route(detect_batch, "/batch", batch=True),
        route(detect_at, "/at/<int:number>", methods=["GET", "POST"], warmup={"number": 1, "title": "warm"}),
    )


def detect_batch(requests: list[Request]) -> list[Response]:
    return [detect(request) for request in requests]


def detect_at(number: int, request: Request) -> list[Any]:
    return [number, request.title]


BODY = {"title": "en", "enrichments": {"extracted": {"value": {"body": "b"}}}}
MESSAGE = Request(title="en", enrichments={"extracted": {"value": {"body": "b"}}})


@pytest.mark.parametrize("path", ["/p", "/with-schema", "/batch"])
def test_a_message_arrives_from_json_and_from_its_own_format(client: Any, path: str) -> None:
    by_json = client.post(path, json=BODY)
    by_message = client.post(path, data=MESSAGE.SerializeToString(), content_type=PROTOBUF)
    answered = client.post(path, json=BODY, headers={"Accept": PROTOBUF})

    assert by_json.json == by_message.json
    assert (by_json.json["language"], by_json.json["version"]) == ("en", "b")
    assert Response.FromString(answered.data) == detect(MESSAGE)


def test_a_query_fills_what_the_body_leaves_out(client: Any) -> None:
    assert client.post("/p?title=en", json={"body": "b"}).json["language"] == "en"
    message = client.post("/p?title=en", data=MESSAGE.SerializeToString(), content_type=PROTOBUF)
    assert error(message)[2] == "Unexpected field 'title' in the query: the body has all of request"


def test_queries_and_forms_fill_a_message_beside_the_path(client: Any) -> None:
    assert client.get("/at/7?title=en").json == [7, "en"]
    assert client.post("/at/7", data={"title": "en"}).json == [7, "en"]


@pytest.mark.parametrize(
    ("body", "media_type", "code", "message"),
    [
        (b'{"title": 1}', "application/json", "schema_mismatch", "Failed to parse title field"),
        (b'{"text": ""}', "application/json", "schema_mismatch", 'has no field named "text"'),
        (b"\xff", PROTOBUF, "malformed_body", "not a protobuf message of type app.Request"),
    ],
)
def test_what_is_no_such_message_is_refused(
    client: Any, body: bytes, media_type: str, code: str, message: str
) -> None:
    status, found, text = error(client.post("/p", data=body, content_type=media_type))

    assert (status, found) == (400, code)
    assert message in text


def test_equal_messages_have_one_cached_answer(client: Any) -> None:
    bodies = ({"title": "kept"}, {"title": "kept", "body": ""})

    assert [client.post("/p", json=body).headers["X-Cache"] for body in bodies] == ["miss", "hit"]


def test_the_description_is_that_of_the_message(client: Any) -> None:
    shown = client.get("/openapi.json").json["paths"]["/p"]

    body = shown["post"]["requestBody"]
    assert body["required"]
    assert body["content"]["application/json"]["schema"]["properties"]["title"] == {"type": "string"}
    assert body["content"]["application/json"]["example"] == {"title": "warm"}
    assert {"id", "title", "body"} <= {parameter["name"] for parameter in shown["get"]["parameters"]}


@pytest.mark.parametrize("hint", [Request | None, list[Request], Annotated[Request, Nested()]])
def test_a_message_that_is_not_alone_stops_the_start(hint: Any) -> None:
    def handler(x): ...  # type: ignore[no-untyped-def]  # the hint is set below

    handler.__annotations__ = {"x": hint}

    with pytest.raises(ConfigurationError, match=r"a protobuf message is the whole body of a request"):
        schemas.choose(None, handler, Signature.of(handler))


def test_a_message_beside_another_parameter_stops_the_start() -> None:
    def handler(x: Request, scale: float = 1.0) -> None: ...

    with pytest.raises(ConfigurationError, match=r"as the only parameter"):
        schemas.choose(None, handler, Signature.of(handler))


def test_a_marked_body_beside_a_schema_stops_the_start() -> None:
    def handler(x: Annotated[list[int], Body()]) -> None: ...

    with pytest.raises(ConfigurationError, match=r"Body\(\), and the schema has fields: leave one"):
        schemas.choose(app_pb2, handler, Signature.of(handler))


_BODIES = st.fixed_dictionaries(
    {},
    optional={
        "title": st.text() | st.integers(),
        "enrichments": st.fixed_dictionaries(
            {}, optional={"extracted": st.just({"value": {"body": "b"}}) | st.text()}
        ),
        "other": st.just(1),
    },
)


@settings(max_examples=200, deadline=None)
@given(_BODIES)
def test_a_message_is_taken_exactly_where_its_fields_are(body: dict[str, Any]) -> None:
    def by_name(title: str = "", enrichments: Any = None) -> None: ...

    whole = schemas.choose(None, detect, Signature.of(detect))
    named = schemas.choose((Request, None), by_name, Signature.of(by_name))

    outcomes = []
    for schema in (whole, named):
        try:
            outcomes.append(schema.arguments(Fields(body), {}))
        except SchemaMismatch as error:
            outcomes.append({"refused": str(error)})

    found, expected = outcomes
    assert found == (expected if "refused" in expected else {"request": ParseDict(expected, Request())})


def test_long_lists_fill_a_message() -> None:
    numbers = message_class("message M\nrepeated double x\nrepeated bool y", "M")

    def handler(request): ...  # type: ignore[no-untyped-def]  # the hint is set below

    handler.__annotations__ = {"request": numbers}
    schema = schemas.choose(None, handler, Signature.of(handler))
    values = {"x": [0.5, 1] * 200, "y": [True] * 200}

    assert schema.arguments(Fields(values), {}) == {"request": numbers(**values)}
    with pytest.raises(SchemaMismatch, match="Failed to parse x field"):
        schema.arguments(Fields({"x": [*values["x"], "a"]}), {})
