"""Type hints of every kind of handler: names, defaults, the path, and the result."""

import functools
from collections.abc import Callable
from typing import Any

import pytest

from aylien_model_serving.codecs.fields import Fields
from aylien_model_serving.errors import ConfigurationError, FieldMismatch, InvalidAnswer, SchemaMismatch
from aylien_model_serving.handlers.signatures import Signature
from aylien_model_serving.schemas.hints import TypeHintsSchema
from tests.schemas.test_hints import Person, schema_of


def test_fields_beyond_the_names_of_an_open_handler_pass() -> None:
    def handler(n: int, **rest: Any) -> None: ...

    assert schema_of(handler).arguments(Fields({"n": 1, "other": 2, "rest": 3}), {}) == {
        "n": 1,
        "other": 2,
        "rest": 3,
    }


def test_fields_without_names_have_no_hint() -> None:
    def handler(n: int, **rest: str) -> None: ...

    with pytest.raises(ConfigurationError, match=r"the fields that \*\*rest takes can't be checked"):
        schema_of(handler)


def test_positional_fields_are_checked_by_their_hints() -> None:
    def handler(n: int, m: float = 1, /) -> None: ...

    schema = schema_of(handler)

    assert schema.arguments(Fields({"n": "1"}, textual=True), {}) == {"n": 1}
    with pytest.raises(SchemaMismatch, match=r"^n: "):
        schema.arguments(Fields({"n": "x"}), {})


def test_defaults_are_the_handlers_own() -> None:
    def handler(n: int = 3, *, m: int = 4) -> None: ...

    assert schema_of(handler).arguments(Fields({}), {}) == {}
    assert schema_of(handler).arguments(Fields({"m": 1}), {}) == {"m": 1}


@pytest.mark.parametrize("values", [{}, {"n": 1, "other": 2}])
def test_a_missing_or_unexpected_field_is_named(values: dict[str, Any]) -> None:
    def handler(n: int) -> None: ...

    with pytest.raises(FieldMismatch, match=r"'n'|'other'"):
        schema_of(handler).arguments(Fields(values), {})


def test_values_of_the_path_are_fields() -> None:
    def handler(n: int, lang: str) -> None: ...

    schema = schema_of(handler)

    assert schema.arguments(Fields({"lang": "en"}), {"n": 3}) == {"lang": "en", "n": 3}
    with pytest.raises(FieldMismatch, match="'n' is given in the path and once more beside it"):
        schema.arguments(Fields({"lang": "en", "n": 4}), {"n": 3})


class Model:
    def __call__(self, n: int) -> None: ...

    def method(self, n: int) -> None: ...

    @classmethod
    def of_class(cls, n: int) -> None: ...


def plain(n: int, m: int = 0) -> None: ...


@functools.wraps(plain)
def wrapped(*args: Any, **kwargs: Any) -> None: ...


@pytest.mark.parametrize(
    "handler",
    [plain, Model(), Model().method, Model.of_class, functools.partial(plain, m=1), wrapped],
    ids=["function", "object", "method", "class method", "partial", "wrapped"],
)
def test_hints_of_every_kind_of_callable_are_read(handler: Callable[..., Any]) -> None:
    with pytest.raises(SchemaMismatch, match=r"^n: "):
        schema_of(handler).arguments(Fields({"n": "a"}), {})


def test_values_are_unchanged_where_hints_are_not_checked() -> None:
    schema = TypeHintsSchema(plain, Signature.of(plain), typed=False)

    assert schema.arguments(Fields({"n": "a"}), {}) == {"n": "a"}
    with pytest.raises(FieldMismatch):
        schema.arguments(Fields({"m": 1}), {})


def test_an_answer_whose_hint_is_a_pydantic_model_is_checked() -> None:
    def handler() -> Person:
        raise NotImplementedError

    schema = schema_of(handler)

    assert schema.check_result({"name": "Ada"}) == Person(name="Ada")
    with pytest.raises(InvalidAnswer, match="The answer does not fit Person: name: Field required"):
        schema.check_result({})


def test_any_other_answer_passes() -> None:
    def handler() -> dict[str, int]:
        raise NotImplementedError

    answer = {"a": "b"}

    assert schema_of(handler).check_result(answer) is answer
