"""Bytes in models of pydantic: Base64 in what is sent and in what is answered."""

from __future__ import annotations

from typing import Annotated, Any

import pydantic
import pytest

from aylien_model_serving import FlaskAppWrapper
from aylien_model_serving.codecs import JSON, json


class Scan(pydantic.BaseModel):
    content: bytes
    note: str = ""


class Album(pydantic.BaseModel):
    scans: list[Scan] = []
    cover: bytes | None = None
    by_name: dict[str, bytes] = {}

    @pydantic.model_validator(mode="after")
    def _is_checked(self) -> Album:
        return self


class Checked(pydantic.BaseModel, strict=True):
    content: Annotated[bytes, pydantic.Field(min_length=3)]

    @pydantic.field_validator("content")
    @classmethod
    def _starts(cls, value: bytes) -> bytes:
        if not value.startswith(b"a"):
            raise ValueError("no a")
        return value


class Own(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(val_json_bytes="utf8", ser_json_bytes="utf8")
    content: bytes


class Encoded(pydantic.BaseModel):
    content: pydantic.Base64Bytes


class Tree(pydantic.BaseModel):
    content: bytes = b""
    children: list[Tree] = []


def sent(model: Any, **fields: Any) -> Any:
    def handler(**given: Any) -> list[str]:
        return [repr(given["x"])]

    def one(x, y=None):  # type: ignore[no-untyped-def]  # the hint is set below
        return handler(x=x)

    one.__annotations__["x"] = model
    return (
        FlaskAppWrapper.create_app([{"endpoint": "/", "callable": one}]).test_client().post("/", json=fields)
    )


@pytest.mark.parametrize("hint", [lambda kind: kind, lambda kind: kind | int], ids=["msgspec", "pydantic"])
@pytest.mark.parametrize(
    ("model", "fields", "expected"),
    [
        (Scan, {"content": "YWJj"}, Scan(content=b"abc")),
        (Album, {"scans": [{"content": "/w=="}]}, Album(scans=[Scan(content=b"\xff")])),
        (Album, {"cover": None, "by_name": {"a": "YQ=="}}, Album(by_name={"a": b"a"})),
        (Checked, {"content": "YWJj"}, Checked(content=b"abc")),
        (Own, {"content": "YWJj"}, Own(content=b"YWJj")),
        (Encoded, {"content": "YWJj"}, Encoded.model_construct(content=b"abc")),
        (Tree, {"children": [{"content": "YQ=="}]}, Tree(children=[Tree(content=b"a")])),
    ],
    ids=repr,
)
def test_base64_becomes_the_bytes_of_a_model(hint: Any, model: Any, fields: Any, expected: Any) -> None:
    assert sent(hint(model), x=fields).json == [repr(expected)]


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        (Scan, {"content": "?"}),
        (Scan, {"content": "abc"}),
        (Scan, {"content": "é"}),
        (Scan, {"content": 3}),
        (Album, {"scans": [{"content": "?"}]}),
        (Checked, {"content": "YQ=="}),
        (Checked, {"content": "YmJi"}),
    ],
    ids=repr,
)
def test_what_is_no_base64_is_refused(model: Any, fields: Any) -> None:
    answer = sent(model, x=fields)

    assert (answer.status_code, answer.json["code"]) == (400, "schema_mismatch")
    assert "content" in answer.json["error"]


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (Scan(content=b"abc"), {"content": "YWJj", "note": ""}),
        (Scan(content=b"\xff"), {"content": "/w==", "note": ""}),
        (Own(content=b"abc"), {"content": "abc"}),
        (
            Tree(children=[Tree(content=b"a")]),
            {"content": "", "children": [{"content": "YQ==", "children": []}]},
        ),
    ],
    ids=repr,
)
def test_bytes_of_a_model_are_answered_as_base64(model: Any, expected: Any) -> None:
    assert json.decoded(JSON.encode({"answer": [model]})) == {"answer": [expected]}


def test_a_pair_of_models_has_base64_both_ways() -> None:
    def same(content: bytes, note: str) -> dict[str, Any]:
        assert content == b"abc"
        return {"content": content, "note": note}

    app = FlaskAppWrapper.create_app([{"endpoint": "/", "callable": same, "schema": (Scan, Scan)}])
    client = app.test_client()

    assert client.post("/", json={"content": "YWJj"}).json == {"content": "YWJj", "note": ""}
    assert client.post("/", json={"content": "?"}).json["error"] == "content: Expected bytes as Base64"
    schema = client.get("/openapi.json").json["paths"]["/"]["post"]["requestBody"]["content"]
    assert schema["application/json"]["schema"]["properties"]["content"]["contentEncoding"] == "base64"
