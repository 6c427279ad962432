"""Requests of the Open Inference Protocol, of any length; they have no media type of a route's own."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from aylien_model_serving.errors import ServingError
from aylien_model_serving.open_inference import grpc_form, messages, rest_form
from tests.costs.inputs import Input, numbered, repeated
from tests.costs.measuring import Work

#: More than any body here has.
_ITEMS = 100_000_000

_HEAD = b'{"inputs":[{"name":"a","datatype":"%s","shape":[%d],"data":['


def _rest(make: Callable[[int], bytes], size: int) -> Work:
    return partial(_tried, partial(rest_form.decode, make(size), None, _ITEMS))


def _grpc(make: Callable[[int], bytes], size: int) -> Work:
    return partial(_tried, partial(grpc_form.decode, make(size), _ITEMS))


def _tried(decode: Callable[[], object]) -> object:
    """Decode a request, whether it is one or not: a refusal has its cost too."""
    try:
        return decode()
    except ServingError as error:
        return error


def _tensor(datatype: bytes, unit: bytes, size: int) -> bytes:
    head, tail = _HEAD % (datatype, size // (len(unit) + 1)), b"]}]}"
    return repeated(unit, size, head, tail, b",")


def _nested(size: int) -> bytes:
    return _HEAD % (b"FP64", 1) + b"[" * (size // 2) + b"]" * (size // 2) + b"]}]}"


def _inputs(size: int) -> bytes:
    unit = b'{"name":"a","datatype":"FP64","shape":[1],"data":[1]}'
    return repeated(unit, size, b'{"inputs":[', b"]}", b",")


def _shape(size: int) -> bytes:
    return b'{"inputs":[{"name":"a","datatype":"FP64","data":[1],"shape":[%b]}]}' % repeated(
        b"1", size, separator=b","
    )


def _outputs(size: int) -> bytes:
    return b'{"inputs":[],"outputs":[%b]}' % numbered('{"name":"%05d"}', size)


def _message(size: int, datatype: str, raw: bytes) -> bytes:
    request = messages.message_class("ModelInferRequest")(model_name="a")
    request.inputs.add(name="a", datatype=datatype, shape=[size // len(raw)])
    request.raw_input_contents.append(raw * (size // len(raw)))
    body: bytes = request.SerializeToString()
    return body


INFERENCE = [
    *(
        Input(f"infer: {name}", partial(_rest, make))
        for name, make in {
            "numbers": partial(_tensor, b"FP64", b"1.5"),
            "texts": partial(_tensor, b"BYTES", b'"a"'),
            "lists of one": partial(_tensor, b"INT64", b"[1]"),
            "lists in lists": _nested,
            "inputs": _inputs,
            "dimensions": _shape,
            "outputs": _outputs,
        }.items()
    ),
    Input("infer by gRPC: numbers", partial(_grpc, partial(_message, datatype="FP64", raw=b"12345678"))),
    Input(
        "infer by gRPC: texts", partial(_grpc, partial(_message, datatype="BYTES", raw=b"\x01\x00\x00\x00a"))
    ),
]
