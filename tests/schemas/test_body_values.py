"""A parameter that is marked as the body, or positional only, gets a bare value, text or bytes."""

from collections.abc import Callable
from typing import Annotated, Any

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aylien_model_serving import Body, ImageFile, Nested, codecs, schemas
from aylien_model_serving.codecs import json
from aylien_model_serving.codecs.fields import Fields
from aylien_model_serving.core.messages import Call
from aylien_model_serving.errors import ConfigurationError, SchemaMismatch, UnsupportedMediaType
from aylien_model_serving.handlers.signatures import Signature
from aylien_model_serving.schemas import Schema
from aylien_model_serving.schemas.long_fields import AT_ONCE
from tests.schemas.test_whole_body import Iris, taking


class Numbers(pydantic.RootModel[list[int]]):
    pass


def schema_of(handler: Callable[..., Any], *path_names: str) -> Schema:
    return schemas.choose(None, handler, Signature.of(handler), frozenset(path_names))


def sent(schema: Schema, body: bytes, media_type: str = "application/json") -> Any:
    """Return the parameter's value for a body."""
    call = Call("POST", "/", "", {"content-type": media_type}, body, {}, "")
    return schema.arguments(codecs.decode(call, schema.decoders), {})["x"]


@pytest.mark.parametrize(
    ("hint", "body", "expected"),
    [
        (Annotated[list[Iris], Body()], b'[{"petal": 1}]', [Iris(1.0)]),
        (Annotated[dict[str, float], Body()], b'{"a": 1}', {"a": 1.0}),
        (Annotated[float, Body()], b"3", 3.0),
        (Annotated[str | None, Body()], b"null", None),
        (Annotated[list[int], Body()] | None, b"[1]", [1]),
        (Annotated[Any, Body()], b'"a"', "a"),
        (Annotated[Iris, Body()], b'{"petal": 1}', Iris(1.0)),
        (Numbers, b"[1]", Numbers([1])),
        (Annotated[list[pydantic.PositiveInt], Body()], b"[1]", [1]),
    ],
)
def test_a_body_is_the_value_of_the_parameter(hint: Any, body: bytes, expected: Any) -> None:
    assert sent(taking(hint), body) == expected


def test_a_positional_parameter_needs_no_marker() -> None:
    def handler(x: list[int], /) -> None: ...

    assert sent(schema_of(handler), b"[1]") == [1]


def test_several_positional_parameters_are_fields() -> None:
    def handler(x: list[int], y: int = 1, /) -> None: ...

    assert sent(schema_of(handler), b'{"x": [1]}') == [1]


def test_a_marker_has_a_positional_parameter_sent_by_its_name() -> None:
    def handler(x: Annotated[list[int], Nested()], /) -> None: ...

    assert sent(schema_of(handler), b'{"x": [1]}') == [1]


def test_a_call_of_a_batch_sends_one_value() -> None:
    assert sent(taking(Annotated[list[list[int]], Body()], batched=True), b"[1]") == [1]
    assert sent(taking(list[Annotated[list[int], Body()]], batched=True), b"[1]") == [1]


def test_the_body_of_one_leaves_no_place_for_others() -> None:
    def handler(x: Annotated[list[int], Body()], scale: float = 1.0) -> None: ...

    with pytest.raises(ConfigurationError, match=r"parameter 'x' is marked as the whole body by Body\(\)"):
        schema_of(handler)
    assert sent(schema_of(handler, "scale"), b"[1]") == [1]


@pytest.mark.parametrize(
    ("hint", "body", "message"),
    [
        (Annotated[list[int], Body()], b"{}", "body: Expected `array`, got `object`"),
        (Annotated[list[Iris], Body()], b'[{"petal": "1"}]', "body[0].petal: Expected `float`, got `str`"),
        (Annotated[dict[str, int], Body()], b'{"a": "1"}', "body[...]: Expected `int`, got `str`"),
        (Numbers, b'["a"]', "body: 0: Input should be a valid integer, unable to parse string as an integer"),
        (
            Annotated[list[pydantic.PositiveInt], Body()],
            b"[0]",
            "body.0: Input should be greater than 0",
        ),
    ],
)
def test_a_message_says_where_in_the_body(hint: Any, body: bytes, message: str) -> None:
    with pytest.raises(SchemaMismatch) as refused:
        sent(taking(hint), body)

    assert str(refused.value) == message


def test_a_long_array_is_checked_piece_by_piece() -> None:
    schema = taking(Annotated[list[int], Body()])

    fitting = schema.large_arguments(Fields({"x": list(range(AT_ONCE + 2))}, bound=True), {})
    with pytest.raises(SchemaMismatch, match=rf"^body\[{AT_ONCE}\]: Expected `int`"):
        schema.large_arguments(Fields({"x": [*range(AT_ONCE), "a"]}, bound=True), {})

    assert fitting == {"x": list(range(AT_ONCE + 2))}


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(_VALUES)
def test_any_value_arrives_as_it_does_within_a_name(value: Any) -> None:
    bare, named = taking(Annotated[Any, Body()]), taking(Any)

    assert sent(bare, json.encode(value)) == sent(named, json.encode({"x": value})) == value


@pytest.mark.parametrize("hint", [str, str | None, Annotated[str, Body()]])
def test_a_text_is_the_value_of_a_single_text(hint: Any) -> None:
    assert sent(taking(hint), "ä".encode(), "text/plain") == "ä"
    assert sent(taking(hint), b"a", "text/plain; charset=us-ascii") == "a"


def test_json_of_a_single_field_that_is_sent_as_text_is_json() -> None:
    body = b'{"x": "a"}'

    assert sent(taking(str), body, "text/plain;charset=UTF-8") == "a"
    assert sent(taking(Annotated[str, Body()]), body, "text/plain") == body.decode()


@pytest.mark.parametrize("body", [b'{"x": "a", "y": 1}', b'{"y": "a"}', b'{"x": "a"', b"{}", b"[1]", b""])
def test_any_other_text_is_a_text(body: bytes) -> None:
    assert sent(taking(str), body, "text/plain") == body.decode()


@pytest.mark.parametrize("media_type", ["image/png", "application/octet-stream", "text/plain", "a/b"])
def test_bytes_are_the_value_of_single_bytes(media_type: str) -> None:
    assert sent(taking(bytes), b"\x00\xff", media_type) == b"\x00\xff"


def test_an_image_takes_images_and_bytes_of_no_known_type() -> None:
    png = b"\x89PNG\r\n\x1a\n" + bytes(40)

    for hint in (ImageFile, Annotated[ImageFile, Body()], ImageFile | None):
        schema = taking(hint)
        for media_type in ("image/png", "application/octet-stream"):
            assert sent(schema, png, media_type).content_type == "image/png"
        with pytest.raises(UnsupportedMediaType, match=r"send image/\* or application/octet-stream or JSON"):
            sent(schema, png, "audio/wav")


@pytest.mark.parametrize("media_type", ["text/plain", "image/png"])
def test_several_parameters_take_neither_text_nor_bytes(media_type: str) -> None:
    def handler(x: str, data: bytes = b"") -> None: ...

    with pytest.raises(UnsupportedMediaType, match="send JSON with the fields x, data"):
        sent(schema_of(handler), b"a", media_type)


def test_many_fields_are_not_all_named() -> None:
    names = [f"field_{number}" for number in range(20)]

    def handler(**fields: Any) -> None: ...

    signature = Signature((), tuple(names), frozenset(), open=False)
    with pytest.raises(UnsupportedMediaType, match=r"field_11, …$"):
        sent(schemas.choose(None, handler, signature), b"a", "image/png")


def test_json_that_says_so_is_never_raw() -> None:
    assert sent(taking(bytes), b'{"x": "YQ=="}', "application/vnd.api+json") == b"a"


def test_who_takes_bytes_takes_large_bodies() -> None:
    assert taking(Annotated[bytes, Body()]).takes_data


def test_a_warm_up_call_names_the_parameter_and_values_of_the_path() -> None:
    def handler(number: int, x: Annotated[list[int], Body()]) -> None: ...

    def structured(number: int, x: Iris) -> None: ...

    bare = schema_of(handler, "number").example_arguments({"number": 7, "x": [1]})
    filled = schema_of(structured, "number").example_arguments({"number": 7, "petal": 1})

    assert bare == {"number": 7, "x": [1]}
    assert filled == {"number": 7, "x": Iris(1.0)}
