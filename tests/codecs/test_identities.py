"""What identifies a value in a cache's key: all that a handler may tell two values by."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pydantic
import pytest
from google.protobuf import struct_pb2, wrappers_pb2
from werkzeug.test import TestResponse

from aylien_model_serving import FlaskAppWrapper
from aylien_model_serving.codecs import json_keys, npy
from tests.with_packages import need


class Login(pydantic.BaseModel):
    user: pydantic.SecretStr
    site: pydantic.HttpUrl | None = None
    level: int = pydantic.Field(0, exclude=True)


class Other(pydantic.BaseModel):
    user: pydantic.SecretStr


ALICE = Login(user="alice")

PAIRS: list[tuple[Any, Any]] = [
    (np.zeros(2, "f4"), np.zeros(2, "f8")),
    (np.zeros((0, 3)), np.zeros(0)),
    (np.zeros(1, ">i4"), np.zeros(1, "M8[s]")),
    (np.array([1 + 2j]), np.array([1 + 3j])),
    (np.array(["a", None]), np.array(["b", None])),
    (np.float32(1), np.float64(1)),
    (np.zeros(2), [0.0, 0.0]),
    (ALICE, Login(user="bob")),
    (ALICE, Login(user="alice", level=1)),
    (ALICE, Login(user="alice", level=0)),
    (ALICE, Login(user="alice", site="http://a.example")),
    (ALICE, Other(user="alice")),
    (pydantic.SecretBytes(b"a"), pydantic.SecretBytes(b"b")),
    (wrappers_pb2.StringValue(value="a"), wrappers_pb2.BytesValue(value=b"a")),
    (struct_pb2.Value(null_value=0), struct_pb2.Value()),
]


@pytest.mark.parametrize(("one", "other"), PAIRS, ids=range(len(PAIRS)))
def test_values_that_a_handler_can_tell_apart_have_different_keys(one: Any, other: Any) -> None:
    assert key(one) == key(one)
    assert key(one) != key(other)


def test_frames_are_told_apart_by_types_names_and_index() -> None:
    need("pandas")
    import pandas as pd

    column = pd.DataFrame({"a": [1]})
    others = [
        pd.DataFrame({"a": [1.0]}),
        pd.DataFrame({"b": [1]}),
        pd.DataFrame({"a": [1]}, index=["x"]),
        pd.DataFrame({"a": pd.Categorical([1], [1, 2])}),
        pd.Series([1], name="a"),
    ]

    assert key(column) == key(pd.DataFrame({"a": [1]}))
    assert len({key(value) for value in (column, *others)}) == len(others) + 1
    assert key(column[:0]) != key(others[1][:0])
    late, later = (pd.Series([year], dtype="M8[s]") for year in (2**60, 2**61))
    assert key(late) != key(later)


def test_frames_of_polars_are_told_apart_by_types_and_names() -> None:
    need("polars")
    import polars as pl

    frames = [
        pl.DataFrame({"a": [1]}),
        pl.DataFrame({"a": [1.0]}),
        pl.DataFrame({"b": [1]}),
        pl.Series("a", [1]),
    ]

    assert len({key(value) for frame in frames for value in (frame, frame[:0])}) == 2 * len(frames)


def test_tensors_are_told_apart_by_dtype_and_shape() -> None:
    need("torch")
    import torch

    kinds = (torch.float32, torch.float64, torch.bfloat16, torch.bool, torch.complex64)
    tensors = [torch.zeros(size, dtype=kind) for kind in kinds for size in ((), (0,), (0, 2), (2,))]

    assert len({key(tensor) for tensor in tensors}) == len(tensors)
    assert key(torch.zeros(2).to_sparse()) == key(torch.zeros(2).to_sparse())


def test_cached_answers_are_no_other_clients() -> None:
    def greet(login: Login) -> str:
        return login.user.get_secret_value()

    def kind(x: np.ndarray) -> str:
        return f"{x.dtype} {x.shape}"

    def swapped(pairs: dict[int, int], /) -> dict[int, int]:
        return {value: key for key, value in pairs.items()}

    routes = [
        {"endpoint": f"/{each.__name__}", "callable": each, "cache": True} for each in (greet, kind, swapped)
    ]
    client = FlaskAppWrapper.create_app(routes).test_client()

    def array(given: Any) -> TestResponse:
        written = io.BytesIO()
        np.save(written, given)
        return client.post("/kind", data=written.getvalue(), headers={"Content-Type": npy.MEDIA_TYPE})

    assert [client.post("/greet", json={"user": user}).json for user in ("alice", "bob")] == ["alice", "bob"]
    assert [array(np.zeros(1, dtype)).json for dtype in ("f4", "c8")] == ["float32 (1,)", "complex64 (1,)"]
    assert [client.post("/swapped", json={"1": n}).json for n in (2, 3)] == [{"2": 1}, {"3": 1}]
    assert client.post("/swapped", json={"1": 2}).headers["X-Cache"] == "hit"


def key(value: Any) -> bytes:
    return json_keys.encode_canonical({"x": value})
