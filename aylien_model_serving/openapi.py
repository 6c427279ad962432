"""Routes → the document that tells clients of them, in the form of OpenAPI 3.1.

Floor 3. Pure. https://spec.openapis.org/oas/v3.1.1 is the form; `info.apipod` is for clients of APIPod 1.0,
which read from it that jobs, files and their states have the form that they know.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from aylien_model_serving.codecs import DECODERS, JSON, QUERY_METHODS
from aylien_model_serving.errors import reason
from aylien_model_serving.failures import PROBLEM_JSON
from aylien_model_serving.jobs.view import ShownJob
from aylien_model_serving.routes import Route
from aylien_model_serving.schemas import Schema
from aylien_model_serving.schemas.description import (
    FILE,
    Description,
    Form,
    JSONSchema,
    of_type,
    reference,
)
from aylien_model_serving.streaming import EVENT_STREAM, LINES

#: How a service presents itself to clients of APIPod: the version is that of the protocol. A client of a
#: "dedicated" one takes each answer as it is, and follows a job when it is told to.
APIPOD = {"compute": "dedicated", "version": "1.0.33"}

#: The document needs a version of the service's interface, and routes have none.
_VERSION = "1.0.0"

_ANSWERS: Mapping[Form, tuple[str, ...]] = {
    "value": (JSON.media_type,),
    "picture": (JSON.media_type, "image/*"),
    "items": (LINES, EVENT_STREAM),
    "events": (EVENT_STREAM,),
}

_ERROR: JSONSchema = {
    "type": "object",
    "properties": {name: {"type": "string"} for name in ("error", "code", "request_id")},
    "required": ["error", "code", "request_id"],
}

#: RFC 9457, beside the members of every error.
_PROBLEM: JSONSchema = {
    "allOf": [
        reference("Error"),
        {
            "properties": {
                **{name: {"type": "string"} for name in ("type", "title", "detail")},
                "status": {"type": "integer"},
            }
        },
    ],
}

_STATUSES = (400, 401, 403, 404, 413, 415, 429, 500, 503, 504)

_SECURITY = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}

_PATH_VALUE = re.compile(r"<(?:[^<>]*:)?(\w+)>")


class Described(NamedTuple):
    """A route as it is served.

    Args:
        route: the route.
        schema: what checks its calls; None for a view, of which nothing is known.
        is_own: whether it is one of those that every service with jobs has.
    """

    route: Route
    schema: Schema | None
    is_own: bool = False


def document(routes: Iterable[Described], title: str, server: str, *, with_keys: bool) -> dict[str, Any]:
    """Return the document of a service.

    Args:
        routes: what it answers.
        title: its name.
        server: the path below which it is served.
        with_keys: whether clients need an API key.
    """
    paths: dict[str, Any] = {}
    schemas: dict[str, Any] = {"Error": _ERROR, "Problem": _PROBLEM, "File": FILE}
    for described in routes:
        description = _describe(described)
        schemas.update(description.components)
        if described.route.job is not None:
            schemas.update(of_type(ShownJob)[1])
        for method in described.route.methods:
            path = paths.setdefault(_PATH_VALUE.sub(r"{\1}", described.route.endpoint), {})
            path[method.lower()] = _operation(described, description, method, with_keys)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": _VERSION, "apipod": APIPOD},
        "servers": [{"url": server or "/"}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": {str(status): _refusal(status) for status in _STATUSES},
            **({"securitySchemes": _SECURITY} if with_keys else {}),
        },
        **({"security": [{name: []} for name in _SECURITY]} if with_keys else {}),
    }


def _describe(described: Described) -> Description:
    if described.schema is None:
        return Description({"type": "object"})
    return described.schema.describe("" if described.is_own else f"{_word(described.route.name)}.")


def _word(name: str) -> str:
    return re.sub(r"\W+", "_", name).strip("_")


def _operation(
    described: Described, description: Description, method: str, with_keys: bool
) -> dict[str, Any]:
    route = described.route
    is_only = len(route.methods) == 1
    shown: dict[str, Any] = {
        "operationId": _word(route.name if is_only else f"{route.name}_{method.lower()}"),
        **_told(route.callable),
        "tags": ["jobs" if described.is_own else "service"],
        "parameters": _parameters(route, description, method),
        "responses": _responses(described, description, method, with_keys),
    }
    if method not in QUERY_METHODS:
        shown["requestBody"] = _body(described, description)
    if route.timeout is not None:
        shown["x-timeout"] = route.timeout  # seconds, as clients of APIPod read it
    return {name: value for name, value in shown.items() if value}


def _told(handler: Any) -> dict[str, str]:
    """Return what a handler's docstring says of it, its first line and all of it."""
    own = handler if inspect.isclass(handler) or inspect.isroutine(handler) else type(handler)
    text = inspect.getdoc(own.__call__ if inspect.isclass(own) else own) or inspect.getdoc(own)
    if not text or text == inspect.getdoc(type.__call__):
        return {}
    summary, _, rest = text.partition("\n")
    return {"summary": summary, **({"description": text} if rest.strip() else {})}


def _parameters(route: Route, description: Description, method: str) -> list[dict[str, Any]]:
    known: Mapping[str, JSONSchema] = description.fields.get("properties", {})
    shown = [
        {"name": name, "in": "path", "required": True, "schema": known.get(name, {"type": "string"})}
        for name in _PATH_VALUE.findall(route.endpoint)
    ]
    if method in QUERY_METHODS:
        required = description.fields.get("required", ())
        shown += [
            {"name": name, "in": "query", "required": name in required, "schema": schema}
            for name, schema in known.items()
            if name not in route.path_names
        ]
    return shown


def _body(described: Described, description: Description) -> dict[str, Any]:
    """Return the bodies that are understood; files are shown as a form, in which they are sent best."""
    fields = _without(description.fields, described.route.path_names)
    if description.files:
        encoding = {name: {"contentType": kind} for name, kind in description.files.items()}
        content = {"multipart/form-data": {"schema": fields, "encoding": encoding}}
    else:
        content = {JSON.media_type: {"schema": fields}}
    known = described.schema.decoders if described.schema is not None else {}
    content.update({name: {} for name in known if name not in DECODERS})
    return {"required": bool(fields.get("required")), "content": content}


def _without(fields: JSONSchema, names: frozenset[str]) -> JSONSchema:
    """Return the schema of the fields that are not part of the path."""
    if not names or "properties" not in fields:
        return fields
    left = {name: schema for name, schema in fields["properties"].items() if name not in names}
    required = [name for name in fields.get("required", ()) if name not in names]
    kept = {key: value for key, value in fields.items() if key != "required"}
    return {**kept, "properties": left, **({"required": required} if required else {})}


def _responses(
    described: Described, description: Description, method: str, with_keys: bool
) -> dict[str, Any]:
    route = described.route
    shown: dict[str, Any]
    if route.job is not None:
        shown = {"202": _accepted(description)}
    elif described.schema is None:
        shown = {"200": {"description": "The answer"}}
    else:
        content = {name: _answer(name, description) for name in _ANSWERS[description.form]}
        content |= {other.media_type: {} for other in described.schema.encoders if other != JSON}
        shown = {"200": {"description": "The answer", "content": content}}
    statuses = map(str, _statuses(described, method, with_keys))
    return shown | {status: {"$ref": f"#/components/responses/{status}"} for status in statuses}


def _answer(media_type: str, description: Description) -> dict[str, Any]:
    return {} if media_type.startswith("image/") else {"schema": description.result}


def _accepted(description: Description) -> dict[str, Any]:
    """Return the answer of a route that keeps its calls as jobs."""
    is_list = description.form in ("items", "events")
    result = {"type": "array", "items": description.result} if is_list else description.result
    schema = {"allOf": [reference(ShownJob.__name__), {"properties": {"result": result}}]}
    location = {"description": "Where the job's state is told", "schema": {"type": "string"}}
    return {
        "description": "The job; its result is there once it has finished",
        "headers": {"Location": location},
        "content": {JSON.media_type: {"schema": schema}},
    }


def _statuses(described: Described, method: str, with_keys: bool) -> list[int]:
    """Return the statuses of the errors that a route may answer with."""
    route = described.route
    cases = {
        400: True,
        401: with_keys,
        403: with_keys,
        404: described.is_own or bool(route.path_names),
        413: method not in QUERY_METHODS,
        415: method not in QUERY_METHODS,
        429: route.job is not None,
        500: True,
        503: described.is_own or route.runner is not None or route.batch is not None,
        504: True,
    }
    return [status for status, may_be in cases.items() if may_be]


def _refusal(status: int) -> dict[str, Any]:
    return {
        "description": reason(status),
        "content": {
            JSON.media_type: {"schema": reference("Error")},
            PROBLEM_JSON: {"schema": reference("Problem")},
        },
    }
