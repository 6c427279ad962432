"""Description of an app as JSON: for each route its fields, and how it runs.

Builds nothing: where an app is made for it alone, that is within `lifecycle.is_inspecting`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from flask import Flask

from aylien_model_serving.executors.batch_policy import BatchOptions
from aylien_model_serving.models.dependencies import models_of
from aylien_model_serving.openapi.responses import DescribedRoute
from aylien_model_serving.routing.routes import Route
from aylien_model_serving.routing.runner_options import RunnerOptions
from aylien_model_serving.schemas.description import Description, JSONSchema
from aylien_model_serving.web import grpc_hosting
from aylien_model_serving.web.app import ServingFlask
from aylien_model_serving.web.job_store import place_of_jobs

#: Pages for people, of which a service may have some switched off.
PAGES = ("/docs", "/__dashboard", "/openapi.json")

#: Left out of each rule: Flask adds them to all.
_IMPLIED_METHODS = {"HEAD", "OPTIONS"}

#: Beginning of the names of this library's own endpoints in Flask's map.
_OWN = "model_serving:"

_VIEW = "a Flask view"


def describe_app(app: Any) -> dict[str, Any]:
    """Return the routes and pages of an app, and the place of its jobs.

    Args:
        app: a Flask app, or another WSGI or ASGI application, of which nothing is known.
    """
    if not isinstance(app, Flask):
        return {"routes": [], "pages": [], "jobs": None}
    routes = app.state.routes if isinstance(app, ServingFlask) else []
    own = [_described_route(route) for route in routes if not route.is_own]
    pages = {rule.rule for rule in app.url_map.iter_rules()}.intersection(PAGES)
    return {
        "routes": [*own, *_methods(app), *_models(routes), *_views(app), *_mounts(app)],
        "pages": [page for page in PAGES if page in pages],
        "jobs": _place_of_jobs(app, routes),
    }


def _place_of_jobs(app: Flask, routes: Iterable[DescribedRoute]) -> str | None:
    if not isinstance(app, ServingFlask):
        return None
    return place_of_jobs(app.state.settings, [described.route for described in routes])


def _mounts(app: Flask) -> Iterator[dict[str, Any]]:
    """Yield the mounted applications, of which the path alone is known."""
    for mount in app.mounts if isinstance(app, ServingFlask) else ():
        name = type(getattr(mount, "app", mount)).__name__
        yield {"path": f"{mount.path}/", "methods": ["*"], "name": name, "fields": [], "runs": "mounted"}


def _methods(app: Flask) -> Iterator[dict[str, Any]]:
    """Yield the methods of the gRPC server, where there is one, and which process runs their handlers."""
    if not isinstance(app, ServingFlask) or app.state.settings.grpc_port is None:
        return
    for method in grpc_hosting.definition_of(app).methods:
        place = "in the gRPC server's process" if method.route.runner is None else "by the route's replicas"
        shown = "a stream, " if method.streams else ""
        yield {
            "path": method.path,
            "methods": ["gRPC"],
            "name": method.route.name,
            "fields": [field.name for field in method.request.DESCRIPTOR.fields],
            "runs": f"{shown}{place}",
        }


def _models(routes: Iterable[DescribedRoute]) -> Iterator[dict[str, Any]]:
    """Yield the models that handlers call, which have no path."""
    for model in models_of(described.route.callable for described in routes if not described.is_own):
        if not any(described.route.name == model.name for described in routes):
            yield {
                "path": "",
                "methods": ["model"],
                "name": model.name,
                "fields": [],
                "runs": "; ".join(_runs(model.route)),
                "set_by_operator": _set_by_operator(model.route),
            }


def _set_by_operator(route: Route) -> list[dict[str, Any]]:
    return [
        {"option": ".".join(one.path), "value": one.value, "from": one.origin}
        for one in route.set_by_operator
    ]


def _views(app: Flask) -> Iterator[dict[str, Any]]:
    """Yield the rules of a Flask app that are no routes of this library."""
    own = app.untracked if isinstance(app, ServingFlask) else ()
    for rule in app.url_map.iter_rules():
        if rule.endpoint in own or rule.endpoint.startswith(_OWN):
            continue
        methods = sorted(set(rule.methods or ()) - _IMPLIED_METHODS)
        yield {
            "path": rule.rule,
            "methods": methods,
            "name": rule.endpoint,
            "fields": [],
            "runs": "a Flask view",
        }


def _described_route(described: DescribedRoute) -> dict[str, Any]:
    route = described.route
    return {
        "path": route.endpoint,
        "methods": list(route.methods),
        "name": route.name,
        "fields": [] if described.schema is None else list(_fields(described.schema.describe(""))),
        "runs": _VIEW if route.view else "; ".join(_runs(route)),
        "set_by_operator": _set_by_operator(route),
    }


def _fields(description: Description) -> Iterator[str]:
    """Yield each field as `name: type`, with a question mark where it may be left out; so a bare body."""
    schema, body = description.fields, description.body
    if body is not None and body.is_bare:
        yield f"body{'' if body.required else '?'}: {kind_of(body.schema)}"
    required = schema.get("required", ())
    for name, field in schema.get("properties", {}).items():
        yield f"{name}{'' if name in required else '?'}: {kind_of(field)}"


def kind_of(schema: JSONSchema) -> str:
    """Return one word, or a few, for the type that a JSON Schema describes."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2].rpartition(".")[2]
    for word in ("anyOf", "oneOf"):
        if word in schema:
            return " | ".join(dict.fromkeys(kind_of(one) for one in schema[word]))
    if "enum" in schema:
        return " | ".join(map(repr, schema["enum"]))
    kind = schema.get("type", "any")
    if kind == "array":
        return f"[{kind_of(schema.get('items', {}))}]"
    return " | ".join(kind) if isinstance(kind, list) else str(kind)


def _runs(route: Route) -> Iterator[str]:
    if route.job is not None:
        yield f"as jobs, {route.job.queue_size} may wait"
    if route.runner is not None:
        yield _hosting(route.runner)
    if route.batch is not None:
        yield _batching(route.batch)
    if route.cache:
        yield "cached" if route.cache is True else f"cached for {route.cache} s"
    if route.timeout is not None:
        yield f"{route.timeout:g} s at most"
    if route.threads > 1:
        yield f"{route.threads} threads"


def _hosting(hosting: RunnerOptions) -> str:
    if hosting.ray is not None:
        least, most = hosting.ray.replicas
        number = f"{least} to {most}" if least < most else f"{most}"
        return f"{number} replica{'s' if most > 1 else ''} on Ray"
    devices = "" if hosting.devices == "auto" else f" on {_listed(hosting.devices)}"
    if not isinstance(hosting.replicas, int):
        return f"{hosting.replicas[0]} to {hosting.replicas[1]} replicas{devices}"
    return f"{hosting.replicas} replica{'s' if hosting.replicas > 1 else ''}{devices}"


def _batching(batching: BatchOptions) -> str:
    total = "" if batching.max_total is None else f", of {batching.max_total:g} in total"
    return f"batches of up to {batching.max_size}{total}"


def _listed(words: Iterable[str]) -> str:
    return ", ".join(words)
