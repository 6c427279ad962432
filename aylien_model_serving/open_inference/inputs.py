"""The tensors of a request → the fields of one call, or of several where a model takes batches. Pure.

What a tensor says is passed on as JSON would have it, so that the schema checks both alike; arrays of numpy
and torch are made from its bytes.
"""

from __future__ import annotations

import base64
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from aylien_model_serving.codecs import json
from aylien_model_serving.codecs.fields import Fields
from aylien_model_serving.errors import FieldMismatch, MalformedBody, SchemaMismatch
from aylien_model_serving.open_inference import datatypes
from aylien_model_serving.open_inference.datatypes import BF16, BYTES, NUMBERS
from aylien_model_serving.open_inference.tensor_specs import Form, ModelSignature, TensorSpec
from aylien_model_serving.open_inference.tensors import Tensor


def calls_of(
    tensors: Sequence[Tensor], signature: ModelSignature, *, batched: bool
) -> Iterator[tuple[Fields, Mapping[str, Any]]]:
    """Yield the fields of each call, and the values of its path.

    Args:
        tensors: the inputs of a request.
        signature: what the model takes.
        batched: whether the first dimension of each are calls.

    Raises:
        FieldMismatch: an input is given twice, or there is none of its name.
        SchemaMismatch: one has a shape that is not expected, or differs from others in the number of calls.
    """
    specs = _specs(tensors, signature)
    if not batched:
        yield _fields({tensor.name: _value(tensor, specs[tensor.name]) for tensor in tensors}, signature)
        return
    count = _calls(tensors)
    columns = {tensor.name: tensor.rows(count) for tensor in tensors}
    for index in range(count):
        row = {name: _value(column[index], specs[name]) for name, column in columns.items()}
        yield _fields(row, signature)


def _specs(tensors: Sequence[Tensor], signature: ModelSignature) -> dict[str, TensorSpec]:
    found: dict[str, TensorSpec] = {}
    for tensor in tensors:
        name = tensor.name
        if name in found:
            raise FieldMismatch(f"The input {name[:80]!r} is given twice")
        spec = signature.inputs.get(name) or (TensorSpec(name) if signature.is_open else None)
        if spec is None:
            listed = ", ".join(signature.inputs) or "none"
            raise FieldMismatch(f"Unexpected input {name[:80]!r}: expected are {listed}")
        found[name] = spec
    return found


def _calls(tensors: Sequence[Tensor]) -> int:
    """Return the length of the first dimension of all inputs."""
    counts = {tensor.shape[0] if tensor.shape else 0 for tensor in tensors} or {0}
    if len(counts) > 1 or 0 in counts:
        raise SchemaMismatch(
            "The first dimension of each input is the number of calls: it is 1 or more, and equal for all"
        )
    return counts.pop()


def _fields(values: dict[str, Any], signature: ModelSignature) -> tuple[Fields, Mapping[str, Any]]:
    in_path = {name: values.pop(name) for name in signature.path_names & values.keys()}
    return Fields(values, bound=signature.body is not None and signature.body in values), in_path


def _value(tensor: Tensor, spec: TensorSpec) -> Any:
    if spec.form is Form.ARRAY:
        return _array(tensor)
    if spec.form is Form.LIST:
        if len(tensor.shape) != len(spec.shape):
            raise _unfit(tensor, f"{len(spec.shape)} dimensions are expected, not {len(tensor.shape)}")
        return _nested(_readable(tensor), tensor.shape)
    if spec.form is Form.JSON and tensor.datatype != BYTES:
        return _one_or_nested(tensor)
    elements = tensor.elements
    if len(elements) != 1:
        raise _unfit(tensor, f"one element is expected, not {len(elements)}")
    if tensor.datatype != BYTES:
        return elements[0]
    if spec.form is Form.CONTENT:
        return base64.b64encode(elements[0]).decode()
    if spec.form is not Form.JSON:
        return _text(tensor, elements[0])
    try:
        return json.loads(elements[0])
    except MalformedBody as error:
        told = str(error).replace("The body", "its text")
        raise MalformedBody(f"input {tensor.name[:80]!r} takes JSON: {told}") from None


def _unfit(tensor: Tensor, problem: str) -> SchemaMismatch:
    return SchemaMismatch(f"input {tensor.name[:80]!r}: {problem}")


def _text(tensor: Tensor, element: bytes) -> str:
    try:
        return element.decode()
    except UnicodeDecodeError as error:
        raise MalformedBody(f"input {tensor.name[:80]!r} is no text in UTF-8: {error.reason}") from None


def _readable(tensor: Tensor) -> list[Any]:
    if tensor.datatype != BYTES:
        return tensor.elements
    return [_text(tensor, element) for element in tensor.elements]


def _one_or_nested(tensor: Tensor) -> Any:
    is_one = tensor.shape in ((), (1,))
    return tensor.elements[0] if is_one else _nested(tensor.elements, tensor.shape)


def _nested(elements: list[Any], shape: Sequence[int]) -> list[Any]:
    """Return lists within lists of a shape; one list where that has no element.

    Lists without an element take memory, and a shape of some bytes may name any number of them.
    """
    if not elements:
        return []
    for length in reversed(shape[1:]):
        elements = [elements[start : start + length] for start in range(0, len(elements), length)]
    return elements


def _array(tensor: Tensor) -> Any:
    """Return an array of numpy, which whoever takes a tensor of torch makes one of."""
    numpy = sys.modules["numpy"]
    if isinstance(tensor.data, list):
        return _nested(_readable(tensor), tensor.shape)
    datatype, packed = tensor.datatype, tensor.data
    if datatype == BF16:
        datatype, packed = "FP32", datatypes.as_fp32(packed)
    dtype = numpy.dtype(NUMBERS[datatype].dtype).newbyteorder("<")
    try:
        array = numpy.frombuffer(packed, dtype).reshape(tensor.shape)
        return array.view("u1") != 0 if datatype == "BOOL" else array  # of which other bytes are no booleans
    except ValueError:  # the lengths beside one of 0 are too large together
        raise _unfit(tensor, "its shape is larger than an array can be") from None
