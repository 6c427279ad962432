"""Requests and replies of the protocol's gRPC: messages, whose tensors are bytes or single elements. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from google.protobuf.message import DecodeError

from aylien_model_serving.codecs.protobuf_items import ItemLimit
from aylien_model_serving.errors import MalformedBody
from aylien_model_serving.open_inference import messages
from aylien_model_serving.open_inference.datatypes import BYTES, NUMBERS
from aylien_model_serving.open_inference.requests import GRPC, InferRequest, Wanted, refuse_unknown
from aylien_model_serving.open_inference.tensors import Declared, Tensor, declared


def decode(body: bytes, max_items: int) -> InferRequest:
    """Return the request of a message.

    Args:
        body: a ModelInferRequest.
        max_items: the messages, texts and bytes that it may have, and the elements of tensors of BYTES.

    Raises:
        MalformedBody: it is no such message, or its tensors are not what it says of them.
        TooManyItems: it has more of these.
    """
    kind = messages.message_class("ModelInferRequest")
    _limit().check(body, max_items)
    try:
        message = kind.FromString(body)
    except (DecodeError, UnicodeDecodeError):
        raise MalformedBody("The message is no ModelInferRequest") from None
    refuse_unknown(_parameters(message), "the request")
    for output in message.outputs:
        refuse_unknown(_parameters(output), f"output {output.name[:80]!r}")
    raw = message.raw_input_contents
    if raw and len(raw) != len(message.inputs):
        raise MalformedBody(f"There are {len(message.inputs)} inputs, and raw contents of {len(raw)}")
    inputs = [_input(each, raw[at] if raw else None) for at, each in enumerate(message.inputs)]
    names = tuple(output.name for output in message.outputs) or None
    return InferRequest(message.id, inputs, Wanted(names, {"": bool(raw) or not inputs}, GRPC))


@cache
def _limit() -> ItemLimit:
    return ItemLimit(messages.message_class("ModelInferRequest").DESCRIPTOR)


def _parameters(message: Any) -> Mapping[str, Any]:
    return {
        name: getattr(value, value.WhichOneof("parameter_choice") or "bool_param")
        for name, value in message.parameters.items()
    }


def _input(message: Any, raw: bytes | None) -> Tensor:
    tensor = declared(message.name, message.datatype, message.shape)
    refuse_unknown(_parameters(message), f"input {tensor.name[:80]!r}")
    if raw is not None:
        if message.HasField("contents"):
            raise tensor.refused("it has contents beside the raw ones: one of them is expected")
        return tensor.of_packed(raw)
    field = _contents_of(tensor)
    for other, _ in message.contents.ListFields():
        if other.name != field:
            raise tensor.refused(
                f"its elements are in {other.name}, and those of {tensor.datatype} in {field}"
            )
    return tensor.of_elements(getattr(message.contents, field))


def _contents_of(tensor: Declared) -> str:
    """Return the field that has the elements of a tensor."""
    field = "bytes_contents" if tensor.datatype == BYTES else NUMBERS[tensor.datatype].contents
    if not field:
        raise tensor.refused(f"tensors of {tensor.datatype} are sent by raw_input_contents")
    return field


def encode(outputs: Iterable[Tensor], wanted: Wanted, model: str, version: str) -> bytes:
    """Return the message of a reply, without an id.

    Args:
        outputs: of the model.
        wanted: says whether they are sent as bytes; elements of which no field takes any always are.
        model: its name.
        version: its version.
    """
    message = messages.message_class("ModelInferResponse")(model_name=model, model_version=version)
    tensors = list(outputs)
    is_raw = wanted.is_binary("") or not all(map(_has_contents, tensors))
    for tensor in tensors:
        output = message.outputs.add(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)
        if is_raw:
            message.raw_output_contents.append(tensor.packed)
        else:
            field = "bytes_contents" if tensor.datatype == BYTES else NUMBERS[tensor.datatype].contents
            getattr(output.contents, field).extend(tensor.elements)
    encoded: bytes = message.SerializeToString()
    return encoded


def _has_contents(tensor: Tensor) -> bool:
    return tensor.datatype == BYTES or bool(NUMBERS[tensor.datatype].contents)


def with_id(reply: bytes, identity: str) -> bytes:
    """Return the message of a reply with an id: the bytes of two messages are those of both merged."""
    encoded: bytes = messages.message_class("ModelInferResponse")(id=identity).SerializeToString()
    return reply + encoded
