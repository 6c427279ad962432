"""Which tensors a handler takes and returns: read once from its schema.

Pure. What JSON calls a number, a text or lists of such is a tensor of these; whatever else there is, is JSON
within a tensor of one element. The fields of messages have the datatypes that their .proto gives them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from aylien_model_serving.open_inference.datatypes import BYTES, OF_DTYPE
from aylien_model_serving.schemas import Schema
from aylien_model_serving.schemas.description import Description, JSONSchema
from aylien_model_serving.schemas.library_types import array_form_of

#: The output of a handler that returns one value.
OUTPUT = "output"


class Form(Enum):
    """What the elements of a tensor are to a handler."""

    SCALAR = "one number"
    TEXT = "one text"
    CONTENT = "the bytes of a file, or others"
    LIST = "lists within lists"
    ARRAY = "an array or a tensor of a library"
    JSON = "one text, which is JSON"


#: The forms that have one element.
SINGLE = frozenset({Form.SCALAR, Form.TEXT, Form.CONTENT, Form.JSON})


@dataclass(frozen=True)
class TensorSpec:
    """An input or an output.

    Args:
        name: of the field.
        form: of its elements.
        datatype: as the protocol calls it.
        shape: the length of each dimension of one call's value, -1 for any; without the one of a single
            element.
    """

    name: str
    form: Form = Form.JSON
    datatype: str = BYTES
    shape: tuple[int, ...] = ()

    def shape_of(self, *, batched: bool) -> list[int]:
        """Return the shape that a client reads of it.

        Args:
            batched: whether its first dimension are calls.
        """
        if batched:
            return [-1, *self.shape]
        return [1] if self.form in SINGLE else list(self.shape)


@dataclass(frozen=True)
class ModelSignature:
    """The tensors of a model.

    Args:
        inputs: by name.
        outputs: by name; empty where results may have any.
        is_one_output: whether the result as a whole is the only output.
        body: the name of the parameter that a body is the value of, where that has no fields.
        path_names: the inputs that are values of the path.
        is_open: whether the handler takes inputs that are not listed.
    """

    inputs: Mapping[str, TensorSpec]
    outputs: Mapping[str, TensorSpec]
    is_one_output: bool
    body: str | None
    path_names: frozenset[str]
    is_open: bool


def signature_of(schema: Schema, path_names: frozenset[str]) -> ModelSignature:
    """Return the tensors of a route.

    Args:
        schema: of the route.
        path_names: the names of its path's values.
    """
    described = schema.describe("")
    body = described.body.parameter if described.body is not None and described.body.is_bare else None
    inputs = _fields(described.fields, described, schema.hints)
    if described.body is not None and body is not None:
        inputs[body] = _spec(body, described.body.schema, described, schema.hints)
    if schema.messages is not None:
        inputs |= _of_message(cast(Descriptor, schema.messages[0].DESCRIPTOR))
    for name in path_names - inputs.keys():
        inputs[name] = TensorSpec(name, Form.TEXT)
    outputs, is_one = _outputs(schema, described)
    is_open = described.fields.get("additionalProperties") is True and body is None
    return ModelSignature(inputs, outputs, is_one, body, path_names, is_open)


def _outputs(schema: Schema, described: Description) -> tuple[dict[str, TensorSpec], bool]:
    if schema.response is not None:
        return _of_message(cast(Descriptor, schema.response.DESCRIPTOR)), False
    found = _resolved(described.result, described)
    if found.get("properties") and described.form == "value":
        return _fields(found, described, {}), False
    spec = _spec(OUTPUT, described.result, described, {OUTPUT: schema.result_hint})
    is_known = bool(found) and found.get("type") != "object"
    return ({OUTPUT: spec}, True) if is_known or spec.form is Form.ARRAY else ({}, False)


def _fields(shown: JSONSchema, described: Description, hints: Mapping[str, Any]) -> dict[str, TensorSpec]:
    return {name: _spec(name, each, described, hints) for name, each in shown.get("properties", {}).items()}


def _spec(name: str, shown: JSONSchema, described: Description, hints: Mapping[str, Any]) -> TensorSpec:
    array = array_form_of(hints.get(name))
    if array is not None:
        sizes = (None,) if array.shape is None else array.shape
        datatype = OF_DTYPE.get(array.dtype or "float64", BYTES)
        return TensorSpec(name, Form.ARRAY, datatype, tuple(-1 if size is None else size for size in sizes))
    shape: list[int] = []
    item = _resolved(shown, described)
    while item.get("type") == "array" and isinstance(item.get("items"), dict):
        size = item.get("minItems")
        shape.append(size if size is not None and size == item.get("maxItems") else -1)
        item = _resolved(item["items"], described)
    form, datatype = _of_value(item)
    if not shape:
        return TensorSpec(name, form, datatype)
    return TensorSpec(name, Form.LIST, datatype, tuple(shape)) if form in _LISTED else TensorSpec(name)


#: What there can be lists of.
_LISTED = (Form.SCALAR, Form.TEXT)


def _of_value(shown: JSONSchema) -> tuple[Form, str]:
    """Return form and datatype of values that are no lists."""
    kinds = _kinds_of(shown)
    if kinds == {"string"}:
        is_content = "contentEncoding" in shown or shown.get("format") == "binary"
        return (Form.CONTENT if is_content else Form.TEXT), BYTES
    if "integer" in kinds and kinds <= {"integer", "string"}:  # texts stand for large numbers of messages
        return Form.SCALAR, "INT64"
    if kinds and kinds <= {"integer", "number"}:
        return Form.SCALAR, "FP64"
    return (Form.SCALAR, "BOOL") if kinds == {"boolean"} else (Form.JSON, BYTES)


def _kinds_of(shown: JSONSchema) -> set[str]:
    """Return the types of JSON that a schema names, but null."""
    if "anyOf" in shown:
        return {kind for part in shown["anyOf"] for kind in _kinds_of(part) or {"any"}} - {"null"}
    listed = shown["enum"] if "enum" in shown else [shown["const"]] if "const" in shown else None
    if listed is not None:
        return {_TYPES.get(type(value), "any") for value in listed} - {"null"}
    named = shown.get("type", ())
    return {named} - {"null"} if isinstance(named, str) else set(named) - {"null"}


_TYPES = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}


def _resolved(shown: JSONSchema, described: Description) -> JSONSchema:
    """Return what a schema refers to, alone or beside null."""
    parts = [part for part in shown.get("anyOf", ()) if part.get("type") != "null"]
    if len(parts) == 1:
        shown = parts[0]
    if "$ref" in shown:
        return described.components.get(shown["$ref"].rpartition("/")[2], {})
    return shown


def _of_message(descriptor: Descriptor) -> dict[str, TensorSpec]:
    return {field.name: _of_field(field) for field in _proto_fields(descriptor)}


def _proto_fields(descriptor: Descriptor) -> Iterator[FieldDescriptor]:
    yield from cast("list[FieldDescriptor]", descriptor.fields)


def _of_field(field: FieldDescriptor) -> TensorSpec:
    if field.type == FieldDescriptor.TYPE_BYTES:
        return TensorSpec(field.name) if field.is_repeated else TensorSpec(field.name, Form.CONTENT)
    datatype = _DATATYPES.get(field.cpp_type)
    if datatype is None:
        return TensorSpec(field.name)
    if field.is_repeated:
        return TensorSpec(field.name, Form.LIST, datatype, (-1,))
    return TensorSpec(field.name, Form.TEXT if datatype == BYTES else Form.SCALAR, datatype)


_DATATYPES = {
    FieldDescriptor.CPPTYPE_BOOL: "BOOL",
    FieldDescriptor.CPPTYPE_INT32: "INT32",
    FieldDescriptor.CPPTYPE_INT64: "INT64",
    FieldDescriptor.CPPTYPE_UINT32: "UINT32",
    FieldDescriptor.CPPTYPE_UINT64: "UINT64",
    FieldDescriptor.CPPTYPE_FLOAT: "FP32",
    FieldDescriptor.CPPTYPE_DOUBLE: "FP64",
    FieldDescriptor.CPPTYPE_STRING: BYTES,
    FieldDescriptor.CPPTYPE_ENUM: BYTES,
}
