"""What a route answers, in the form of OpenAPI 3.1: results, jobs, and every error that there may be.

Floor 3. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from aylien_model_serving.codecs import JSON, QUERY_METHODS
from aylien_model_serving.errors import reason
from aylien_model_serving.failures import PROBLEM_JSON
from aylien_model_serving.jobs.view import ShownJob
from aylien_model_serving.routes import Route
from aylien_model_serving.schemas import Schema
from aylien_model_serving.schemas.description import Description, Form, JSONSchema, reference
from aylien_model_serving.streaming import EVENT_STREAM, LINES

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

#: Components of every document.
SCHEMAS = {"Error": _ERROR, "Problem": _PROBLEM}


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


def of(described: Described, description: Description, method: str, with_keys: bool) -> dict[str, Any]:
    """Return the answers of one operation by their status, those to what can't be answered included."""
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


#: The errors of every route by their status.
REFUSALS = {str(status): _refusal(status) for status in (400, 401, 403, 404, 413, 415, 429, 500, 503, 504)}
