"""A hint that takes null makes a field optional, with or without a default."""

from typing import Annotated, Any, Optional

import pytest

from aylien_model_serving import schemas
from aylien_model_serving.codecs.fields import Fields
from aylien_model_serving.errors import FieldMismatch, SchemaMismatch
from aylien_model_serving.handlers.signatures import Signature
from aylien_model_serving.schemas import Schema


def chosen(handler: Any, *, batched: bool = False) -> Schema:
    return schemas.choose(None, handler, Signature.of(handler), batched=batched)


def translate(
    text: str,
    language: str | None,
    tone: Optional[str],  # noqa: UP045  # as older code writes it
    length: Annotated[int | None, "in words"],
    style: str | None = "plain",
) -> None: ...


def test_the_handler_gets_none_for_what_is_left_out() -> None:
    found = chosen(translate).arguments(Fields({"text": "a", "tone": "dry"}), {})

    assert found == {"text": "a", "language": None, "tone": "dry", "length": None}


def test_other_fields_without_a_default_are_needed() -> None:
    with pytest.raises(FieldMismatch, match=r"'text': expected are text, language \(optional\)"):
        chosen(translate).arguments(Fields({"language": "en"}), {})


def test_a_value_is_checked_where_there_is_one() -> None:
    with pytest.raises(SchemaMismatch, match=r"^length: "):
        chosen(translate).arguments(Fields({"text": "a", "length": "long"}), {})


def test_the_description_says_so() -> None:
    assert chosen(translate).describe("").fields["required"] == ["text"]


def test_of_a_batch_it_is_the_hint_of_one_call() -> None:
    def count(texts: list[str | None], limits: list[int]) -> list[int]: ...

    schema = chosen(count, batched=True)

    assert schema.arguments(Fields({"limits": 3}), {}) == {"limits": 3, "texts": None}
    with pytest.raises(FieldMismatch, match="'limits'"):
        schema.arguments(Fields({"texts": "a"}), {})
