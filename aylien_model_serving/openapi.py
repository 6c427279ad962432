"""Routes → the document that tells clients of them, in the form of OpenAPI 3.1.

Floor 3. Pure. https://spec.openapis.org/oas/v3.1.1 is the form; `info.apipod` is for clients of APIPod 1.0,
which read from it that jobs, files and their states have the form that they know.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping
from typing import Any

from aylien_model_serving import openapi_answers as answers
from aylien_model_serving.codecs import DECODERS, JSON, QUERY_METHODS
from aylien_model_serving.jobs.view import ShownJob
from aylien_model_serving.openapi_answers import Described
from aylien_model_serving.routes import Route
from aylien_model_serving.schemas.description import FILE, Description, JSONSchema, of_type

#: The version of the protocol of APIPod whose clients read the document.
_APIPOD = "1.0.33"

#: The document needs a version of the service's interface, and routes have none.
_VERSION = "1.0.0"

_SECURITY = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}

_PATH_VALUE = re.compile(r"<(?:[^<>]*:)?(\w+)>")


def document(routes: Iterable[Described], title: str, server: str, *, with_keys: bool) -> dict[str, Any]:
    """Return the document of a service.

    Args:
        routes: what it answers.
        title: its name.
        server: the path below which it is served.
        with_keys: whether clients need an API key.
    """
    paths: dict[str, Any] = {}
    has_jobs = False
    schemas: dict[str, Any] = {**answers.SCHEMAS, "File": FILE}
    for described in routes:
        description = _describe(described)
        schemas.update(description.components)
        if described.route.job is not None:
            has_jobs = True
            schemas.update(of_type(ShownJob)[1])
        for method in described.route.methods:
            path = paths.setdefault(_PATH_VALUE.sub(r"{\1}", described.route.endpoint), {})
            path[method.lower()] = _operation(described, description, method, with_keys)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": _VERSION, "apipod": _apipod(has_jobs)},
        "servers": [{"url": server or "/"}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": answers.REFUSALS,
            **({"securitySchemes": _SECURITY} if with_keys else {}),
        },
        **({"security": [{name: []} for name in _SECURITY]} if with_keys else {}),
    }


def _apipod(has_jobs: bool) -> dict[str, str]:
    """Return how a service presents itself to clients of APIPod.

    They follow the jobs of a "serverless" one; of a "dedicated" one they take each answer as it is.
    """
    return {"compute": "serverless" if has_jobs else "dedicated", "version": _APIPOD}


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
        "responses": answers.of(described, description, method, with_keys),
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
