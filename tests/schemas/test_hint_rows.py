"""Each type hint is checked, and described as it is checked; what can't be checked stops the start."""

import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
import pydantic
import pytest

from aylien_model_serving.errors import ConfigurationError, SchemaMismatch
from tests.schemas.hint_rows import GUIDE, ROWS, Made, Rights, Row, table_of_hints
from tests.schemas.test_hints import Unknown, given, taking

#: Those that need no package which few have.
OWN_ROWS = [row for row in ROWS if not isinstance(row.arrives, Made)]


@pytest.mark.parametrize("row", OWN_ROWS, ids=lambda row: row.hint)
def test_a_value_that_fits_arrives_as_the_hint_says(row: Row) -> None:
    arrived = given(taking(row.type), row.sent)

    assert np.array_equal(arrived, row.arrives) if isinstance(arrived, np.ndarray) else arrived == row.arrives
    assert type(arrived) is type(row.arrives)
    assert getattr(arrived, "dtype", None) == getattr(row.arrives, "dtype", None)


@pytest.mark.parametrize("row", [row for row in OWN_ROWS if row.refused is not ...], ids=lambda row: row.hint)
def test_a_value_that_does_not_fit_is_refused_by_the_fields_name(row: Row) -> None:
    with pytest.raises(SchemaMismatch, match=r"^x\b"):
        given(taking(row.type), row.refused)


@pytest.mark.skipif(
    (3, 11) <= sys.version_info < (3, 11, 4), reason="flags of this Python drop the bits that they don't know"
)
def test_a_bit_that_a_flag_does_not_know_is_refused() -> None:
    with pytest.raises(SchemaMismatch, match=r"^x\b"):
        given(taking(Rights), 4)


@pytest.mark.parametrize("row", OWN_ROWS, ids=lambda row: row.hint)
def test_the_description_says_what_is_checked(row: Row) -> None:
    described = taking(row.type).describe("").fields["properties"]["x"]

    assert described.items() >= row.schema.items()


@pytest.mark.parametrize(
    ("hint", "text", "expected"),
    [
        ("pydantic.PositiveInt", "3", 3),
        ("deque[int]", "3", [3]),
        ("deque[int]", ["3", "4"], [3, 4]),
        ("Sequence[int]", "3", [3]),
        ("pydantic.conlist(int)", "3", [3]),
        ("Annotated[bool, at.Predicate(bool)]", "true", True),
        ("Annotated[list[float], at.Len(1)]", "1.5", [1.5]),
    ],
)
def test_text_of_a_query_is_read_as_the_hint_says(hint: str, text: Any, expected: Any) -> None:
    arrived = given(taking(Row(hint, text, None, None, {}).type), text, textual=True)

    assert (list(arrived) if isinstance(expected, list) else arrived) == expected


@pytest.mark.parametrize("text", ["many", "nan", "6"])
def test_text_of_a_query_that_does_not_fit_is_refused(text: str) -> None:
    with pytest.raises(SchemaMismatch, match=r"^x: "):
        given(taking(Row("Annotated[float, at.Le(5)]", text, None, None, {}).type), text, textual=True)


def test_the_guide_has_the_table_of_these_hints() -> None:
    assert table_of_hints() in GUIDE.read_text(), "write it anew: python -m tests.schemas.hint_rows"


@dataclass
class Later:
    items: Iterator[int]


@dataclass
class Filed:
    path: Path


@pytest.mark.parametrize(
    ("hint", "reason"),
    [
        (Unknown, "nobody knows how to check .*Unknown.*write a dataclass"),
        (Unknown | None, "nobody knows how to check"),
        (list[Unknown], "nobody knows how to check"),
        (range, "nobody knows how to check"),
        (Callable[[int], int], "can't send a function"),
        (type[int], "can't send a class"),
        (Iterator[int], r"write list\[...\]"),
        (AsyncIterator[int], r"write list\[...\]"),
        (Later, r"write list\[...\]"),
        (Filed, "write MediaFile"),
        (pydantic.FilePath, "write Path"),
        (list[pydantic.DirectoryPath], "write Path"),
        (pydantic.ImportString, "must not choose what is imported"),
        (Annotated[pydantic.PositiveInt, msgspec.Meta(le=5)], "write pydantic.Field"),
    ],
    ids=str,
)
def test_a_hint_that_cant_be_checked_stops_the_start(hint: Any, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"parameter 'x' can't be checked by .*: .*{reason}"):
        taking(hint)
