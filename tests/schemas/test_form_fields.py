"""Fields of a form as a browser sends them."""

import dataclasses
import io
import json as python_json
from typing import Annotated, Any, Literal

import numpy as np
import pydantic
import pytest

from aylien_model_serving.codecs import json
from aylien_model_serving.codecs.fields import Fields
from aylien_model_serving.errors import FieldMismatch, MalformedBody, SchemaMismatch, TooManyItems
from tests.schemas.test_hints import given, schema_of, taking
from tests.web.requests import route, serve


@dataclasses.dataclass
class Box:
    left: int
    names: list[str] = dataclasses.field(default_factory=list)


class Shape(pydantic.BaseModel):
    boxes: list[Box]


@pytest.mark.parametrize("hint", [bool, bool | None, pydantic.StrictBool])
def test_a_checkbox_is_true(hint: Any) -> None:
    assert given(taking(hint), "on", textual=True) is True


@pytest.mark.parametrize("hint", [int, float | None, Literal[1, 2], pydantic.PositiveInt])
def test_a_field_that_was_left_empty_is_absent(hint: Any) -> None:
    assert taking(hint, 1).arguments(Fields({"x": ""}, textual=True), {}) == {}
    with pytest.raises(FieldMismatch, match="Missing field 'x'"):
        given(taking(hint), "", textual=True)


def test_an_empty_text_is_a_text() -> None:
    assert given(taking(str), "", textual=True) == ""
    assert given(taking(int | str), "", textual=True) == ""


def test_another_fields_fault_is_still_named() -> None:
    def handler(flag: bool = False, x: int = 0, n: int = 0) -> None: ...

    with pytest.raises(SchemaMismatch, match=r"^n: "):
        schema_of(handler).arguments(Fields({"flag": "on", "x": "", "n": "many"}, textual=True), {})


def test_json_has_values_of_its_own() -> None:
    for value in ("on", ""):
        with pytest.raises(SchemaMismatch):
            given(taking(bool, False), value)


@pytest.mark.parametrize(
    ("hint", "text", "expected"),
    [
        (dict, '{"a": [1]}', {"a": [1]}),
        (dict[str, int] | None, ' {"a": 1}', {"a": 1}),
        (Box, b'{"left": 1, "names": ["b"]}', Box(1, ["b"])),
        (Shape, '{"boxes": [{"left": 1}]}', Shape(boxes=[Box(1)])),
        (list[Box], '[{"left": 1}]', [Box(1)]),
        (list[list[float]], "[[1, 2.5]]", [[1.0, 2.5]]),
        (list[int], "[1, 2]", [1, 2]),
        (list[int], "1", [1]),
        (list[str], '["a"]', ['["a"]']),
        (str | dict, '{"a": 1}', '{"a": 1}'),
    ],
)
def test_json_stands_where_no_text_does(hint: Any, text: Any, expected: Any) -> None:
    assert given(taking(hint), text, textual=True) == expected


def test_an_array_is_json_too() -> None:
    assert given(taking(np.ndarray), "[[1, 2]]", textual=True).tolist() == [[1, 2]]


@pytest.mark.parametrize("text", ['{"a": 1', '{"a": 1, "a": 2}', "[" * 100 + "]" * 100])
def test_what_only_begins_as_json_is_refused_by_its_name(text: str) -> None:
    with pytest.raises(MalformedBody, match=r"^The field 'x' can't be read as JSON: "):
        given(taking(dict), text, textual=True)


@pytest.mark.parametrize(
    "hint",
    [pydantic.Json[dict[str, int]], Annotated[dict[str, int], pydantic.BeforeValidator(python_json.loads)]],
)
def test_a_text_that_its_hint_reads_itself_stays_one(hint: Any) -> None:
    def handler(x, flag: bool, n: int = 0): ...  # type: ignore[no-untyped-def]  # the hint is set below

    handler.__annotations__["x"] = hint
    sent = {"x": '{"a": 1}', "flag": "on"}
    found = schema_of(handler).arguments(Fields(dict(sent), textual=True), {})
    assert found == {"x": {"a": 1}, "flag": True}
    with pytest.raises(SchemaMismatch, match=r"^n: "):
        schema_of(handler).arguments(Fields({**sent, "n": "many"}, textual=True), {})


def test_json_in_a_form_is_limited() -> None:
    with pytest.raises(TooManyItems, match="The field 'x' has more than 1,000,000 values"):
        given(taking(list[int]), "[" + "1," * json.MAX_ITEMS + "1]", textual=True)


def test_a_part_of_a_form_may_be_json_beside_a_file() -> None:
    def crop(image: bytes, box: Box) -> dict[str, Any]:
        return {"bytes": len(image), "left": box.left}

    client = serve(route(crop))
    for box in ('{"left": 2}', (io.BytesIO(b'{"left": 2}'), "box.json", "application/json")):
        answer = client.post("/p", data={"image": (io.BytesIO(b"abc"), "a.png"), "box": box})
        assert answer.json == {"bytes": 3, "left": 2}
