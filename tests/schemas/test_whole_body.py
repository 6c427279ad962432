"""A single structured parameter is the whole body; several parameters are fields by name."""

import dataclasses
import io
from collections.abc import Callable
from typing import Annotated, Any, ClassVar, NamedTuple, NewType

import msgspec
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typing_extensions import NotRequired, TypeAliasType, TypedDict

from aylien_model_serving import ImageFile, MediaFile, Nested, schemas
from aylien_model_serving.codecs.fields import Fields
from aylien_model_serving.errors import FieldMismatch, SchemaMismatch
from aylien_model_serving.handlers.signatures import Signature
from aylien_model_serving.schemas import Schema
from tests.web.requests import route, serve
from tests.with_packages import need


@dataclasses.dataclass
class Iris:
    petal: float
    tags: list[str] = dataclasses.field(default_factory=list)
    checked: bool = False


class Model(pydantic.BaseModel):
    petal: float = pydantic.Field(alias="petalLength")
    tags: list[str] = []


class Record(msgspec.Struct, rename="camel"):
    petal_length: float
    tags: list[str] = []


class Dict(TypedDict):
    petal: float


@dataclasses.dataclass
class Bounded:
    petal: Annotated[float, pydantic.Field(gt=0)]


@dataclasses.dataclass
class Picture:
    image: MediaFile
    others: list[MediaFile] = dataclasses.field(default_factory=list)
    scale: float = 1.0


@dataclasses.dataclass
class Squared:
    kinds: ClassVar[list[str]] = ["iris"]
    petal: float
    factor: dataclasses.InitVar[float] = 1.0
    area: float = dataclasses.field(init=False)

    def __post_init__(self, factor: float) -> None:
        self.area = self.petal**2 * factor


class Listed(TypedDict):
    petal: NotRequired[float]
    tags: NotRequired[list[str]]


class Row(NamedTuple):
    petal: float


class Loose(pydantic.BaseModel, extra="allow"):
    petal: float = 0.0


def schema_of(handler: Callable[..., Any], *path_names: str, **keys: Any) -> Schema:
    return schemas.choose(None, handler, Signature.of(handler), frozenset(path_names), **keys)


def taking(hint: Any, *default: Any, **keys: Any) -> Schema:
    """Return the schema of a handler with one parameter `x`."""

    def handler(x): ...  # type: ignore[no-untyped-def]  # the hint is set below

    handler.__annotations__ = {"x": hint}
    handler.__defaults__ = default or None
    return schema_of(handler, **keys)


def filled(schema: Schema, **fields: Any) -> Any:
    return schema.arguments(Fields(fields), {})["x"]


def read(schema: Schema, **texts: Any) -> Any:
    """Return the value that a query or a form gives."""
    return schema.arguments(Fields(texts, textual=True), {})["x"]


@pytest.mark.parametrize(
    ("hint", "fields", "expected"),
    [
        (Iris, {"petal": 1}, Iris(1.0)),
        (Iris | None, {"petal": 1}, Iris(1.0)),
        (Annotated[Iris, "measured"], {"petal": 1}, Iris(1.0)),
        (Model, {"petalLength": 1}, Model(petalLength=1)),
        (Record, {"petalLength": 1}, Record(1.0)),
        (Dict, {"petal": 1}, {"petal": 1.0}),
        (Bounded, {"petal": 1}, Bounded(1.0)),
        (Iris | Bounded, {"petal": 1, "checked": True}, Iris(1.0, [], True)),
        (Loose, {"x": {"y": 1}}, Loose(x={"y": 1})),
        (NewType("Flower", Iris), {"petal": 1}, Iris(1.0)),
        (TypeAliasType("Flower", Iris), {"petal": 1}, Iris(1.0)),
    ],
)
def test_a_single_structured_parameter_is_the_body(hint: Any, fields: Any, expected: Any) -> None:
    assert filled(taking(hint), **fields) == expected


def test_a_class_of_attrs_is_the_body() -> None:
    need("attrs")
    import attrs

    kind = attrs.make_class("Attrs", {"petal": attrs.field(type=float)})

    assert filled(taking(kind), petal=1) == kind(1.0)


@pytest.mark.parametrize("hint", [dict[str, float], list[Iris], Row, MediaFile, Iris | int, float, Any])
def test_a_parameter_of_any_other_type_is_a_field(hint: Any) -> None:
    assert "x" in taking(hint).describe("").fields["properties"]


@pytest.mark.parametrize(
    ("hint", "fields", "message"),
    [
        (Iris, {}, "Object missing required field `petal`"),
        (Iris, {"petal": "1"}, "petal: Expected `float`, got `str`"),
        (Iris, {"petal": 1, "tags": [1]}, "tags[0]: Expected `str`, got `int`"),
        (Model, {}, "petalLength: Field required"),
        (Bounded, {"petal": 0}, "petal: Input should be greater than 0"),
    ],
)
def test_a_message_names_the_field_as_clients_send_it(hint: Any, fields: Any, message: str) -> None:
    with pytest.raises(SchemaMismatch) as refused:
        filled(taking(hint), **fields)

    assert str(refused.value) == message


def test_fields_within_the_parameters_name_are_refused() -> None:
    with pytest.raises(FieldMismatch, match=r"Unexpected field 'x': .* the fields of x itself, petal"):
        filled(taking(Iris), x={"petal": 1})


def test_several_parameters_are_fields_by_name() -> None:
    def handler(x: Iris, scale: float = 1.0) -> None: ...

    assert schema_of(handler).arguments(Fields({"x": {"petal": 1}}), {}) == {"x": Iris(1.0)}


def test_a_marker_has_a_single_parameter_sent_by_its_name() -> None:
    assert filled(taking(Annotated[Iris, Nested()]), x={"petal": 1}) == Iris(1.0)


def test_further_fields_have_the_parameter_sent_by_its_name() -> None:
    def handler(x: Iris, **rest: Any) -> None: ...

    found = schema_of(handler).arguments(Fields({"x": {"petal": 1}, "y": 2}), {})

    assert found == {"x": Iris(1.0), "y": 2}


def test_values_of_the_path_are_parameters_beside_the_body() -> None:
    def handler(petal: str, x: Iris) -> None: ...

    found = schema_of(handler, "petal").arguments(Fields({"petal": 1}), {"petal": "long"})

    assert found == {"petal": "long", "x": Iris(1.0)}


def test_a_call_of_a_batch_has_the_fields_of_one_item() -> None:
    assert filled(taking(list[Iris], batched=True), petal=1) == Iris(1.0)


def test_without_fields_a_default_is_left_to_the_handler() -> None:
    schema = taking(Iris | None, None)

    assert schema.arguments(Fields({}), {}) == {}
    assert filled(schema, petal=1) == Iris(1.0)


def test_without_fields_what_may_be_null_is_none() -> None:
    assert filled(taking(Iris | None)) is None


@pytest.mark.parametrize(("hint", "name"), [(Iris, "petal"), (Model, "petalLength"), (Record, "petalLength")])
def test_texts_of_a_form_are_read_as_the_fields_types_say(hint: Any, name: str) -> None:
    value = read(taking(hint), **{name: "1.5", "tags": "one"})

    assert value == filled(taking(hint), **{name: 1.5, "tags": ["one"]})


def test_a_form_has_checkboxes_and_empty_fields() -> None:
    assert read(taking(Iris), petal="1", checked="on", tags=["a", "b"]) == Iris(1.0, ["a", "b"], True)
    with pytest.raises(SchemaMismatch, match="Object missing required field `petal`"):
        read(taking(Iris), petal="")


def test_only_what_a_client_sends_is_a_field() -> None:
    assert read(taking(Squared), petal="2", factor="3").area == 12
    assert read(taking(Listed), petal="", tags="one") == {"tags": ["one"]}
    with pytest.raises(FieldMismatch, match=r"the fields of x itself, petal, factor$"):
        filled(taking(Squared), x={})


def test_a_number_of_a_form_has_to_be_finite() -> None:
    for hint in (Iris, Dict, Bounded):
        with pytest.raises(SchemaMismatch, match=r"petal: .*finite number"):
            read(taking(hint), petal="inf")


def test_files_of_a_form_fill_fields() -> None:
    def handler(x: Picture) -> list[Any]:
        return [x.image.file_name, [other.content.decode() for other in x.others], x.scale]

    client: Any = serve(route(handler))
    form = {
        "image": (io.BytesIO(b"a"), "a.bin"),
        "others": [(io.BytesIO(b"b"), "b"), (io.BytesIO(b"c"), "c")],
        "scale": "2",
    }

    assert client.post("/p", data=form).json == ["a.bin", ["b", "c"], 2.0]


def test_a_file_is_called_as_clients_call_its_field() -> None:
    @dataclasses.dataclass
    class Shot:
        image: ImageFile

    shot = taking(Shot)

    with pytest.raises(Exception, match=r"^image: "):
        filled(shot, image={"content": "YQ=="}).image.to_np_array()


def test_a_route_whose_fields_are_data_takes_large_bodies() -> None:
    assert taking(Picture).takes_data
    assert not taking(Iris).takes_data


def test_equal_bodies_have_one_cached_answer() -> None:
    calls: list[Model] = []

    def handler(x: Model) -> float:
        calls.append(x)
        return x.petal

    client: Any = serve(route(handler, cache=True))
    bodies = ({"petalLength": 1, "tags": []}, {"tags": [], "petalLength": 1.0})
    answers = [client.post("/p", json=body) for body in bodies]

    assert [answer.json for answer in answers] == [1.0, 1.0]
    assert len(calls) == 1


_values = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.just([])
_bodies = st.dictionaries(
    st.sampled_from(["petal", "petalLength", "tags", "checked", "other"]),
    _values | st.lists(st.text(max_size=3), max_size=3),
)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([Iris, Model, Record, Dict, Bounded, Iris | None]), _bodies)
def test_a_body_is_taken_exactly_where_it_is_within_the_name(hint: Any, body: dict[str, Any]) -> None:
    if not body:
        return  # the only one that may be a default
    whole, named = taking(hint), taking(Annotated[hint, Nested()])
    try:
        expected = filled(named, x=body)
    except SchemaMismatch:
        with pytest.raises(SchemaMismatch):
            filled(whole, **body)
    else:
        assert filled(whole, **body) == expected
