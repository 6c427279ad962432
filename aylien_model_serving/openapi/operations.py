"""The operations of a route, in the form of OpenAPI 3.1: parameters, bodies, examples.

Pure. The fields come from the schema; descriptions, defaults and examples come from the handler's docstring,
its signature and the route's `warmup`.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec

from aylien_model_serving import codecs
from aylien_model_serving.codecs import DECODERS, JSON, QUERY_METHODS
from aylien_model_serving.handlers import docstrings
from aylien_model_serving.openapi.responses import DescribedRoute
from aylien_model_serving.routing.routes import Route
from aylien_model_serving.schemas.description import BINARY, Description, JSONSchema, WholeBody

_PATH_VALUE = re.compile(r"<(?:[^<>]*:)?(\w+)>")

#: Path values that may contain slashes; a slash in any other leads to another route.
_WITH_SLASHES = re.compile(r"<path(?:\([^<>]*\))?:(\w+)>")

#: Bytes of JSON up to which a default is shown.
_MAX_DEFAULT_BYTES = 1000

#: Headers that clients may send with a job.
_JOB_HEADERS: list[dict[str, Any]] = [
    {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "Of equal calls with the same key, the first makes a job that the others get too",
        "schema": {"type": "string", "maxLength": 256},
    },
    {
        "name": "X-Job-Priority",
        "in": "header",
        "description": "Jobs of a higher priority are started first; the route's own priority is the maximum",
        "schema": {"type": "integer"},
    },
]


def path_of(endpoint: str) -> str:
    """Return a path in the document's syntax."""
    return _PATH_VALUE.sub(r"{\1}", endpoint)


def with_docs(route: Route, description: Description) -> Description:
    """Return a description with the handler's docstring and defaults added to the fields."""
    known: Mapping[str, JSONSchema] = description.fields.get("properties", {})
    docstring = docstrings.of(route.callable).arguments
    defaults = {} if route.batch is not None else _defaults(route.callable)
    shown: dict[str, JSONSchema] = {}
    for name, schema in known.items():
        extra = {"description": docstring[name]} if name in docstring else {}
        if name in defaults and name not in description.files:
            extra["default"] = defaults[name]
        shown[name] = {**extra, **schema}
    fields = {**description.fields, "properties": shown} if known else description.fields
    return replace(description, fields=fields)


def _defaults(handler: Any) -> dict[str, Any]:
    """Return the defaults of the fields, as JSON values."""
    try:
        parameters = inspect.signature(handler.__call__ if inspect.isclass(handler) else handler).parameters
    except (TypeError, ValueError):
        return {}
    given = {name: item.default for name, item in parameters.items() if item.default is not item.empty}
    return {name: value for name, default in given.items() if (value := _as_json(default)) is not None}


def _as_json(value: Any) -> Any:
    """Return a value as clients would send it, or None if it has no JSON, or too much to be shown."""
    if value is None:
        return None
    try:
        text = codecs.JSON.encode(value)
        return msgspec.json.decode(text) if len(text) <= _MAX_DEFAULT_BYTES else None
    except Exception:  # a default may be any object, and a file has no JSON to show
        return None


def _examples(route: Route) -> dict[str, Any]:
    """Return the fields of the warm-up call, as clients would send them."""
    given = {name: _as_json(value) for name, value in (route.warmup or {}).items()}
    return {name: value for name, value in given.items() if value is not None}


def parameters(route: Route, description: Description, method: str) -> list[dict[str, Any]]:
    """Return the parameters of an operation in path, query and headers."""
    known: Mapping[str, JSONSchema] = description.fields.get("properties", {})
    in_path = _PATH_VALUE.findall(route.endpoint)
    shown = [_parameter(route, "path", name, known.get(name, {"type": "string"})) for name in in_path]
    with_slashes = _WITH_SLASHES.findall(route.endpoint)
    shown = [
        {**item, "schema": {**item["schema"], "x-path": True}} if item["name"] in with_slashes else item
        for item in shown
    ]
    if method in QUERY_METHODS:
        required = description.fields.get("required", ())
        shown += [
            {**_parameter(route, "query", name, schema), "required": name in required}
            for name, schema in known.items()
            if name not in route.path_names
        ]
    return [*shown, *description.parameters, *(_JOB_HEADERS if route.job is not None else [])]


def _parameter(route: Route, location: str, name: str, schema: JSONSchema) -> dict[str, Any]:
    plain = {key: value for key, value in schema.items() if key != "description"}
    examples = _examples(route)
    return {
        "name": name,
        "in": location,
        **({"description": schema["description"]} if "description" in schema else {}),
        "required": True,
        "schema": plain,
        **({"example": examples[name]} if name in examples else {}),
    }


def body(described: DescribedRoute, description: Description) -> dict[str, Any]:
    """Return the request bodies; files are shown as a form, the most efficient way to send them."""
    route = described.route
    fields = _without(description.fields, route.path_names)
    elsewhere = route.path_names
    if described.schema is not None and described.schema.parameters is not None:
        elsewhere |= described.schema.parameters.names
    examples = {name: value for name, value in _examples(route).items() if name not in elsewhere}
    content: dict[str, Any]
    if description.files:
        encoding = {name: {"contentType": kind} for name, kind in description.files.items()}
        content = {"multipart/form-data": {"schema": _form(fields, examples), "encoding": encoding}}
    elif description.body is not None:
        content = _whole_body(description.body, examples)
    else:
        content = {JSON.media_type: {"schema": fields, **({"example": examples} if examples else {})}}
    known = described.schema.decoders if described.schema is not None else {}
    raw = {} if described.schema is None else described.schema.raw
    content.update({name: {} for name in known if name not in DECODERS and name not in raw})
    content.update({name: {"schema": _raw(name)} for name in raw})
    if description.body is None:
        return {"required": bool(fields.get("required")), "content": content}
    text = docstrings.of(route.callable).arguments.get(description.body.parameter)
    shown = {"description": text} if text else {}
    return {**shown, "required": description.body.required, "content": content}


def _whole_body(body: WholeBody, examples: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of a body of JSON that is one value; a bare file is sent as it is."""
    if body.schema == BINARY:
        return {}
    example = examples.get(body.parameter) if body.is_bare else examples
    return {JSON.media_type: {"schema": body.schema, **({"example": example} if examples else {})}}


def _raw(media_type: str) -> JSONSchema:
    """Return the schema of a body that is taken as it is."""
    return {"type": "string"} if media_type.startswith("text/") else BINARY


def _form(fields: JSONSchema, examples: Mapping[str, Any]) -> JSONSchema:
    """Return the schema of a form, which has a part for each given field, and can't express null."""
    shown: dict[str, JSONSchema] = {}
    for name, schema in fields.get("properties", {}).items():
        shown[name] = _not_null(schema)
        if name in examples:
            shown[name] = {**shown[name], "examples": [examples[name]]}
    return {**fields, "properties": shown}


def _not_null(schema: JSONSchema) -> JSONSchema:
    left = [part for part in schema.get("anyOf", ()) if part != {"type": "null"}]
    if len(left) != 1:
        return schema
    return {**{key: value for key, value in schema.items() if key != "anyOf"}, **left[0]}


def _without(fields: JSONSchema, names: frozenset[str]) -> JSONSchema:
    """Return the schema of the fields outside of the path."""
    if not names or "properties" not in fields:
        return fields
    left = {name: schema for name, schema in fields["properties"].items() if name not in names}
    required = [name for name in fields.get("required", ()) if name not in names]
    kept = {key: value for key, value in fields.items() if key != "required"}
    return {**kept, "properties": left, **({"required": required} if required else {})}
