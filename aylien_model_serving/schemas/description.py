"""The fields and the result of a route as JSON Schema (draft 2020-12, the dialect of OpenAPI 3.1).

Pure. msgspec and pydantic make the schemas of types; a type without a JSON Schema is left open.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, get_args, get_origin

import msgspec

from aylien_model_serving.codecs import model_bytes
from aylien_model_serving.core.messages import Reply
from aylien_model_serving.handlers.signatures import Signature
from aylien_model_serving.media.files import MediaFile
from aylien_model_serving.schemas import file_ranges, handler_hints, library_types
from aylien_model_serving.schemas.models import is_model

if TYPE_CHECKING:
    from pydantic import BaseModel

JSONSchema = dict[str, Any]

#: How a result is sent: one value, a file as it is or as its file object, items in the form that Accept
#: prefers, or items as events only.
ResponseForm = Literal["value", "file", "items", "events"]

#: The name of the component by which clients of APIPod recognize that files are file objects.
FILE_NAME = "FileModel"

#: The bytes of a file as they are.
BINARY: JSONSchema = {"type": "string", "format": "binary"}

#: The JSON file object, which a file becomes in responses.
FILE: JSONSchema = {
    "type": "object",
    "properties": {
        "file_name": {"type": ["string", "null"]},
        "content_type": {"type": ["string", "null"]},
        "content": {"type": "string", "contentEncoding": "base64"},
    },
    "required": ["content"],
}


@dataclass(frozen=True)
class Description:
    """The schemas of one route.

    Args:
        fields: of an object that holds all fields.
        result: of the result, or of one item of a stream.
        form: how the result is sent.
        result_range: the media types of a result that is a file, as a range like image/*.
        files: the media types of each field that is a file, as a range like image/*.
        components: the schemas that the others refer to, by name.
        body: where the body is the value of one parameter; the fields are then those of this value, and of
            the path.
        parameters: headers and cookies, in the form of OpenAPI.
    """

    fields: JSONSchema
    result: JSONSchema = field(default_factory=dict)
    form: ResponseForm = "value"
    result_range: str | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    components: Mapping[str, JSONSchema] = field(default_factory=dict)
    body: WholeBody | None = None
    parameters: Sequence[JSONSchema] = ()


class WholeBody(NamedTuple):
    """A body that is the value of one parameter.

    Args:
        parameter: its name.
        schema: of the value.
        required: whether there has to be one.
        is_bare: whether the value has no fields that the route names.
    """

    parameter: str
    schema: JSONSchema
    required: bool
    is_bare: bool


def reference(name: str) -> JSONSchema:
    """Return a reference to a component."""
    return {"$ref": f"#/components/schemas/{name}"}


def fields_of(signature: Signature, known: Mapping[str, JSONSchema]) -> JSONSchema:
    """Return the schema of the fields that a handler takes; one without a known schema may hold anything."""
    shown: JSONSchema = {
        "type": "object",
        "properties": {name: known.get(name, {}) for name in signature.known},
        "additionalProperties": signature.open,
    }
    required = [name for name in signature.known if name in signature.required]
    return {**shown, "required": required} if required else shown


def of_hints(
    signature: Signature,
    hints: Mapping[str, Any],
    returns: Any,
    prefix: str,
    models: Mapping[str, type[BaseModel]],
) -> Description:
    """Return the description that type hints give.

    Args:
        signature: the parameters of the handler.
        hints: the hints of the fields that msgspec checks.
        returns: the hint of the result; for a Reply, `Annotated` may add the type of its content.
        prefix: of the names of components.
        models: of the other fields, each with the field as its only one.
    """
    schemas = _SchemaCollector(prefix)
    returns, is_reply = _unwrap_reply(returns)
    item = handler_hints.item_hint_of(returns)
    is_stream = item is not None
    result_range = file_ranges.of_result(returns)
    result = schemas.schema_of(item if is_stream else returns, for_response=True)
    known = {name: schemas.schema_of(hint) for name, hint in hints.items()}
    known |= {name: schemas.schema_of_field(model, name) for name, model in models.items()}
    return Description(
        fields=fields_of(signature, known),
        result=result,
        form=_form(is_stream, is_reply, result_range),
        result_range=result_range,
        files={
            name: found for name, hint in hints.items() if (found := file_ranges.of_hint(hint)) is not None
        },
        components=schemas.components,
    )


def with_whole_body(
    described: Description, parameter: str, files: Mapping[str, Any], *, is_bare: bool
) -> Description:
    """Return a description of fields by name as that of a route whose body is the value of one of them.

    Args:
        described: of all parameters, those of the path included.
        parameter: the name of the one that is the body.
        files: the hints of the body's fields that are files, by name.
        is_bare: whether the value has no fields that the route names.
    """
    properties = dict(described.fields["properties"])
    required = [name for name in described.fields.get("required", ()) if name != parameter]
    is_required = parameter in described.fields.get("required", ())
    body = WholeBody(parameter, _not_null(properties.pop(parameter)), is_required, is_bare)
    shown = {} if is_bare else _resolved(body.schema, described.components)
    required += shown.get("required", ()) if body.required else ()
    fields = {**shown, "type": "object", "properties": {**properties, **shown.get("properties", {})}}
    fields = {key: value for key, value in fields.items() if key != "required"}
    return replace(
        described,
        fields={**fields, "required": required} if required else fields,
        files={
            name: found for name, hint in files.items() if (found := file_ranges.of_hint(hint)) is not None
        },
        body=body,
    )


def _not_null(schema: JSONSchema) -> JSONSchema:
    """Return the schema of the values that are not null."""
    left = [part for part in schema.get("anyOf", ()) if part != {"type": "null"}]
    if len(left) == len(schema.get("anyOf", ())):
        return schema
    rest = {key: value for key, value in schema.items() if key not in ("anyOf", "default")}
    return {**rest, **left[0]} if len(left) == 1 else {**rest, "anyOf": left}


def _resolved(schema: JSONSchema, components: Mapping[str, JSONSchema]) -> JSONSchema:
    if "$ref" not in schema:
        return schema
    return components.get(schema["$ref"].rpartition("/")[2], {})


def of_type(kind: Any) -> tuple[JSONSchema, Mapping[str, JSONSchema]]:
    """Return the schema of a type of results, and the components that it refers to."""
    schemas = _SchemaCollector("")
    return schemas.schema_of(kind, for_response=True), schemas.components


def of_model(
    kind: type[BaseModel], prefix: str, *, for_response: bool
) -> tuple[JSONSchema, dict[str, JSONSchema]]:
    """Return the schema of a pydantic model, and the components that it refers to."""
    shown = kind.model_json_schema(
        ref_template=f"#/components/schemas/{prefix}{{model}}",
        mode="serialization" if for_response else "validation",
    )
    if model_bytes.serializer_of(kind) is not None:
        shown = _with_base64(shown)
    components = {f"{prefix}{name}": schema for name, schema in shown.pop("$defs", {}).items()}
    return shown, components


def _with_base64(schema: Any) -> Any:
    """Return a schema of pydantic's with Base64 for its bytes."""
    if isinstance(schema, list):
        return [_with_base64(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("type") == "string" and schema.get("format") == "binary":
        rest = {key: part for key, part in schema.items() if key != "format"}
        return {**rest, "contentEncoding": "base64"}
    return {key: _with_base64(part) for key, part in schema.items()}


def _unwrap_reply(returns: Any) -> tuple[Any, bool]:
    """Return the type of a handler's result, and whether it is a Reply of unknown content."""
    if get_origin(returns) is Annotated and get_args(returns)[0] is Reply:
        return get_args(returns)[1], True
    return (Any if returns is Reply else returns), returns is Reply


def _form(is_stream: bool, is_reply: bool, result_range: str | None) -> ResponseForm:
    if is_stream:
        return "events" if is_reply else "items"
    return "value" if result_range is None else "file"


class _SchemaCollector:
    """Collects the schemas of types, and the components that they refer to.

    Args:
        prefix: of the names of components.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._for_response = False
        self.components: dict[str, JSONSchema] = {}

    def schema_of(self, hint: Any, *, for_response: bool = False) -> JSONSchema:
        """Return the schema of a hint's values, which is open where msgspec knows none."""
        if hint is None or hint is Any:
            return {}
        self._for_response = for_response
        try:
            [schema], found = msgspec.json.schema_components(
                [hint],
                schema_hook=self._custom_types,
                ref_template=f"#/components/schemas/{self._prefix}{{name}}",
            )
        except (TypeError, ValueError, NotImplementedError):
            return {}
        self.components.update({f"{self._prefix}{name}": component for name, component in found.items()})
        return schema

    def schema_of_field(self, model: type[BaseModel], name: str) -> JSONSchema:
        """Return the schema of a model's field, which is open where pydantic knows none."""
        try:
            shown, found = of_model(model, self._prefix, for_response=False)
        except sys.modules["pydantic"].PydanticUserError:
            return {}
        self.components.update(found)
        schema: JSONSchema = shown["properties"][name]
        return {key: value for key, value in schema.items() if key != "title"}

    def _custom_types(self, kind: Any) -> JSONSchema:
        """Return the schema of a type that msgspec does not know."""
        if library_types.is_known(kind):
            return library_types.schema_of(kind, for_response=self._for_response)
        if not isinstance(kind, type):
            return {}
        if issubclass(kind, MediaFile):
            return reference(FILE_NAME) if self._for_response else BINARY
        if is_model(kind):
            schema, found = of_model(kind, self._prefix, for_response=self._for_response)
            self.components.update(found)
            return schema
        return {}
