"""The Open Inference Protocol: REST with JSON, REST with bytes, and gRPC's messages."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import grpc

from aylien_model_serving.open_inference import datatypes, messages
from tests.protocols.cases import Found, Refused
from tests.protocols.grpc_clients import KINDS_OF_CODES
from tests.protocols.http_clients import SECONDS, post

#: The datatype and the number of dimensions of each field.
_FIELDS = {
    "text": ("BYTES", 0),
    "count": ("INT32", 0),
    "scale": ("FP64", 0),
    "loud": ("BOOL", 0),
    "values": ("FP64", 1),
    "tags": ("BYTES", 1),
    "failure": ("BYTES", 0),
}

#: Outputs that are lists.
_LISTS = ("values", "tags")

_PATH = "/v2/models/examine/infer"


def _tensor(name: str, value: Any) -> dict[str, Any]:
    datatype, dimensions = _FIELDS[name]
    elements = value if dimensions else [value]
    return {"name": name, "datatype": datatype, "shape": [len(elements)], "data": elements}


def _packed(tensor: Mapping[str, Any]) -> bytes:
    if tensor["datatype"] == "BYTES":
        return datatypes.pack_texts([text.encode() for text in tensor["data"]])
    return datatypes.pack(tensor["datatype"], tensor["data"])


def _unpacked(datatype: str, packed: bytes) -> list[Any]:
    if datatype == "BYTES":
        return [text.decode() for text in datatypes.unpack_texts(packed, len(packed))]
    return datatypes.unpack(datatype, packed)


def _found(outputs: Mapping[str, list[Any]]) -> Found:
    return Found({name: data if name in _LISTS else data[0] for name, data in outputs.items()})


class InferClient:
    """Sends tensors as JSON, and reads such.

    Args:
        url: of the service.
    """

    def __init__(self, url: str) -> None:
        self._url = url + _PATH

    def ask(self, fields: Mapping[str, Any]) -> Found | Refused:
        body = json.dumps({"inputs": [_tensor(*field) for field in fields.items()]}).encode()
        answer = post(self._url, body, {"Content-Type": "application/json"})
        if isinstance(answer, Refused):
            return answer
        return _found({output["name"]: output["data"] for output in json.loads(answer)["outputs"]})


class BinaryInferClient:
    """Sends tensors as bytes behind JSON, and reads such.

    Args:
        url: of the service.
    """

    def __init__(self, url: str) -> None:
        self._url = url + _PATH

    def ask(self, fields: Mapping[str, Any]) -> Found | Refused:
        tensors = [_tensor(*field) for field in fields.items()]
        blobs = [_packed(tensor) for tensor in tensors]
        for tensor, blob in zip(tensors, blobs, strict=True):
            del tensor["data"]
            tensor["parameters"] = {"binary_data_size": len(blob)}
        head = json.dumps({"inputs": tensors, "parameters": {"binary_data_output": True}}).encode()
        length = {"Inference-Header-Content-Length": str(len(head))}
        answer = post(self._url, b"".join((head, *blobs)), length)
        return answer if isinstance(answer, Refused) else _read(answer)


def _read(answer: bytes) -> Found:
    shown, end = json.JSONDecoder().raw_decode(answer.decode("latin-1"))
    found: dict[str, list[Any]] = {}
    for output in shown["outputs"]:
        size = output["parameters"]["binary_data_size"]
        found[output["name"]] = _unpacked(output["datatype"], answer[end : end + size])
        end += size
    assert end == len(answer)
    return _found(found)


class InferStub:
    """Calls ModelInfer as a generated stub does.

    Args:
        port: of the gRPC server, which may not have started yet.
    """

    def __init__(self, port: int) -> None:
        channel = grpc.insecure_channel(f"127.0.0.1:{port}")
        self._infer = channel.unary_unary(
            "/inference.GRPCInferenceService/ModelInfer",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=messages.message_class("ModelInferResponse").FromString,
        )

    def ask(self, fields: Mapping[str, Any]) -> Found | Refused:
        request = messages.message_class("ModelInferRequest")(model_name="examine")
        for tensor in (_tensor(*field) for field in fields.items()):
            request.raw_input_contents.append(_packed(tensor))
            del tensor["data"]
            request.inputs.add(**tensor)
        try:
            response = self._infer(request, timeout=SECONDS, wait_for_ready=True)
        except grpc.RpcError as error:
            return Refused(KINDS_OF_CODES[error.code()], error.details())
        pairs = zip(response.outputs, response.raw_output_contents, strict=True)
        return _found({output.name: _unpacked(output.datatype, packed) for output, packed in pairs})
