"""A marker that nobody would look at stops the start: its parameter would be a field that any client sets."""

# the calls are what is written
from __future__ import annotations

import dataclasses
from typing import Annotated, Any

import pydantic
import pytest

from aylien_model_serving import Body, Cookie, FlaskAppWrapper, Header, Nested
from aylien_model_serving.errors import ConfigurationError


class Model(pydantic.BaseModel):
    tenant: Annotated[str, Header("X-Tenant")]


@dataclasses.dataclass
class Fields:
    tenant: Annotated[str, Header("X-Tenant")]


def default(text: str, tenant: str = Header("X-Tenant")) -> None: ...  # type: ignore[assignment]
def default_class(text: str, tenant: str = Cookie) -> None: ...  # type: ignore[assignment]
def body(text: int = Body()) -> None: ...  # type: ignore[assignment]
def kind(text: str, tenant: Annotated[str, Header]) -> None: ...
def optional_kind(text: str, tenant: Annotated[str, Cookie] | None = None) -> None: ...
def two(text: Annotated[str, Header(), Cookie()]) -> None: ...
def body_and_header(text: Annotated[str, Body(), Header()]) -> None: ...
def body_by_name(text: Annotated[Model, Body(), Nested()]) -> None: ...
def item(tenants: list[Annotated[str, Header()]]) -> None: ...
def of_model(model: Model) -> None: ...
def of_fields(fields: list[Fields]) -> None: ...
def result(text: str) -> Annotated[str, Header()]: ...  # type: ignore[empty-body]


@pytest.mark.parametrize(
    ("handler", "message"),
    [
        (default, r"parameter 'tenant' has Header as its default: .*Annotated\[str, Header\(\)\]"),
        (default_class, "parameter 'tenant' has Cookie as its default"),
        (body, "parameter 'text' has Body as its default"),
        (kind, r"parameter 'tenant' has the class Header: write Header\(\)"),
        (optional_kind, "parameter 'tenant' has the class Cookie"),
        (two, "parameter 'text' is marked by Header and Cookie: leave one of them out"),
        (body_and_header, "parameter 'text' is marked by Body and Header"),
        (body_by_name, "parameter 'text' is marked by Body and Nested"),
        (item, "parameter 'tenants' has Header where nobody looks at it"),
        (of_model, "parameter 'model' has Header where nobody looks at it"),
        (of_fields, "parameter 'fields' has Header where nobody looks at it"),
        (result, "the result has Header where nobody looks at it"),
    ],
)
def test_a_marker_that_nobody_looks_at_stops_the_start(handler: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        FlaskAppWrapper.create_app([{"endpoint": "/p", "callable": handler}])


def whole(text: Annotated[list[int], Body()]) -> None: ...
def optional(text: str, tenant: Annotated[str, Header()] | None = None) -> None: ...
def inside(text: str, tenant: Annotated[str | None, Header()] = None) -> None: ...


@pytest.mark.parametrize("handler", [whole, optional, inside])
def test_a_marker_of_a_parameter_passes(handler: Any) -> None:
    FlaskAppWrapper.create_app([{"endpoint": "/p", "callable": handler}])


@pytest.mark.parametrize("hint", [list[Annotated[str, Header()]], Annotated[list[str], Header()]])
def test_the_items_of_a_batch_may_be_marked(hint: Any) -> None:
    def greet(text: list[str], tenant: list[str]) -> list[str]:
        return tenant

    greet.__annotations__["tenant"] = hint

    FlaskAppWrapper.create_app([{"endpoint": "/p", "callable": greet, "batch": True}])
