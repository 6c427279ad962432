"""The landing page: what GET of "/" answers in a service that has no route there.

It replaces the library's own 404 and nothing else: a route, a view, a mount or an error handler of the
application's own at "/" is never shadowed, and no request with a match pays for it.
"""

from __future__ import annotations

from html import escape
from typing import Any, NamedTuple, TypedDict
from urllib.parse import quote

from flask import Response, request
from markupsafe import Markup
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from aylien_model_serving import codecs
from aylien_model_serving.handlers import docstrings
from aylien_model_serving.openapi.responses import DescribedRoute
from aylien_model_serving.web import ops_endpoints, pages
from aylien_model_serving.web.adapters import flask, lazy_contexts
from aylien_model_serving.web.app import ServingFlask
from aylien_model_serving.web.landing_app import LANDING_METHODS


class Link(NamedTuple):
    """A page or document of every service.

    Args:
        name: its key in the JSON document.
        path: relative to "/".
        text: says what is there.
    """

    name: str
    path: str
    text: str


_DOCS = Link("docs", "docs", "Try the routes out")
_DASHBOARD = Link("dashboard", "__dashboard", "Dashboard")
_LINKS = (
    Link("openapi", "openapi.json", "OpenAPI document"),
    Link("liveness", "livez", "Liveness"),
    Link("readiness", "readyz", "Readiness"),
)


class RouteSummary(TypedDict):
    """A route, as the landing page lists it."""

    endpoint: str
    methods: list[str]
    summary: str


def register(app: ServingFlask) -> None:
    """Answer "/" with the landing page where nothing else does."""

    def answer(error: HTTPException) -> Any:
        if error is not request.routing_exception or not app.is_landing():
            return flask.http_exception_response(app.state.error_responses, error)
        if request.method not in LANDING_METHODS:
            request.routing_exception = refused = MethodNotAllowed(LANDING_METHODS)
            return flask.http_exception_response(app.state.error_responses, refused)
        lazy_contexts.mark_untracked(request)
        return _answer(app)

    # For all HTTP exceptions, not for NotFound alone, so that an application's own handler replaces it.
    app.register_error_handler(HTTPException, answer)
    app.landing_handler = answer


def _answer(app: ServingFlask) -> Response:
    """Return the page to clients that prefer HTML, and JSON to all others."""
    name = app.state.settings.service_name and _encodable(app.state.settings.service_name)
    routes = _routes(app)
    links = _links(app)
    if _prefers_html(request.headers.get("Accept", "")):
        response = pages.page(
            "landing.html",
            title=name or "model-serving",
            routes=_shown(routes),
            links=Markup("\n".join(map(_item, links))),
        )
    else:
        body = {"service": name, "routes": routes, "links": {link.name: link.path for link in links}}
        response = Response(codecs.JSON.encode(body), content_type=codecs.JSON.media_type)
    response.headers["Vary"] = "Accept"
    return response


def _routes(app: ServingFlask) -> list[RouteSummary] | None:
    """Return the routes; None for clients without an API key, which the OpenAPI document asks for as well."""
    if not app.knows_caller() and ops_endpoints.ROUTES_OPENED_BY.isdisjoint(app.state.settings.open):
        return None
    return [_summary(described) for described in app.state.routes if not described.is_own]


def _shown(routes: list[RouteSummary] | None) -> str:
    if routes is None:
        return "They are shown to clients with an API key."
    return _table(routes) if routes else "There are none."


def _prefers_html(accept: str) -> bool:
    """Return whether a client prefers HTML, also as one of `text/*`, which errors answer with JSON."""
    ranges = codecs.media_ranges(accept)
    html = codecs.preference("text/html", ranges)
    return html[0] > 0 and html > codecs.preference("application/json", ranges)


def _summary(described: DescribedRoute) -> RouteSummary:
    route = described.route
    return {
        "endpoint": _encodable(route.endpoint),
        "methods": list(route.methods),
        "summary": _encodable(docstrings.of(route.callable).summary),
    }


def _encodable(text: str) -> str:
    """Return a text with a "?" for each lone surrogate, which UTF-8 can't express."""
    return text.encode(errors="replace").decode()


def _links(app: ServingFlask) -> list[Link]:
    """Return the links, relative to the URL that the client has requested."""
    dashboard = (_DASHBOARD,) if app.state.settings.dashboard else ()
    folder, prefix = "", request.environ.get("SCRIPT_NAME", "")
    if prefix and not prefix.endswith("/") and not request.environ.get("PATH_INFO"):
        folder = f"./{quote(request.script_root.rpartition('/')[2], safe='')}/"
    return [link._replace(path=folder + link.path) for link in (_DOCS, *dashboard, *_LINKS)]


def _table(routes: list[RouteSummary]) -> Markup:
    head = "<thead><tr><th>Methods</th><th>Path</th><th>Summary</th></tr></thead>"
    rows = "\n".join(map(_row, routes))
    return Markup(f"<table>\n{head}\n<tbody>\n{rows}\n</tbody>\n</table>")


def _row(route: RouteSummary) -> str:
    cells = (" ".join(route["methods"]), route["endpoint"], route["summary"])
    methods, endpoint, summary = map(escape, cells)
    return f"<tr><td>{methods}</td><td><code>{endpoint}</code></td><td>{summary}</td></tr>"


def _item(link: Link) -> str:
    return f'<li><a href="{escape(link.path)}">{escape(link.text)}</a></li>'
