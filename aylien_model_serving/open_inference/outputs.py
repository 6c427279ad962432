"""A handler's result → the tensors of a reply. Pure.

What the schema names has the datatype that metadata tell; of what it leaves open, the value says it.
"""

from __future__ import annotations

import base64
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from aylien_model_serving.codecs import json
from aylien_model_serving.errors import BadRequest, InvalidAnswer
from aylien_model_serving.open_inference import datatypes
from aylien_model_serving.open_inference.datatypes import BF16, BYTES, NUMBERS, OF_DTYPE
from aylien_model_serving.open_inference.tensor_specs import OUTPUT, Form, ModelSignature, TensorSpec
from aylien_model_serving.open_inference.tensors import Tensor, flattened


def tensors_of(result: Any, signature: ModelSignature, names: Sequence[str] | None) -> list[Tensor]:
    """Return the outputs of one call; a single element has the shape [1].

    Args:
        result: of the handler, checked by the schema.
        signature: what the model returns.
        names: those that are wanted; None for all.

    Raises:
        BadRequest: there is no output of a name.
        InvalidAnswer: a value is no tensor.
    """
    found = _found(result, signature, names)
    return [tensor if tensor.shape else tensor._replace(shape=(1,)) for tensor in found]


def stacked(results: Sequence[Any], signature: ModelSignature, names: Sequence[str] | None) -> list[Tensor]:
    """Return the outputs of several calls, whose first dimension are these.

    Args:
        results: of the calls, of which there is one at least.
        signature: what the model returns for each.
        names: the outputs that are wanted; None for all.

    Raises:
        BadRequest: there is no output of a name, or those of the calls are no tensor together.
        InvalidAnswer: a value is no tensor.
    """
    rows = [{tensor.name: tensor for tensor in _found(result, signature, names)} for result in results]
    return [_joined(name, [row.get(name) for row in rows]) for name in rows[0]]


def _joined(name: str, parts: Sequence[Tensor | None]) -> Tensor:
    given = [part for part in parts if part is not None]
    if len({(part.datatype, part.shape) for part in given}) != 1 or len(given) < len(parts):
        raise BadRequest(f"output {name!r}: those of the calls differ in shape: send the calls one by one")
    shape = (len(given), *given[0].shape)
    if isinstance(given[0].data, list):
        return Tensor(name, BYTES, shape, [element for part in given for element in part.data])  # type: ignore[misc]  # of BYTES all
    return Tensor(name, given[0].datatype, shape, b"".join(part.packed for part in given))


def _found(result: Any, signature: ModelSignature, names: Sequence[str] | None) -> list[Tensor]:
    values = _values(result, signature)
    known = values.keys() | signature.outputs.keys()
    if names is not None:
        for name in names:
            if name not in known:
                raise BadRequest(f"There is no output {name[:80]!r}: there are {', '.join(sorted(known))}")
        values = {name: values[name] for name in names if name in values}
    return [
        _tensor(name, value, signature.outputs.get(name))
        for name, value in values.items()
        if value is not None
    ]


def _values(result: Any, signature: ModelSignature) -> Mapping[str, Any]:
    """Return the value of each output."""
    if signature.is_one_output:
        return {OUTPUT: result}
    if isinstance(result, Message):
        return _fields_of(result)
    if signature.outputs and not isinstance(result, dict):
        result = json.as_received(result)
    if isinstance(result, dict) and all(isinstance(name, str) for name in result):
        return result
    return {OUTPUT: result}


def _fields_of(message: Message) -> dict[str, Any]:
    """Return the fields of a message, those that are set where that can be told."""
    found: dict[str, Any] = {}
    shown = MessageToDict(message, preserving_proto_field_name=True)
    for field in message.DESCRIPTOR.fields:
        if field.has_presence and not message.HasField(field.name):
            continue
        is_plain = field.message_type is None and field.enum_type is None
        value = getattr(message, field.name)
        if is_plain:
            found[field.name] = list(value) if field.is_repeated else value
        else:
            found[field.name] = shown.get(field.name, _default(field))
    return found


def _default(field: Any) -> Any:
    if field.is_repeated:
        return []
    return field.enum_type.values_by_number[0].name if field.enum_type is not None else {}


def _tensor(name: str, value: Any, spec: TensorSpec | None) -> Tensor:
    try:
        if hasattr(value, "dtype") and hasattr(value, "shape"):
            return _of_array(name, value, spec)
        if spec is None or spec.form is Form.ARRAY:
            return _of_any(name, value)
        if spec.form is Form.SCALAR:
            return Tensor(name, spec.datatype, (), datatypes.pack(spec.datatype, [_number(value)]))
        if spec.form is Form.LIST:
            return _of_list(name, value, spec.datatype, len(spec.shape))
    except ValueError as error:
        raise InvalidAnswer(f"The answer does not fit its output {name!r}: {error}") from error
    if spec.form is Form.JSON:
        return Tensor(name, BYTES, (), [json.encode(value)])
    return Tensor(name, BYTES, (), [_content(value) if spec.form is Form.CONTENT else _text(value)])


def _of_any(name: str, value: Any) -> Tensor:
    """Return the tensor that a value says to be."""
    if type(value) in _DATATYPES:
        datatype = _DATATYPES[type(value)]
        return Tensor(name, datatype, (), datatypes.pack(datatype, [value]))
    if isinstance(value, (str, bytes)):
        return Tensor(name, BYTES, (), [value if isinstance(value, bytes) else _text(value)])
    listed = _datatype_of(value) if isinstance(value, (list, tuple)) and value else None
    if listed is not None:
        try:
            return _of_list(name, value, listed, None)
        except ValueError:
            pass  # lists of different lengths, or numbers beyond those of the datatype
    return Tensor(name, BYTES, (), [json.encode(value)])


_DATATYPES = {bool: "BOOL", int: "INT64", float: "FP64"}


def _datatype_of(value: Any) -> str | None:
    """Return the datatype of nested lists by their elements; None where these are of different kinds."""
    try:
        elements, _ = flattened(value)
    except ValueError:
        return None
    kinds = set(map(type, elements))
    if kinds == {str}:
        return BYTES
    if kinds == {int, float}:
        return "FP64"
    return _DATATYPES.get(kinds.pop()) if len(kinds) == 1 else None


def _of_list(name: str, value: Any, datatype: str, dimensions: int | None) -> Tensor:
    if not isinstance(value, (list, tuple)):
        value = json.as_received(value)
    elements, shape = flattened(value, dimensions)
    if datatype == BYTES:
        return Tensor(name, BYTES, shape, [_text(element) for element in elements])
    try:
        return Tensor(name, datatype, shape, datatypes.pack(datatype, elements))
    except ValueError:
        return Tensor(name, datatype, shape, datatypes.pack(datatype, [_number(each) for each in elements]))


def _number(value: Any) -> Any:
    """Return a number of a handler's; messages have large ones as texts, and NaN."""
    if isinstance(value, str):
        return int(value) if value.lstrip("-").isdigit() else float(value)
    return value.item() if hasattr(value, "item") else value


def _text(value: Any) -> bytes:
    if not isinstance(value, (str, bytes)):
        value = json.as_received(value)
    if isinstance(value, bytes):
        return value
    return value.encode(errors="replace") if isinstance(value, str) else json.encode(value)


def _content(value: Any) -> bytes:
    if isinstance(value, str):
        return base64.b64decode(value)
    return bytes(value) if isinstance(value, (bytes, bytearray, memoryview)) else json.encode(value)


def _of_array(name: str, value: Any, spec: TensorSpec | None) -> Tensor:
    """Return an array of numpy, or a tensor of torch, with its own datatype or the one that is told of it."""
    dtype = str(value.dtype).removeprefix("torch.")
    if hasattr(value, "detach"):
        value = value.detach().cpu().contiguous()
    if dtype == NUMBERS[BF16].dtype:
        packed = value.view(sys.modules["torch"].int16).numpy().tobytes()
        return Tensor(name, BF16, tuple(value.shape), packed)
    array = sys.modules["numpy"].asarray(value)
    wanted = spec.datatype if spec is not None and spec.form in (Form.SCALAR, Form.LIST) else ""
    datatype = wanted or OF_DTYPE.get(dtype, BYTES)
    if array.dtype.kind not in "biuf" or datatype == BYTES:
        return _of_list(name, array.tolist(), BYTES, array.ndim)
    if datatype == BF16 or (
        wanted and not sys.modules["numpy"].can_cast(array.dtype, _dtype(wanted), "same_kind")
    ):
        raise ValueError(f"items of {wanted} are expected, not of {dtype}")
    packed = sys.modules["numpy"].ascontiguousarray(array, _dtype(datatype)).tobytes()
    return Tensor(name, datatype, array.shape, packed)


def _dtype(datatype: str) -> Any:
    return sys.modules["numpy"].dtype(NUMBERS[datatype].dtype).newbyteorder("<")
