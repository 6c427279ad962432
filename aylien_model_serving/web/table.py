"""Which bare handler answers a path and method, without Flask's dispatch.

Only what is certain is found: a path that Flask would redirect, refuse or route elsewhere is left to Flask.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, RequestRedirect, Rule

from aylien_model_serving.pipeline import Endpoint
from aylien_model_serving.routes import Route


class Found(NamedTuple):
    """An endpoint, and the values that its path gives it."""

    endpoint: Endpoint
    path_values: Mapping[str, Any]


class Table:
    """The bare handlers of one app by path and method."""

    def __init__(self) -> None:
        self._static: dict[tuple[str, str], Found] = {}
        self._endpoints: dict[str, Endpoint] = {}
        self._map = Map()
        self._adapter = self._map.bind("localhost")

    def add(self, route: Route, endpoint: Endpoint) -> None:
        """Add a route with a bare handler."""
        if "<" in route.endpoint:
            self._map.add(Rule(route.endpoint, endpoint=endpoint.name, methods=route.methods))
            self._endpoints[endpoint.name] = endpoint
            return
        found = Found(endpoint, {})
        for method in route.methods:
            self._static[route.endpoint, method] = found
            if method == "GET":  # which answers HEAD too, as in Flask
                self._static.setdefault((route.endpoint, "HEAD"), found)

    def find(self, path: str, method: str) -> Found | None:
        """Return who answers, or None where Flask has to decide.

        Args:
            path: the decoded path.
            method: the HTTP method in upper case.
        """
        found = self._static.get((path, method))
        if found is None and self._endpoints:
            return self._match(path, method)
        return found

    def _match(self, path: str, method: str) -> Found | None:
        try:
            name, values = self._adapter.match(path, method)
        except (HTTPException, RequestRedirect):
            return None
        return Found(self._endpoints[name], values)
