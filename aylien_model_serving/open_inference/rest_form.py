"""Requests and replies of the protocol's REST: JSON, behind which tensors may follow as bytes.

Pure. The latter is the binary tensor data extension.
(https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md,
https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/extension_binary_data.md)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from aylien_model_serving.codecs import json
from aylien_model_serving.errors import BadRequest, MalformedBody
from aylien_model_serving.open_inference.datatypes import BYTES
from aylien_model_serving.open_inference.requests import REST, InferRequest, Wanted, refuse_unknown
from aylien_model_serving.open_inference.tensors import Declared, Tensor, declared, flattened

#: The header that says how many bytes of a body are JSON, where tensors follow as bytes.
LENGTH_HEADER = "Inference-Header-Content-Length"


def decode(body: bytes, json_length: str | None, max_items: int) -> InferRequest:
    """Return the request of a body.

    Args:
        body: JSON, and the bytes that its inputs declare.
        json_length: how many bytes of it are JSON, as the header has it; None for all.
        max_items: the arrays, objects and texts that the JSON may have, and texts that tensors may.

    Raises:
        MalformedBody: it is no such request.
        TooManyItems: it has more of these.
    """
    length = len(body) if json_length is None else _length(json_length, len(body))
    request = json.decode(body[:length], max_items=max_items).values
    parameters = _object(request, "parameters", "the request")
    refuse_unknown(parameters, "the request")
    identity = request.get("id", "")
    if not isinstance(identity, str):
        raise MalformedBody("'id' is a text")
    blobs = _Blobs(body, length)
    inputs = [_input(each, blobs) for each in _objects(request, "inputs")]
    blobs.end()
    return InferRequest(identity, inputs, _wanted(request, parameters))


def _length(text: str, most: int) -> int:
    length = int(text) if text.isascii() and text.isdigit() and len(text) < _MAX_DIGITS else -1
    if not 0 <= length <= most:
        raise MalformedBody(f"{LENGTH_HEADER} is the number of bytes of the body that are JSON, up to {most}")
    return length


_MAX_DIGITS = 20


class _Blobs:
    """The bytes that follow the JSON, in the order of the inputs."""

    def __init__(self, body: bytes, start: int) -> None:
        self._body = body
        self._at = start

    def take(self, tensor: Declared, size: Any) -> bytes:
        """Return the bytes of an input."""
        left = len(self._body) - self._at
        if type(size) is not int or not 0 <= size <= left:
            raise tensor.refused(
                f"'binary_data_size' is a number of bytes that follow the JSON, up to {left}"
            )
        self._at += size
        return self._body[self._at - size : self._at]

    def end(self) -> None:
        """Refuse bytes that belong to no input."""
        left = len(self._body) - self._at
        if left:
            raise MalformedBody(f"The body has {left} bytes behind those of its inputs")


def _input(shown: Mapping[str, Any], blobs: _Blobs) -> Tensor:
    shape = shown.get("shape")
    tensor = declared(shown.get("name"), shown.get("datatype"), shape if isinstance(shape, list) else [None])
    parameters = _object(shown, "parameters", f"input {tensor.name[:80]!r}")
    refuse_unknown(parameters, f"input {tensor.name[:80]!r}")
    size = parameters.get("binary_data_size")
    if size is not None:
        if "data" in shown:
            raise tensor.refused("it has 'data' and 'binary_data_size': one of them is expected")
        return tensor.of_packed(blobs.take(tensor, size))
    return tensor.of_elements(_elements(tensor, shown.get("data")))


def _elements(tensor: Declared, data: Any) -> list[Any]:
    if not isinstance(data, list):
        raise tensor.refused("'data' is a list of its elements, or of lists of them")
    try:
        elements, _ = flattened(data)
    except ValueError as error:
        raise tensor.refused(f"'data': {error}") from None
    if tensor.datatype != BYTES:
        return elements
    if not set(map(type, elements)) <= _TEXTS:
        raise tensor.refused("'data' has texts where the datatype is BYTES")
    return [text.encode() for text in elements]


_TEXTS = frozenset({str})


def _wanted(request: Mapping[str, Any], parameters: Mapping[str, Any]) -> Wanted:
    outputs = _objects(request, "outputs") if request.get("outputs") else []
    binary = {"": parameters.get("binary_data_output", False)}
    names: list[str] = []
    for shown in outputs:
        name = shown.get("name")
        if not isinstance(name, str):
            raise MalformedBody("outputs: each has a 'name', a text")
        own = _object(shown, "parameters", f"output {name[:80]!r}")
        refuse_unknown(own, f"output {name[:80]!r}")
        if "binary_data" in own:
            binary[name] = own["binary_data"]
        names.append(name)
    if not set(map(type, binary.values())) <= {bool}:
        raise MalformedBody("'binary_data' and 'binary_data_output' are true or false")
    return Wanted(tuple(names) if outputs else None, binary, REST)


def _object(shown: Mapping[str, Any], name: str, place: str) -> Mapping[str, Any]:
    found = shown.get(name)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise MalformedBody(f"{place}: {name!r} is an object")
    return found


def _objects(shown: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = shown.get(name)
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise MalformedBody(f"{name!r} is a list of objects, one for each tensor")
    return found


def encode(outputs: Iterable[Tensor], wanted: Wanted, model: str, version: str) -> tuple[bytes, bytes]:
    """Return the JSON of a reply, without an id, and the bytes that follow it.

    Args:
        outputs: of the model.
        wanted: says which of them are sent as bytes.
        model: its name.
        version: its version.

    Raises:
        BadRequest: an output is no text, and was to be sent as such.
    """
    shown: list[dict[str, Any]] = []
    blobs: list[bytes] = []
    for tensor in outputs:
        told: dict[str, Any] = {
            "name": tensor.name,
            "datatype": tensor.datatype,
            "shape": tensor.shape,
        }
        if wanted.is_binary(tensor.name):
            blobs.append(tensor.packed)
            told["parameters"] = {"binary_data_size": len(blobs[-1])}
        else:
            told["data"] = _shown_elements(tensor)
        shown.append(told)
    reply = {"model_name": model, "model_version": version, "outputs": shown}
    return json.encode(reply), b"".join(blobs)


def _shown_elements(tensor: Tensor) -> list[Any]:
    if not isinstance(tensor.data, list):
        return tensor.elements
    try:
        return [element.decode() for element in tensor.data]
    except UnicodeDecodeError:
        raise BadRequest(
            f"output {tensor.name!r} is no text: ask for its bytes by the parameter 'binary_data'"
        ) from None


def with_id(reply: bytes, identity: str) -> bytes:
    """Return the JSON of a reply with the id of its request."""
    return b'{"id":' + json.encode(identity) + b"," + reply[1:] if identity else reply
