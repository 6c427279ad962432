"""Fields of a form as a browser sends them."""

from typing import Any, Literal

import pydantic
import pytest

from aylien_model_serving.codecs.fields import Fields
from aylien_model_serving.errors import FieldMismatch, SchemaMismatch
from tests.schemas.test_hints import given, schema_of, taking


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
