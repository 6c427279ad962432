"""Long lists and objects, checked piece by piece: the same arguments, or the same refusal, as at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
import pytest

from aylien_model_serving import schemas
from aylien_model_serving.codecs.fields import Fields
from aylien_model_serving.errors import SchemaMismatch
from aylien_model_serving.handlers.signatures import Signature
from aylien_model_serving.schemas import Schema
from aylien_model_serving.schemas.long_fields import AT_ONCE

LENGTH = 3 * AT_ONCE + 1


@dataclass
class Point:
    x: float


def schema_of(hint: Any) -> Schema:
    def handler(rows: Any, name: str = "") -> None: ...

    handler.__annotations__ = {"rows": hint, "name": str}
    return schemas.choose(None, handler, Signature.of(handler))


def outcome(check: Callable[..., dict[str, Any]], values: dict[str, Any], path: dict[str, Any]) -> Any:
    try:
        return check(Fields(values), path)
    except SchemaMismatch as error:
        return str(error)


def fitting(hint: Any, value: Any) -> Any:
    """Return the arguments that a large body of one field makes, and what they have to be."""
    schema = schema_of(hint)
    return outcome(schema.large_arguments, {"rows": value}, {}), outcome(
        schema.arguments, {"rows": value}, {}
    )


CASES = {
    "numbers": (list[int], [1] * LENGTH),
    "numbers of another type": (list[float], [1] * LENGTH),
    "rows": (list[list[float]], [[1, 2.5]] * LENGTH),
    "objects": (list[Point], [{"x": 1}] * LENGTH),
    "keys": (dict[str, int], {str(number): number for number in range(LENGTH)}),
    "a set": (set[int], [1] * LENGTH),
    "a short list": (list[int], [1, 2]),
    "a length that is limited": (Annotated[list[int], msgspec.Meta(max_length=LENGTH)], [1] * LENGTH),
    "a length that is exceeded": (Annotated[list[int], msgspec.Meta(max_length=3)], [1] * LENGTH),
    "an object for a list": (list[int], {str(number): number for number in range(LENGTH)}),
    "a last item that does not fit": (list[int], [*[1] * LENGTH, "a"]),
    "a deep item that does not fit": (list[list[float]], [*[[1]] * LENGTH, [1, "a"]]),
    "a value that does not fit": (dict[str, int], {**{str(n): n for n in range(LENGTH)}, "last": "a"}),
    "a deep key that does not fit": (list[dict[Literal[1, 2], int]], [*[{"1": 1}] * LENGTH, {"3": 1}]),
    "a key that is no number": (dict[int, int], {f"{n}a": n for n in range(LENGTH)}),
}


@pytest.mark.parametrize("name", CASES)
def test_pieces_make_the_arguments_of_the_whole(name: str) -> None:
    in_pieces, at_once = fitting(*CASES[name])

    assert in_pieces == at_once


def test_what_is_wrong_elsewhere_is_found_too() -> None:
    schema = schema_of(list[int])
    values = {"rows": [1] * LENGTH, "name": 5}

    assert outcome(schema.large_arguments, values, {}) == outcome(schema.arguments, values, {})


def test_the_path_has_its_say() -> None:
    found = schema_of(list[int]).large_arguments(Fields({"rows": [1] * LENGTH}), {"name": "a"})

    assert found == {"rows": [1] * LENGTH, "name": "a"}
