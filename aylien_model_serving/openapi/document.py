"""Routes → the OpenAPI 3.1 document of a service.

Pure. The format is https://spec.openapis.org/oas/v3.1.1. Clients of APIPod recognize by the component
`FileModel` that jobs and files have the form that they know, and by the path `/status` that there are jobs.
Written here since the package `apispec` takes marshmallow schemas and YAML in
docstrings, where a route has protobuf messages, type hints or pydantic models.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from aylien_model_serving.codecs import QUERY_METHODS
from aylien_model_serving.handlers import docstrings
from aylien_model_serving.jobs.view import ShownJob
from aylien_model_serving.openapi import operations
from aylien_model_serving.openapi import responses as responses
from aylien_model_serving.openapi.responses import DescribedRoute
from aylien_model_serving.schemas.description import FILE, FILE_NAME, Description, of_type

#: The document needs a version of the service's API, and routes have none.
VERSION = "1.0.0"

_SECURITY = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}

_SERVICE, _JOBS = "service", "jobs"

_TAGS = {
    _SERVICE: "The routes of this service",
    _JOBS: "Calls that are accepted at once and run in the background: their status and results",
}


def document(routes: Iterable[DescribedRoute], title: str, server: str, *, with_keys: bool) -> dict[str, Any]:
    """Return the document of a service.

    Args:
        routes: its routes.
        title: its name.
        server: the path below which it is served.
        with_keys: whether clients need an API key.
    """
    listed = list(routes)
    schemas: dict[str, Any] = {**responses.SCHEMAS, FILE_NAME: FILE}
    if any(described.route.job is not None for described in listed):
        schemas.update(of_type(ShownJob)[1])
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": VERSION},
        "servers": [{"url": server or "/"}],
        "tags": [{"name": name, "description": _TAGS[name]} for name in _tags(listed)],
        "paths": _paths(listed, schemas, with_keys),
        "components": {
            "schemas": schemas,
            "responses": responses.ERROR_RESPONSES,
            "headers": responses.HEADERS,
            **({"securitySchemes": _SECURITY} if with_keys else {}),
        },
        **({"security": [{name: []} for name in _SECURITY]} if with_keys else {}),
    }


def _tags(routes: Iterable[DescribedRoute]) -> list[str]:
    used = {_tag(described) for described in routes}
    return [name for name in _TAGS if name in used]


def _tag(described: DescribedRoute) -> str:
    return _JOBS if described.is_own else _SERVICE


def _paths(routes: Iterable[DescribedRoute], schemas: dict[str, Any], with_keys: bool) -> dict[str, Any]:
    """Return the operations by path and method, and add the components that they refer to."""
    paths: dict[str, Any] = {}
    ids: set[str] = set()
    for described in routes:
        description = _describe(described)
        schemas.update(description.components)
        for method in described.route.methods:
            shown = _operation(described, description, method, with_keys)
            shown["operationId"] = _unique(shown["operationId"], ids)
            path = paths.setdefault(operations.path_of(described.route.endpoint), {})
            path[method.lower()] = shown
    return paths


def _describe(described: DescribedRoute) -> Description:
    if described.schema is None:
        return Description({"type": "object"})
    own = described.schema.describe("" if described.is_own else f"{_identifier(described.route.name)}.")
    if described.schema.parameters is not None:
        documented = docstrings.of(described.route.callable).arguments
        own = replace(own, parameters=described.schema.parameters.described(documented))
    return operations.with_docs(described.route, own)


def _identifier(name: str) -> str:
    """Return a name in the characters that keys of components may have."""
    return re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_") or "route"


def _unique(name: str, known: set[str]) -> str:
    """Return a name that is not among the known ones, and add it to them."""
    found, number = name, 1
    while found in known:
        number += 1
        found = f"{name}_{number}"
    known.add(found)
    return found


def _operation(
    described: DescribedRoute, description: Description, method: str, with_keys: bool
) -> dict[str, Any]:
    route = described.route
    docstring = docstrings.of(route.callable)
    is_only = len(route.methods) == 1
    shown: dict[str, Any] = {
        "operationId": _identifier(route.name if is_only else f"{route.name}_{method.lower()}"),
        "summary": docstring.summary,
        "description": docstring.text if docstring.text != docstring.summary else "",
        "tags": [_tag(described)],
        "parameters": operations.parameters(route, description, method),
        "responses": responses.of(described, description, method, with_keys, docstring),
    }
    if method not in QUERY_METHODS:
        shown["requestBody"] = operations.body(described, description)
    if route.timeout is not None:
        shown["x-timeout"] = route.timeout  # seconds, as clients of APIPod read it
    return {name: value for name, value in shown.items() if value}
