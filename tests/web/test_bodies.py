"""Media types in and out, and the kinds of values that answers hold."""

import dataclasses
import datetime as dt
import enum
import io
import uuid
from typing import Any

import numpy as np
import pydantic
import pytest
from werkzeug.datastructures import FileStorage

from examples import example_schema_pb2
from examples.example_schema_pb2 import Request, Response, Value
from tests.web.requests import error, post, route, serve

PROTOBUF = "application/x-protobuf"


def predict(title: str = "", body: str = "", **rest: Any) -> dict[str, Any]:
    return {"version": f"{title}|{body}|{sorted(rest)}", "confidence": np.float32(0.5)}


@pytest.fixture
def client() -> Any:
    return serve(route(predict, schema=example_schema_pb2))


def test_a_protobuf_body_is_read(client: Any) -> None:
    sent = Request(title="a", enrichments={"extracted": {"value": {"body": "b"}}}).SerializeToString()

    response = client.post("/p", data=sent, content_type=PROTOBUF)

    assert response.get_json() == {"version": "a||['enrichments']", "confidence": 0.5}


def test_a_protobuf_answer_is_written_to_who_prefers_it(client: Any) -> None:
    response = post(client, {"title": "a"}, Accept=f"{PROTOBUF}, application/json;q=0.5")

    assert response.content_type == PROTOBUF
    assert Response.FromString(response.data) == Response(version="a||[]", confidence=0.5)


def test_protobuf_both_ways(client: Any) -> None:
    sent = Request(body="b").SerializeToString()

    response = client.post("/p", data=sent, content_type=PROTOBUF, headers={"Accept": PROTOBUF})

    assert Response.FromString(response.data).version == "|b|[]"


def test_bytes_that_are_no_message_are_a_400(client: Any) -> None:
    response = client.post("/p", data=b"\xff\xff", content_type=PROTOBUF)

    assert error(response)[:2] == (400, "malformed_body")


def test_an_error_to_a_client_that_prefers_protobuf_is_json(client: Any) -> None:
    assert error(post(client, {"language": "en"}, Accept=PROTOBUF))[:2] == (400, "schema_mismatch")


def test_a_route_without_a_protobuf_schema_does_not_speak_protobuf() -> None:
    client = serve(route(lambda title: {"title": title}))

    sent = client.post("/p", data=Request(title="a").SerializeToString(), content_type=PROTOBUF)

    assert error(sent)[:2] == (415, "unsupported_media_type")
    assert post(client, {"title": "a"}, Accept=PROTOBUF).content_type == "application/json"


def typed(text: str, n: int, sizes: list[float], image: bytes = b"") -> Any:
    return [text, n, sizes, len(image)]


def test_a_form_is_read_as_the_hints_say() -> None:
    response = serve(route(typed)).post("/p", data={"text": "Guten Tag", "n": "3", "sizes": ["1", "2.5"]})

    assert response.get_json() == ["Guten Tag", 3, [1.0, 2.5], 0]


def test_the_files_of_a_multipart_form_arrive_as_bytes() -> None:
    image = FileStorage(stream=io.BytesIO(b"\x89PNG"), filename="a.png")

    response = serve(route(typed)).post("/p", data={"text": "a", "n": "3", "sizes": "1", "image": image})

    assert response.get_json() == ["a", 3, [1.0], 4]


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Box:
    corners: Any


class Person(pydantic.BaseModel):
    name: str


@pytest.mark.parametrize(
    ("result", "received"),
    [
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (np.bool_(True), True),
        (np.array([[1.0, np.nan], [np.inf, 2.0]]), [[1.0, None], [None, 2.0]]),
        (float("nan"), None),
        (dt.datetime(2020, 1, 2, tzinfo=dt.timezone.utc), "2020-01-02T00:00:00Z"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Colour.RED, "red"),
        (Box(np.ones(2)), {"corners": [1.0, 1.0]}),
        (Person(name="Ada"), {"name": "Ada"}),
        (Value(body="b"), {"body": "b"}),
        (None, None),
        ("text", "text"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_values_of_models_need_no_help(result: Any, received: Any) -> None:
    client = serve(route(lambda **fields: result), route(lambda **fields: {"deep": [result]}, "/deep"))

    assert post(client).get_json() == received
    assert post(client, path="/deep").get_json() == {"deep": [received]}


def test_a_callable_without_fields_needs_no_help_either() -> None:
    client = serve(route(lambda: {"score": np.float32(0.5), "when": dt.date(2020, 1, 2)}))

    assert post(client).get_json() == {"score": 0.5, "when": "2020-01-02"}


class Query(pydantic.BaseModel):
    text: str
    count: int = pydantic.Field(default=1, ge=1)


class Answer(pydantic.BaseModel):
    words: list[str]


def test_pydantic_models_are_a_schema() -> None:
    client = serve(route(lambda text, count: {"words": (text,) * count}, schema=(Query, Answer)))

    assert post(client, {"text": "a", "count": 2}).get_json() == {"words": ["a", "a"]}
    assert error(post(client, {"text": "a", "count": 0}))[:2] == (400, "schema_mismatch")


def test_a_pydantic_model_may_be_a_parameters_hint() -> None:
    def handler(query: Query, names: list[Query] | None = None) -> Any:
        return [query.count, [name.text for name in names or []]]

    client = serve(route(handler))

    assert post(client, {"query": {"text": "a"}, "names": [{"text": "b"}]}).get_json() == [1, ["b"]]
    assert error(post(client, {"query": {"count": 2}})) == (
        400,
        "schema_mismatch",
        "query: text: Field required",
    )


def test_a_large_answer_arrives_whole() -> None:
    response = post(serve(route(lambda n: np.arange(n))), {"n": 200_000})

    assert response.get_json() == list(range(200_000))
    assert response.headers["Content-Length"] == str(len(response.data))
