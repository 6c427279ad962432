"""Infer requests of routes of every kind, answered within this process."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from typing import Annotated, Any, TypedDict

import numpy as np
import pydantic
import pytest
from numpy.typing import NDArray

from aylien_model_serving import DType, Header, Shape
from aylien_model_serving.app_factory import FlaskAppWrapper
from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.open_inference import datatypes, messages
from aylien_model_serving.open_inference.answering import GRPC_TYPE
from aylien_model_serving.web.app import ServingFlask
from tests.with_torch import import_torch

Tensor = dict[str, Any]


def tensor(name: str, datatype: str, shape: list[int], data: Any) -> Tensor:
    return {"name": name, "datatype": datatype, "shape": shape, "data": data}


def app_of(handler: Callable[..., Any], **keys: Any) -> ServingFlask:
    route = {"endpoint": "/model", "callable": handler, "name": "model", "oip": True, **keys}
    return FlaskAppWrapper.create_app([route])


def infer(app: ServingFlask, *inputs: Tensor, **others: Any) -> dict[str, Any]:
    response = app.test_client().post("/v2/models/model/infer", json={"inputs": inputs, **others})
    found: dict[str, Any] = response.get_json()
    return found


def outputs(app: ServingFlask, *inputs: Tensor, **others: Any) -> list[Tensor]:
    found = infer(app, *inputs, **others)
    assert "outputs" in found, found
    listed: list[Tensor] = found["outputs"]
    return listed


def inputs_of(handler: Callable[..., Any], **keys: Any) -> list[tuple[str, str, list[int]]]:
    shown = app_of(handler, **keys).test_client().get("/v2/models/model").get_json()
    return [tuple(each.values()) for each in shown["inputs"]]


@dataclasses.dataclass
class Point:
    x: float
    tags: list[str]


class Person(pydantic.BaseModel):
    name: str
    age: int | None = None


class Pair(TypedDict):
    first: int
    second: list[float]


def echo(**fields: Any) -> dict[str, Any]:
    return fields


def test_numbers_and_texts_have_one_element() -> None:
    def handler(text: str, count: int, part: float, sure: bool, other: str = "none") -> dict[str, Any]:
        return {"text": text, "count": count, "part": part, "sure": sure, "other": other}

    found = outputs(
        app_of(handler),
        tensor("text", "BYTES", [1], ["ä"]),
        tensor("count", "INT32", [], [3]),
        tensor("part", "FP32", [1, 1], [[0.5]]),
        tensor("sure", "BOOL", [1], [True]),
    )

    assert found == [
        tensor("text", "BYTES", [1], ["ä"]),
        tensor("count", "INT64", [1], [3]),
        tensor("part", "FP64", [1], [0.5]),
        tensor("sure", "BOOL", [1], [True]),
        tensor("other", "BYTES", [1], ["none"]),
    ]
    assert inputs_of(handler) == [
        ("text", "BYTES", [1]),
        ("count", "INT64", [1]),
        ("part", "FP64", [1]),
        ("sure", "BOOL", [1]),
        ("other", "BYTES", [1]),
    ]


def test_lists_have_their_shape() -> None:
    def handler(rows: list[list[int]], names: list[str]) -> Pair:
        return {"first": len(names), "second": [float(sum(row)) for row in rows]}

    found = outputs(
        app_of(handler),
        tensor("rows", "INT64", [2, 3], [1, 2, 3, 4, 5, 6]),
        tensor("names", "BYTES", [0], []),
    )

    assert found == [tensor("first", "INT64", [1], [0]), tensor("second", "FP64", [2], [6.0, 15.0])]
    assert inputs_of(handler) == [("rows", "INT64", [-1, -1]), ("names", "BYTES", [-1])]


def test_arrays_have_their_shape_and_dtype() -> None:
    torch = import_torch()

    def handler(x: Any, y: Any) -> Any:
        assert x.flags.writeable
        return {"x": x * 2, "y": y.to(torch.bfloat16)}

    handler.__annotations__ = {
        "x": Annotated[NDArray[np.float32], Shape(None, 2)],
        "y": torch.Tensor,
        "return": dict[str, NDArray[np.float32] | torch.Tensor],
    }

    found = outputs(
        app_of(handler), tensor("x", "FP32", [1, 2], [1, 2]), tensor("y", "FP64", [2], [1.5, 2.5])
    )

    assert found == [tensor("x", "FP32", [1, 2], [2.0, 4.0]), tensor("y", "BF16", [2], [1.5, 2.5])]
    assert inputs_of(handler) == [("x", "FP32", [-1, 2]), ("y", "FP64", [-1])]


def test_an_array_of_another_shape_is_refused_as_in_json() -> None:
    def handler(x: Annotated[np.ndarray, Shape(2), DType("float32")]) -> float:
        return float(x.sum())

    found = infer(app_of(handler), tensor("x", "FP32", [3], [1, 2, 3]))

    assert found["error"] == "x: Expected an array of shape (2), got (3)"


def test_a_single_structured_parameter_is_filled_from_the_inputs() -> None:
    def of_dataclass(point: Point) -> Point:
        return Point(point.x + 1, point.tags[::-1])

    def of_model(person: Person) -> Person:
        return Person(name=person.name.title(), age=person.age)

    assert outputs(
        app_of(of_dataclass), tensor("x", "FP64", [1], [1.0]), tensor("tags", "BYTES", [2], ["a", "b"])
    ) == [tensor("x", "FP64", [1], [2.0]), tensor("tags", "BYTES", [2], ["b", "a"])]
    assert outputs(app_of(of_model), tensor("name", "BYTES", [1], ["ada"])) == [
        tensor("name", "BYTES", [1], ["Ada"])
    ]
    assert inputs_of(of_model) == [("name", "BYTES", [1]), ("age", "INT64", [1])]


def test_objects_are_json() -> None:
    def handler(point: Point, options: dict[str, int]) -> dict[str, Any]:
        return {"point": point, "options": options, "x": point.x}

    found = outputs(
        app_of(handler),
        tensor("point", "BYTES", [1], ['{"x": 1.5, "tags": ["a"]}']),
        tensor("options", "BYTES", [1], ['{"a": 1}']),
    )

    assert found == [
        tensor("point", "BYTES", [1], ['{"x":1.5,"tags":["a"]}']),
        tensor("options", "BYTES", [1], ['{"a":1}']),
        tensor("x", "FP64", [1], [1.5]),
    ]


def test_bytes_are_bytes() -> None:
    def handler(content: bytes, other: str) -> bytes:
        return content[::-1]

    app = app_of(handler)
    given = [tensor("content", "BYTES", [1], ["abc"]), tensor("other", "BYTES", [1], [""])]

    assert outputs(app, *given) == [tensor("output", "BYTES", [1], ["cba"])]


def test_one_value_is_the_output() -> None:
    def handler(n: int) -> list[int]:
        return [n, n]

    assert outputs(app_of(handler), tensor("n", "UINT8", [1], [7])) == [
        tensor("output", "INT64", [2], [7, 7])
    ]


def test_a_handler_without_hints_takes_json_and_numbers() -> None:
    def handler(data):  # type: ignore[no-untyped-def]  # which is what is tested
        return data

    app = app_of(handler)

    assert outputs(app, tensor("data", "BYTES", [1], ["[1, 2]"])) == [tensor("output", "INT64", [2], [1, 2])]
    assert outputs(app, tensor("data", "FP32", [1, 2], [1, 2])) == [
        tensor("output", "FP64", [1, 2], [1.0, 2.0])
    ]
    assert infer(app, tensor("data", "BYTES", [1], ["text"]))["error"].startswith("input 'data' takes JSON: ")


def test_values_of_the_path_and_headers_are_there_too() -> None:
    def handler(text: str, times: int, user: Annotated[str, Header()] = "nobody") -> str:
        return f"{user}: {text * times}"

    app = app_of(handler, endpoint="/say/<int:times>")

    response = app.test_client().post(
        "/v2/models/model/infer",
        json={"inputs": [tensor("text", "BYTES", [1], ["a"]), tensor("times", "INT64", [1], [3])]},
        headers={"User": "ada"},
    )

    assert response.get_json()["outputs"] == [tensor("output", "BYTES", [1], ["ada: aaa"])]


def lengths(texts: list[str], weights: list[float]) -> list[dict[str, Any]]:
    if "" in texts:
        raise ValueError("an empty text")
    return [
        {"length": len(text) * weight, "all": len(texts)} for text, weight in zip(texts, weights, strict=True)
    ]


def test_the_first_dimension_of_a_batch_is_calls() -> None:
    app = app_of(lengths, batch={"max_size": 4, "max_wait_ms": 1000})

    found = outputs(
        app,
        tensor("texts", "BYTES", [4], ["a", "bb", "ccc", "dddd"]),
        tensor("weights", "FP32", [4, 1], [[1], [1], [1], [2]]),
    )

    assert found == [
        tensor("length", "FP64", [4], [1.0, 2.0, 3.0, 8.0]),
        tensor("all", "INT64", [4], [4, 4, 4, 4]),
    ]
    assert inputs_of(lengths, batch={"max_size": 4}) == [("texts", "BYTES", [-1]), ("weights", "FP64", [-1])]


def test_an_error_of_one_call_is_that_of_all() -> None:
    app = app_of(lengths, batch={"max_size": 4})

    found = infer(app, tensor("texts", "BYTES", [2], ["a", ""]), tensor("weights", "FP32", [2], [1, 1]))

    assert found["error"] == "The service failed to answer this request"


@pytest.mark.parametrize(("first", "second"), [(2, 3), (0, 0)])
def test_inputs_of_a_batch_have_equally_many_calls(first: int, second: int) -> None:
    app = app_of(lengths, batch={"max_size": 4})

    found = infer(
        app,
        tensor("texts", "BYTES", [first], ["a"] * first),
        tensor("weights", "FP32", [second], [1] * second),
    )

    assert found["error"].startswith("The first dimension of each input is the number of calls")


def test_results_of_different_lengths_are_no_tensor() -> None:
    def handler(ns: list[int]) -> list[list[int]]:
        return [[0] * n for n in ns]

    app = app_of(handler, batch={"max_size": 4})

    assert outputs(app, tensor("ns", "INT64", [2], [2, 2])) == [tensor("output", "INT64", [2, 2], [0] * 4)]
    assert "send the calls one by one" in infer(app, tensor("ns", "INT64", [2], [1, 2]))["error"]


def text_and_length(text: str) -> dict[str, Any]:
    return {"text": text, "length": len(text)}


def test_the_wanted_outputs_and_the_id_are_sent() -> None:
    found = infer(
        app_of(text_and_length),
        tensor("text", "BYTES", [1], ["abc"]),
        outputs=[{"name": "length"}],
        id="seven",
        parameters={"anything": 1},
    )

    assert found == {
        "id": "seven",
        "model_name": "model",
        "model_version": "1",
        "outputs": [tensor("length", "INT64", [1], [3])],
    }


def test_a_cached_reply_has_the_id_and_the_outputs_of_its_request() -> None:
    calls: list[str] = []

    def handler(text: str) -> dict[str, Any]:
        calls.append(text)
        return text_and_length(text)

    route = {"endpoint": "/model", "callable": handler, "name": "model", "oip": True, "cache": True}
    app = FlaskAppWrapper.create_app([route])
    given = tensor("text", "BYTES", [1], ["abc"])

    found = [infer(app, given, id=name) for name in ("a", "b", "")]
    part = infer(app, given, outputs=[{"name": "text"}])

    assert [each.get("id") for each in found] == ["a", "b", None]
    assert [len(each["outputs"]) for each in (*found, part)] == [2, 2, 2, 1]
    assert len(calls) == 2


def test_outputs_are_bytes_where_the_request_says_so() -> None:
    app = app_of(text_and_length)
    given = {"inputs": [tensor("text", "BYTES", [1], ["abc"])], "parameters": {"binary_data_output": True}}
    given["outputs"] = [{"name": "length"}, {"name": "text", "parameters": {"binary_data": False}}]

    response = app.test_client().post("/v2/models/model/infer", json=given)

    length = int(response.headers["Inference-Header-Content-Length"])
    shown = json.loads(response.data[:length])
    assert response.content_type == "application/octet-stream"
    assert shown["outputs"][0]["parameters"] == {"binary_data_size": 8}
    assert shown["outputs"][1]["data"] == ["abc"]
    assert response.data[length:] == (3).to_bytes(8, "little")


def test_what_is_no_text_can_be_sent_as_bytes_alone() -> None:
    def handler(n: int) -> bytes:
        return bytes([255, n])

    found = infer(app_of(handler), tensor("n", "INT64", [1], [1]))

    assert found["error"] == "output 'output' is no text: ask for its bytes by the parameter 'binary_data'"


BAD = {
    "no inputs": ({"inputs": None}, "'inputs' is a list of objects"),
    "no name": ({"inputs": [{"datatype": "BYTES", "shape": [1], "data": [""]}]}, "each has a 'name'"),
    "twice": ({"inputs": [tensor("text", "BYTES", [1], ["a"])] * 2}, "given twice"),
    "unknown input": ({"inputs": [tensor("other", "BYTES", [1], ["a"])]}, "Unexpected input 'other'"),
    "unknown output": (
        {"inputs": [tensor("text", "BYTES", [1], ["a"])], "outputs": [{"name": "other"}]},
        "There is no output 'other'",
    ),
    "datatype": ({"inputs": [tensor("text", "STRING", [1], ["a"])]}, "'datatype' is one of BOOL, "),
    "shape": ({"inputs": [tensor("text", "BYTES", [-1], ["a"])]}, "'shape' is a list of lengths"),
    "no shape": ({"inputs": [{"name": "text", "datatype": "BYTES", "data": [""]}]}, "'shape' is a list"),
    "huge shape": (
        {"inputs": [tensor("text", "FP64", [2**62, 2**62], [1.0])]},
        "its shape has more than there can be elements",
    ),
    "dimensions": ({"inputs": [tensor("text", "BYTES", [1] * 65, ["a"])]}, "up to 64 dimensions"),
    "fewer elements": ({"inputs": [tensor("text", "BYTES", [2], ["a"])]}, "its shape has 2 elements"),
    "no data": ({"inputs": [tensor("text", "BYTES", [1], None)]}, "'data' is a list"),
    "uneven data": ({"inputs": [tensor("text", "BYTES", [2], [["a"], "b"])]}, "lists that are equally deep"),
    "numbers as texts": ({"inputs": [tensor("text", "BYTES", [1], [1])]}, "'data' has texts"),
    "text as number": ({"inputs": [tensor("text", "INT8", [1], ["a"])]}, "no number of the datatype INT8"),
    "too large": ({"inputs": [tensor("text", "INT8", [1], [128])]}, "no number of the datatype INT8"),
    "missing": ({"inputs": []}, "Missing field 'text'"),
    "wrong type": ({"inputs": [tensor("text", "INT8", [1], [1])]}, "text: Expected `str`, got `int`"),
    "id": ({"id": 3, "inputs": []}, "'id' is a text"),
    "parameters": ({"parameters": [], "inputs": []}, "'parameters' is an object"),
    "classification": (
        {"inputs": [], "outputs": [{"name": "text", "parameters": {"classification": 3}}]},
        "the parameter 'classification' is not understood",
    ),
    "binary_data": (
        {"inputs": [], "outputs": [{"name": "text", "parameters": {"binary_data": 1}}]},
        "are true or false",
    ),
    "binary size": (
        {"inputs": [{**tensor("text", "BYTES", [1], 0), "parameters": {"binary_data_size": 3}}]},
        "it has 'data' and 'binary_data_size'",
    ),
    "no bytes": (
        {
            "inputs": [
                {"name": "text", "datatype": "BYTES", "shape": [1], "parameters": {"binary_data_size": 3}}
            ]
        },
        "'binary_data_size' is a number of bytes that follow the JSON, up to 0",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_malformed_request_is_refused_with_what_is_wrong(name: str) -> None:
    body, expected = BAD[name]

    response = app_of(text_and_length).test_client().post("/v2/models/model/infer", json=body)

    assert response.status_code == 400
    assert expected in response.get_json()["error"]


@pytest.mark.parametrize(
    ("shape", "blob", "extra", "length", "expected"),
    [
        ([2], b"\0" * 7, b"", None, "declare 8 bytes, and it has 7"),
        ([2], b"\0" * 8, b"x", None, "1 bytes behind those of its inputs"),
        ([2], b"\0" * 8, b"", "10000", "Inference-Header-Content-Length is the number of bytes"),
        ([2], b"\0" * 8, b"", "-1", "Inference-Header-Content-Length is the number of bytes"),
        ([2**40, 2**40], b"", b"", None, "declare more than there can be bytes"),
        ([0, 2**62, 2**62], b"", b"", None, "larger than an array can be"),
    ],
)
def test_bytes_that_are_not_those_declared_are_refused(
    shape: list[int], blob: bytes, extra: bytes, length: str | None, expected: str
) -> None:
    def handler(x: NDArray[np.float32]) -> float:
        return float(x.sum())

    declared = {
        "name": "x",
        "datatype": "FP32",
        "shape": shape,
        "parameters": {"binary_data_size": len(blob)},
    }
    head = json.dumps({"inputs": [declared]}).encode()

    response = (
        app_of(handler)
        .test_client()
        .post(
            "/v2/models/model/infer",
            data=head + blob + extra,
            headers={"Inference-Header-Content-Length": length or str(len(head))},
        )
    )

    assert response.status_code == 400
    assert expected in response.get_json()["error"]


def message(**inputs: Any) -> Any:
    return messages.message_class("ModelInferRequest")(model_name="model", inputs=[inputs])


def post_message(app: ServingFlask, body: bytes) -> Any:
    return app.test_client().post("/v2/models/model/infer", data=body, headers={"Content-Type": GRPC_TYPE})


def test_a_message_with_elements_is_answered_with_elements() -> None:
    request = message(name="text", datatype="BYTES", shape=[1], contents={"bytes_contents": [b"abc"]})
    request.id = "seven"

    response = post_message(app_of(text_and_length), request.SerializeToString())

    reply = messages.message_class("ModelInferResponse").FromString(response.data)
    assert (reply.id, reply.model_name, reply.model_version) == ("seven", "model", "1")
    assert list(reply.outputs[0].contents.bytes_contents) == [b"abc"]
    assert list(reply.outputs[1].contents.int64_contents) == [3]
    assert not reply.raw_output_contents


@pytest.mark.parametrize(
    ("inputs", "raw", "expected"),
    [
        ({"name": "text", "datatype": "BYTES", "shape": [1]}, [], "its shape has 1 elements, and its data 0"),
        ({"name": "text", "datatype": "BYTES", "shape": [1]}, [b"", b""], "1 inputs, and raw contents of 2"),
        ({"name": "text", "datatype": "FP16", "shape": [1]}, [], "sent by raw_input_contents"),
        (
            {"name": "text", "datatype": "INT8", "shape": [1], "contents": {"fp32_contents": [1]}},
            [],
            "its elements are in fp32_contents, and those of INT8 in int_contents",
        ),
        (
            {"name": "text", "datatype": "INT8", "shape": [1], "contents": {"int_contents": [1]}},
            [b"\0"],
            "it has contents beside the raw ones",
        ),
    ],
)
def test_a_malformed_message_is_refused(inputs: dict[str, Any], raw: list[bytes], expected: str) -> None:
    request = message(**inputs)
    request.raw_input_contents.extend(raw)

    response = post_message(app_of(text_and_length), request.SerializeToString())

    assert response.status_code == 400
    assert expected in response.get_json()["error"]


def test_bytes_that_are_no_message_are_refused() -> None:
    response = post_message(app_of(text_and_length), b"\xff\xff")

    assert response.get_json()["error"] == "The message is no ModelInferRequest"


def test_bytes_of_booleans_are_true_where_they_are_not_zero() -> None:
    def handler(x: NDArray[np.bool_]) -> int:
        return int(x.sum())

    request = message(name="x", datatype="BOOL", shape=[3])
    request.raw_input_contents.append(b"\0\x01\xff")

    response = post_message(app_of(handler), request.SerializeToString())

    reply = messages.message_class("ModelInferResponse").FromString(response.data)
    assert datatypes.unpack("INT64", reply.raw_output_contents[0]) == [2]


def test_a_stream_is_no_model() -> None:
    def handler(n: int) -> Iterator[int]:
        yield from range(n)

    with pytest.raises(ConfigurationError, match="a stream is no tensor"):
        app_of(handler)
