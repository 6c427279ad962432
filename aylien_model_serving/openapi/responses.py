"""The responses of a route, in the form of OpenAPI 3.1: results, jobs, and every possible error.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from aylien_model_serving import errors
from aylien_model_serving.codecs import JSON, QUERY_METHODS
from aylien_model_serving.codecs.streaming import EVENT_STREAM, LINES
from aylien_model_serving.core.messages import REQUEST_ID_HEADER
from aylien_model_serving.dispatch.cache import CACHE_HEADER
from aylien_model_serving.dispatch.error_responses import PROBLEM_JSON
from aylien_model_serving.handlers.docstrings import Docstring
from aylien_model_serving.jobs.view import ShownJob
from aylien_model_serving.limiting.limiter import LIMIT_HEADER, POLICY_HEADER
from aylien_model_serving.routing.routes import Route
from aylien_model_serving.schemas import Schema
from aylien_model_serving.schemas.description import Description, JSONSchema, ResponseForm, reference

_MEDIA_TYPES: Mapping[ResponseForm, tuple[str, ...]] = {
    "value": (JSON.media_type,),
    "file": (JSON.media_type,),
    "items": (LINES, EVENT_STREAM),
    "events": (EVENT_STREAM,),
}

_DESCRIPTIONS: Mapping[ResponseForm, str] = {
    "value": "The result",
    "file": "The file: its bytes for clients that accept them, else a file object",
    "items": "The items as they are yielded, each as a line of JSON or an event. An error is the last item",
    "events": "The items as they are yielded, each as an event",
}

_ERROR: JSONSchema = {
    "type": "object",
    "description": "The members of every error",
    "properties": {
        "error": {"type": "string", "description": "A message for people"},
        "code": {"type": "string", "description": "A code for programs"},
        "request_id": {
            "type": "string",
            "description": "The request's id in the service's log",
        },
    },
    "required": ["error", "code", "request_id"],
}

#: RFC 9457, in addition to the members of every error.
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

#: Components of every document.
SCHEMAS = {"Error": _ERROR, "Problem": _PROBLEM}

HEADERS: dict[str, Any] = {
    REQUEST_ID_HEADER: {
        "description": "The request's id; a client may set it by the same header",
        "schema": {"type": "string"},
    },
    CACHE_HEADER: {
        "description": "Whether the response came from the cache",
        "schema": {"enum": ["hit", "miss"]},
    },
    "Location": {"description": "The URL of the job's status", "schema": {"type": "string"}},
    "Retry-After": {
        "description": "Seconds to wait before a retry",
        "schema": {"type": "integer", "minimum": 0},
    },
    POLICY_HEADER: {
        "description": "The limits: calls `q` in a window of `w` seconds, or at once",
        "schema": {"type": "string"},
    },
    LIMIT_HEADER: {
        "description": "What is left of each limit: calls `r`, and seconds `t` until there are more",
        "schema": {"type": "string"},
    },
    "WWW-Authenticate": {"description": "How to send an API key", "schema": {"type": "string"}},
    "Accept-Encoding": {
        "description": "The content codings that are understood, where the body has another one",
        "schema": {"type": "string"},
    },
    "Allow": {"description": "The methods that the path accepts", "schema": {"type": "string"}},
}

_HEADERS_OF_STATUS: Mapping[int, tuple[str, ...]] = {
    401: ("WWW-Authenticate",),
    405: ("Allow",),
    415: ("Accept-Encoding",),
    429: ("Retry-After", POLICY_HEADER, LIMIT_HEADER),
    503: ("Retry-After",),
}


class DescribedRoute(NamedTuple):
    """A route as it is served.

    Args:
        route: the route.
        schema: of its fields and results; None for a view, of which nothing is known.
        is_own: whether it is one of the routes that every service with jobs has.
    """

    route: Route
    schema: Schema | None
    is_own: bool = False


def of(
    described: DescribedRoute, description: Description, method: str, with_keys: bool, docstring: Docstring
) -> dict[str, Any]:
    """Return the responses of one operation by status, errors included.

    Args:
        described: the route.
        description: its schemas.
        method: of the operation.
        with_keys: whether clients need an API key.
        docstring: of the handler, which may list the errors that it raises.
    """
    if described.route.job is not None:
        shown = {"202": _accepted(description)}
    else:
        shown = {"200": _success(described, description, docstring)}
    statuses = {*_statuses(described, method, with_keys), *_raised_statuses(docstring)}
    return shown | {str(status): {"$ref": f"#/components/responses/{status}"} for status in sorted(statuses)}


def _success(described: DescribedRoute, description: Description, docstring: Docstring) -> dict[str, Any]:
    text = docstring.returns or (
        _DESCRIPTIONS[description.form] if described.schema is not None else "The result"
    )
    headers = _headers(REQUEST_ID_HEADER, *([CACHE_HEADER] if described.route.cache else []))
    shown = {"description": text, "headers": headers}
    if described.schema is None:
        return shown
    content: dict[str, Any] = {}
    if description.result_range is not None:
        content[description.result_range] = {}  # the first is what `/docs` asks for, and shows
    content |= {name: _media_type_object(name, description) for name in _MEDIA_TYPES[description.form]}
    if description.form == "value":
        content |= {other.media_type: {} for other in described.schema.encoders if other != JSON}
    return {**shown, "content": content}


def _headers(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _media_type_object(media_type: str, description: Description) -> dict[str, Any]:
    return {"schema": _event(description) if media_type == EVENT_STREAM else description.result}


def _event(description: Description) -> JSONSchema:
    """Return the schema of one server-sent event, as in OpenAPI 3.2."""
    data: JSONSchema = {"type": "string", "contentMediaType": JSON.media_type}
    if description.form == "items":
        data["contentSchema"] = description.result
    return {
        "type": "object",
        "properties": {"event": {"type": "string"}, "data": data},
        "required": ["data"],
    }


def _accepted(description: Description) -> dict[str, Any]:
    """Return the response of a route whose calls become jobs."""
    is_list = description.form in ("items", "events")
    result = {"type": "array", "items": description.result} if is_list else description.result
    schema = {"allOf": [reference(ShownJob.__name__), {"properties": {"result": result}}]}
    return {
        "description": "The job, with its result once it has finished",
        "headers": _headers(REQUEST_ID_HEADER, "Location"),
        "content": {JSON.media_type: {"schema": schema}},
        "links": {name: _link(f"job_{name}") for name in ("status", "cancel", "stream")},
    }


def _link(operation: str) -> dict[str, Any]:
    return {"operationId": operation, "parameters": {"job_id": "$response.body#/job_id"}}


def _statuses(described: DescribedRoute, method: str, with_keys: bool) -> list[int]:
    """Return the statuses of the errors that a route may respond with by itself."""
    route = described.route
    cases = {
        400: True,
        401: with_keys,
        403: with_keys,
        404: described.is_own or bool(route.path_names),
        413: method not in QUERY_METHODS,
        414: method in QUERY_METHODS,
        415: method not in QUERY_METHODS,
        422: route.job is not None,
        429: route.job is not None or route.limit is not None,
        500: True,
        503: described.is_own or route.runner is not None or route.batch is not None,
        504: True,
    }
    return [status for status, may_be in cases.items() if may_be]


def _raised_statuses(docstring: Docstring) -> list[int]:
    """Return the statuses of the errors that a handler's docstring lists."""
    known = {kind.__name__: kind.status for kind in _error_classes(errors.ServingError)}
    return [known[name] for name in docstring.raises if name in known]


def _error_classes(kind: type[errors.ServingError]) -> Iterator[type[errors.ServingError]]:
    """Yield the public errors of the package, without those that services add."""
    if kind.__module__ == errors.__name__ and not kind.__name__.startswith("_"):
        yield kind
    for below in kind.__subclasses__():
        yield from _error_classes(below)


def _error_response(status: int) -> dict[str, Any]:
    classes = {kind.code: kind for kind in _error_classes(errors.ServingError) if kind.status == status}
    headers = _headers(REQUEST_ID_HEADER, *_HEADERS_OF_STATUS.get(status, ()))
    examples = {code: {"value": _example(kind)} for code, kind in classes.items()}
    codes = ", ".join(f"`{code}`" for code in classes)
    return {
        "description": f"{errors.reason(status)}{codes and ': '}{codes}",
        "headers": headers,
        "content": {
            JSON.media_type: {"schema": reference("Error"), **({"examples": examples} if examples else {})},
            PROBLEM_JSON: {"schema": reference("Problem")},
        },
    }


def _example(kind: type[errors.ServingError]) -> dict[str, str]:
    return {"error": kind.message, "code": kind.code, "request_id": "5f1c0a"}


_STATUSES = (400, 401, 403, 404, 405, 409, 413, 414, 415, 422, 429, 500, 503, 504)

#: The errors of every route by status; 414 comes from the server, which limits the length of a query.
ERROR_RESPONSES = {str(status): _error_response(status) for status in _STATUSES}
