"""Frames and series of pandas and polars: `pip install --requirement requirements-frames.txt`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Annotated, Any

import numpy as np
import pytest

from aylien_model_serving import Shape
from aylien_model_serving.codecs import JSON, json
from aylien_model_serving.errors import ConfigurationError, HandlerFailed, InvalidAnswer, SchemaMismatch
from aylien_model_serving.executors.batches import items
from tests.schemas.test_hints import given, schema_of, taking
from tests.with_frames import need_frames


@pytest.fixture(scope="module", params=["pandas", "polars"])
def library(request: pytest.FixtureRequest) -> Any:
    need_frames()
    return pytest.importorskip(request.param)


@pytest.fixture(scope="module")
def pandas() -> Iterator[Any]:
    need_frames()
    return pytest.importorskip("pandas")


ROWS = [{"a": 1, "b": "x"}, {"a": 2, "b": None}]


@pytest.mark.parametrize(
    "sent",
    [
        ROWS,
        {"a": [1, 2], "b": ["x", None]},
        {"columns": ["a", "b"], "data": [[1, "x"], [2, None]]},
    ],
    ids=["rows", "columns", "split"],
)
def test_every_form_becomes_the_same_frame(library: Any, sent: Any) -> None:
    frame = given(taking(library.DataFrame), sent)

    assert type(frame) is library.DataFrame
    assert list(frame.columns) == ["a", "b"]
    assert json.decoded(JSON.encode(frame)) == ROWS


@pytest.mark.parametrize(
    ("sent", "problem"),
    [
        (3, "Expected a frame"),
        (None, "Expected a frame"),
        ("a", "Expected a frame"),
        ([1], "Expected a frame"),
        ({"a": 1}, "Expected a frame"),
        ([{"a": 1}, {"b": 1}], "those of row 1 are not those of row 0"),
        ([{"a": 1}, {}], "those of row 1 are not those of row 0"),
        ({"a": [1], "b": []}, "columns of one length"),
        ({"a": [1, "x"]}, "all of one type"),
        ({"a": [1, True]}, "all of one type"),
        ({"a": [[1]]}, "numbers, texts, booleans and nulls"),
        ({"a": [{}]}, "numbers, texts, booleans and nulls"),
        ({"a": [2**63]}, "64 bits"),
        ({"columns": ["a"], "data": [[1, 2]]}, "rows of 1 values"),
        ({"columns": ["a", "a"], "data": []}, "each column once"),
        ({"columns": [1], "data": []}, "columns as texts"),
        ({"columns": ["a"], "data": [[1]], "index": [1, 2]}, "one value for each row"),
    ],
    ids=repr,
)
def test_what_is_no_frame_is_refused(library: Any, sent: Any, problem: str) -> None:
    with pytest.raises(SchemaMismatch, match=f"^x: .*{problem}"):
        given(taking(library.DataFrame), sent)


def test_columns_may_have_the_names_of_the_split_form(library: Any) -> None:
    frame = given(taking(library.DataFrame), {"columns": ["a"], "data": [1]})

    assert list(frame.columns) == ["columns", "data"]


@pytest.mark.parametrize("sent", [[], {}, {"columns": ["a"], "data": []}, {"a": []}], ids=repr)
def test_a_frame_may_be_empty(library: Any, sent: Any) -> None:
    frame = given(taking(library.DataFrame), sent)

    assert len(frame) == 0
    assert JSON.encode(frame) == b"[]"


def test_an_index_is_that_of_pandas_alone(library: Any) -> None:
    sent = {"columns": ["a"], "data": [[1]], "index": ["first"]}

    if library.__name__ == "pandas":
        assert list(given(taking(library.DataFrame), sent).index) == ["first"]
    else:
        with pytest.raises(SchemaMismatch, match="no index"):
            given(taking(library.DataFrame), sent)


@pytest.mark.parametrize("sent", [[1, 2.5, None], ["a", None], [True, False], []], ids=repr)
def test_a_list_becomes_a_series_and_is_answered_as_one(library: Any, sent: Any) -> None:
    series = given(taking(library.Series), sent)

    assert type(series) is library.Series
    assert json.decoded(JSON.encode(series)) == sent


@pytest.mark.parametrize("sent", [3, {"a": [1]}, [1, "a"], [[1]], None], ids=repr)
def test_what_is_no_series_is_refused(library: Any, sent: Any) -> None:
    with pytest.raises(SchemaMismatch, match=r"^x: Expected a list of numbers"):
        given(taking(library.Series), sent)


def test_frames_stand_beside_null_and_in_lists(library: Any) -> None:
    assert given(taking(library.DataFrame | None), None) is None
    assert [len(each) for each in given(taking(list[library.DataFrame]), [ROWS, []])] == [2, 0]


WHEN = dt.datetime(2020, 1, 2, 3, 4, 5)


def test_values_of_frames_are_answered_as_json_has_them(library: Any) -> None:
    frame = library.DataFrame(
        {
            "float": [1.5, float("nan")],
            "when": [WHEN, None],
            "long": [dt.timedelta(seconds=90), None],
            "lists": [[1], [2, 3]],
            "day": [dt.date(2020, 1, 2), None],
        }
    )

    assert json.decoded(JSON.encode({"frame": frame}))["frame"] == [
        {"float": 1.5, "when": "2020-01-02T03:04:05", "long": "PT90S", "lists": [1], "day": "2020-01-02"},
        {"float": None, "when": None, "long": None, "lists": [2, 3], "day": None},
    ]


def test_categories_are_answered_as_their_values(library: Any) -> None:
    dtype = "category" if library.__name__ == "pandas" else library.Categorical
    frame = library.DataFrame({"a": library.Series(["x", "y", None], dtype=dtype)})

    assert JSON.encode(frame) == b'[{"a":"x"},{"a":"y"},{"a":null}]'


def test_pandas_own_types_are_answered_as_json_has_them(pandas: Any) -> None:
    frame = pandas.DataFrame(
        {
            "int": pandas.array([1, None], dtype="Int64"),
            "zone": pandas.to_datetime(["2020-01-02", None]).tz_localize("UTC"),
            "period": pandas.PeriodIndex(["2020-01", "2020-02"], freq="M"),
            "array": [np.array([1]), np.array([2])],
            3: [True, False],
        },
        index=["first", "second"],
    )

    assert json.decoded(JSON.encode(frame)) == [
        {"int": 1, "zone": "2020-01-02T00:00:00Z", "period": "2020-01", "array": [1], "3": True},
        {"int": None, "zone": None, "period": "2020-02", "array": [2], "3": False},
    ]


def test_columns_that_json_can_not_tell_apart_are_an_invalid_answer(pandas: Any) -> None:
    with pytest.raises(InvalidAnswer, match="two columns of the name 'a'"):
        JSON.encode(pandas.DataFrame([[1, 2]], columns=["a", "a"]))
    with pytest.raises(InvalidAnswer, match="several levels"):
        JSON.encode(pandas.DataFrame([[1]], columns=[["a"], ["b"]]))


def test_a_frame_is_described_in_both_directions(library: Any) -> None:
    def handler(x: Any) -> None: ...

    handler.__annotations__ |= {"x": library.DataFrame, "return": library.DataFrame}
    described = schema_of(handler).describe("")

    rows, columns = described.fields["properties"]["x"]["anyOf"]
    assert (rows["type"], columns["type"]) == ("array", "object")
    assert described.result == {"type": "array", "items": {"type": "object"}}
    assert taking(library.Series).describe("").fields["properties"]["x"]["type"] == "array"


def test_a_frame_is_no_list_of_the_results_of_a_batch(library: Any) -> None:
    with pytest.raises(HandlerFailed, match="it returned a DataFrame"):
        items(library.DataFrame({"a": [1], "b": [2]}), 1)
    assert items(library.Series([1, 2]), 2) == [1, 2]


def test_a_shape_is_none_of_a_frame(library: Any) -> None:
    with pytest.raises(ConfigurationError, match="not of a frame"):
        taking(Annotated[library.DataFrame, Shape(1)])
