"""Tensors of torch as parameters and results: `pip install --requirement requirements-torch.txt`."""

from __future__ import annotations

from typing import Annotated, Any

import pytest

from aylien_model_serving import DType, Shape
from aylien_model_serving.codecs import JSON
from aylien_model_serving.errors import ConfigurationError, InvalidAnswer, SchemaMismatch
from aylien_model_serving.handlers.signatures import Signature
from aylien_model_serving.schemas import opened_for
from aylien_model_serving.schemas.hints import TypeHintsSchema
from tests.schemas.test_hints import given, schema_of, taking
from tests.with_torch import import_torch


@pytest.fixture(scope="module")
def torch() -> Any:
    return import_torch()


@pytest.mark.parametrize(
    ("sent", "dtype"),
    [([[1.5, 2]], "float32"), ([1, 2], "int64"), ([True], "bool"), ([], "float32"), (3, "int64")],
)
def test_numbers_become_a_tensor(torch: Any, sent: Any, dtype: str) -> None:
    found = given(taking(torch.Tensor), sent)

    assert found.dtype is getattr(torch, dtype)
    assert (found.device.type, found.tolist(), found.requires_grad) == ("cpu", sent, False)
    found.zero_()  # it is the handler's own


@pytest.mark.parametrize("sent", ["abc", ["1"], [None], None, [[1], [1, 2]], {"a": 1}])
def test_what_is_no_numbers_is_no_tensor(torch: Any, sent: Any) -> None:
    with pytest.raises(SchemaMismatch, match=r"^x: "):
        given(taking(torch.Tensor), sent)


@pytest.mark.parametrize("name", ["float32", "float64", "float16", "bfloat16", "int8", "int64", "bool"])
def test_a_tensor_is_of_the_dtype_that_is_said(torch: Any, name: str) -> None:
    found = given(taking(Annotated[torch.Tensor, DType(name), Shape(2)]), [True, False])

    assert found.dtype is getattr(torch, name)


def test_a_tensor_has_the_shape_that_is_said(torch: Any) -> None:
    schema = taking(Annotated[torch.Tensor, Shape(None, 2)])

    assert given(schema, [[1, 2]]).shape == (1, 2)
    with pytest.raises(SchemaMismatch, match=r"^x: Expected an array of shape \(any, 2\), got \(2\)"):
        given(schema, [1, 2])
    with pytest.raises(SchemaMismatch, match="integers"):
        given(taking(Annotated[torch.Tensor, DType("int64")]), [1.5])


def test_text_of_a_query_stands_for_numbers(torch: Any) -> None:
    assert given(taking(torch.Tensor), ["1.5", "2"], textual=True).tolist() == [1.5, 2]


def test_a_tensor_may_be_left_out_and_stand_in_lists(torch: Any) -> None:
    assert given(taking(torch.Tensor | None), None) is None
    assert [each.tolist() for each in given(taking(list[torch.Tensor]), [[1], [2]])] == [[1], [2]]


def test_each_call_of_a_batched_handler_has_a_tensor_of_its_own(torch: Any) -> None:
    def handler(x: Any) -> None: ...

    handler.__annotations__["x"] = list[torch.Tensor]
    schema = TypeHintsSchema(handler, Signature.of(handler), batched=True)

    assert given(schema, [[1, 2]]).shape == (1, 2)


def test_the_description_has_the_shape(torch: Any) -> None:
    schema = taking(Annotated[torch.Tensor, Shape(None, 2), DType("int8")])

    assert schema.describe("").fields["properties"]["x"] == {
        "type": "array",
        "items": {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2},
    }


def test_tensors_are_put_on_the_device_where_the_handler_runs(torch: Any) -> None:
    def handler(x: Any, y: Any, z: int) -> list[str]:
        return [x.device.type, y[0].device.type, str(z)]

    handler.__annotations__ |= {"x": torch.Tensor, "y": list[torch.Tensor]}
    x = torch.ones(2)

    assert opened_for(handler, "meta")(x=x, y=[x], z=3) == ["meta", "meta", "3"]
    assert opened_for(handler) is handler


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda torch: torch.ones(1, 2, dtype=torch.float64), "items of type float32, got float64"),
        (lambda torch: torch.ones(2), r"a tensor of shape \(any, 2\), got \(2\)"),
        (lambda torch: [[1, 2]], "a tensor, got a list"),
    ],
    ids=["dtype", "shape", "list"],
)
def test_a_result_of_another_kind_does_not_fit(torch: Any, make: Any, problem: str) -> None:
    def handler() -> None: ...

    handler.__annotations__["return"] = Annotated[torch.Tensor, Shape(None, 2), DType("float32")]
    schema = schema_of(handler)
    fitting = torch.ones(3, 2, requires_grad=True)

    assert schema.check_result(fitting) is fitting
    with pytest.raises(InvalidAnswer, match=f"does not fit Annotated.*: expected {problem}"):
        schema.check_result(make(torch))


def test_a_sparse_tensor_is_written_as_the_dense_one(torch: Any) -> None:
    assert JSON.encode(torch.tensor([0.0, 2.0]).to_sparse()) == b"[0.0,2.0]"


def test_a_tensor_without_data_is_an_invalid_answer(torch: Any) -> None:
    with pytest.raises(InvalidAnswer, match="can't be written as JSON"):
        JSON.encode(torch.zeros(2, device="meta"))


@pytest.mark.parametrize("name", ["float33", "Tensor", "complex64", "qint8"])
def test_a_dtype_that_no_number_of_json_has_stops_the_start(torch: Any, name: str) -> None:
    with pytest.raises(ConfigurationError, match=r"parameter 'x': .*write one such as 'float32'"):
        taking(Annotated[torch.Tensor, DType(name)])
