"""The fields of a handler, compared with what Python itself accepts in a call."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aylien_model_serving.errors import FieldMismatch
from aylien_model_serving.handlers.signatures import Signature
from tests.ids import shown


def plain(text, count=1): ...  # type: ignore[no-untyped-def]  # signatures alone matter here
def keywords(*, text, count=1): ...  # type: ignore[no-untyped-def]
def open_ended(text, **rest): ...  # type: ignore[no-untyped-def]
def positional(text, count=1, /, top=2): ...  # type: ignore[no-untyped-def]
def positional_open(text, /, **rest): ...  # type: ignore[no-untyped-def]
def variadic(*args, text): ...  # type: ignore[no-untyped-def]
def nothing(): ...  # type: ignore[no-untyped-def]


class Model:
    def __call__(self, text, count=1): ...  # type: ignore[no-untyped-def]

    def method(self, text): ...  # type: ignore[no-untyped-def]

    @classmethod
    def of_class(cls, text): ...  # type: ignore[no-untyped-def]

    @staticmethod
    def static(text): ...  # type: ignore[no-untyped-def]


HANDLERS: list[Callable[..., Any]] = [
    plain,
    keywords,
    open_ended,
    positional,
    variadic,
    nothing,
    Model(),
    Model().method,
    Model.of_class,
    Model.static,
    functools.partial(plain, count=2),
    functools.partial(positional, "text"),
    lambda text="": None,
]

NAMES = st.sets(
    st.sampled_from(["text", "count", "top", "self", "rest", "args", "class", "__class__", "extra"])
)


@pytest.mark.parametrize(
    "handler", HANDLERS, ids=lambda handler: getattr(handler, "__name__", shown(handler))
)
@given(names=NAMES)
def test_the_check_agrees_with_a_call(handler: Callable[..., Any], names: set[str]) -> None:
    signature = Signature.of(handler)
    values = dict.fromkeys(names, 1)

    try:
        signature.check(values)
    except FieldMismatch:
        positional_names = set(signature.positional)
        if not positional_names:
            with pytest.raises(TypeError):
                inspect.signature(handler).bind(**values)
    else:
        signature.call(handler, values)


def test_positional_values_arrive_by_name() -> None:
    def handler(text: str, count: int = 1, /, top: int = 2) -> tuple[str, int, int]:
        return text, count, top

    signature = Signature.of(handler)

    assert signature.call(handler, {"top": 9, "count": 5, "text": "a"}) == ("a", 5, 9)
    assert signature.call(handler, {"text": "a"}) == ("a", 1, 2)


def test_a_call_does_not_change_the_values() -> None:
    values = {"text": "a", "rest": 1}

    Signature.of(positional_open).call(positional_open, values)

    assert values == {"text": "a", "rest": 1}


@pytest.mark.parametrize(
    ("handler", "values", "message"),
    [
        (plain, {}, "Missing field 'text': expected are text, count (optional)"),
        (plain, {"text": 1, "txt": 2}, "Unexpected field 'txt': expected are text, count (optional)"),
        (plain, {"txt": 2}, "Unexpected field 'txt': expected are text, count (optional)"),
        (nothing, {"text": 1}, "Unexpected field 'text': none is expected here"),
        (open_ended, {"other": 1}, "Missing field 'text': expected are text"),
        (Model(), {"text": 1, "self": 2}, "Unexpected field 'self': expected are text, count (optional)"),
    ],
)
def test_a_wrong_field_is_named(handler: Callable[..., Any], values: dict[str, Any], message: str) -> None:
    with pytest.raises(FieldMismatch) as refused:
        Signature.of(handler).check(values)

    assert str(refused.value) == message


def test_a_positional_field_needs_those_before_it() -> None:
    def handler(a: int = 1, b: int = 2, c: int = 3, /) -> None: ...

    with pytest.raises(FieldMismatch, match="Missing field 'b': it is needed where 'c' is given"):
        Signature.of(handler).check({"a": 1, "c": 2})


def test_a_long_name_is_not_echoed_whole() -> None:
    with pytest.raises(FieldMismatch) as refused:
        Signature.of(plain).check({"x" * 10_000: 1})

    assert len(str(refused.value)) < 200


def test_a_signature_that_cant_be_read_takes_everything() -> None:
    signature = Signature.of(type)

    assert signature.open
    signature.check({"anything": 1})
