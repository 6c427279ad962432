"""The fields and the result of a route as JSON Schema (draft 2020-12, the dialect of OpenAPI 3.1).

Pure. msgspec and pydantic make the schemas of types; a type without a JSON Schema is left open.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

import msgspec

from aylien_model_serving.core.messages import Reply
from aylien_model_serving.handlers.signatures import Signature
from aylien_model_serving.media.files import MediaFile
from aylien_model_serving.media.images import ImageFile
from aylien_model_serving.schemas import uploads
from aylien_model_serving.schemas.models import is_model

if TYPE_CHECKING:
    from pydantic import BaseModel

JSONSchema = dict[str, Any]

#: How a result is sent: one value, an image as it is or as its file object, items in the form that Accept
#: prefers, or items as events only.
ResponseForm = Literal["value", "image", "items", "events"]

#: The name of the component by which clients of APIPod recognize that files are file objects.
FILE_NAME = "FileModel"

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

_ITERATORS = (Iterator, Generator, AsyncIterator, AsyncGenerator)


@dataclass(frozen=True)
class Description:
    """The schemas of one route.

    Args:
        fields: of an object that holds all fields.
        result: of the result, or of one item of a stream.
        form: how the result is sent.
        files: the media types of each field that is a file, as a range like image/*.
        components: the schemas that the others refer to, by name.
    """

    fields: JSONSchema
    result: JSONSchema = field(default_factory=dict)
    form: ResponseForm = "value"
    files: Mapping[str, str] = field(default_factory=dict)
    components: Mapping[str, JSONSchema] = field(default_factory=dict)


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
    is_stream = get_origin(returns) in _ITERATORS
    result = schemas.schema_of((get_args(returns) or (Any,))[0] if is_stream else returns, for_response=True)
    known = {name: schemas.schema_of(hint) for name, hint in hints.items()}
    known |= {name: schemas.schema_of_field(model, name) for name, model in models.items()}
    return Description(
        fields=fields_of(signature, known),
        result=result,
        form=_form(returns, is_stream, is_reply),
        files={name: found for name, hint in hints.items() if (found := _range_of(hint)) is not None},
        components=schemas.components,
    )


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
    components = {f"{prefix}{name}": schema for name, schema in shown.pop("$defs", {}).items()}
    return shown, components


def _unwrap_reply(returns: Any) -> tuple[Any, bool]:
    """Return the type of a handler's result, and whether it is a Reply of unknown content."""
    if get_origin(returns) is Annotated and get_args(returns)[0] is Reply:
        return get_args(returns)[1], True
    return (Any if returns is Reply else returns), returns is Reply


def _form(returns: Any, is_stream: bool, is_reply: bool) -> ResponseForm:
    if is_stream:
        return "events" if is_reply else "items"
    named = [part for part in _parts(returns) if part is not NoneType]
    is_image = bool(named) and all(isinstance(part, type) and issubclass(part, ImageFile) for part in named)
    return "image" if is_image else "value"


def _range_of(hint: Any) -> str | None:
    """Return the media types of a field that is a file, several files, or perhaps none; else None."""
    parts = [part for part in _parts(hint) if part is not NoneType]
    items = [item for part in parts for item in (get_args(part) if get_origin(part) is list else (part,))]
    if not items or not all(map(uploads.is_file, items)):
        return None
    families = {item.family for item in items}
    return f"{families.pop() or '*'}/*" if len(families) == 1 else "*/*"


def _parts(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)


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
        if not isinstance(kind, type):
            return {}
        if issubclass(kind, MediaFile):
            return reference(FILE_NAME) if self._for_response else {"type": "string", "format": "binary"}
        if is_model(kind):
            schema, found = of_model(kind, self._prefix, for_response=self._for_response)
            self.components.update(found)
            return schema
        return {}
