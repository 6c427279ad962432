"""Matches a path and method to a bare handler, without Flask's dispatch.

Flask's own URL map decides; what it would redirect, refuse or answer by itself is left to Flask.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, RequestRedirect

from aylien_model_serving.dispatch.pipeline import Endpoint
from aylien_model_serving.jobs.runner import EnqueueExecutor
from aylien_model_serving.routing.routes import Route

#: Characters and parts of a path that is matched. Werkzeug tries all ways of sharing out a path's parts among
#: the `<path:…>` of a rule: three of them took five seconds for 2,000 characters.
MAX_PATH, MAX_PARTS = 8_000, 128


PATH_TOO_LONG = f"No such path: this one has more than {MAX_PATH:,} characters or {MAX_PARTS} parts"


def is_too_long(path: str) -> bool:
    """Return whether a path has more characters or parts than are matched."""
    return len(path) > MAX_PATH or path.count("/") > MAX_PARTS


class RouteMatch(NamedTuple):
    """An endpoint, the values of the path's variable parts, and the view function that Flask has for it."""

    endpoint: Endpoint
    path_values: Mapping[str, Any]
    view: Callable[..., Any]


class RouteTable:
    """The bare handlers of one app by path and method.

    Args:
        rules: Flask's URL map of the same app.
    """

    def __init__(self, rules: Map) -> None:
        self._adapter = rules.bind("localhost")
        self._handlers: dict[str, tuple[Endpoint, Callable[..., Any]]] = {}
        self._fixed_paths: set[str] = set()
        self._matches: dict[tuple[str, str], RouteMatch] = {}
        self._has_jobs = False

    def add(self, route: Route, endpoint: Endpoint, view: Callable[..., Any]) -> None:
        """Add a route with a bare handler, and its view function in Flask."""
        self._handlers[endpoint.name] = (endpoint, view)
        self._has_jobs = self._has_jobs or _makes_jobs(endpoint)
        if "<" not in route.endpoint:
            self._fixed_paths.add(route.endpoint)

    def find(self, path: str, method: str) -> RouteMatch | None:
        """Return the match, or None where Flask has to dispatch.

        Args:
            path: the decoded path.
            method: the HTTP method in upper case.
        """
        match = self._matches.get((path, method))
        if match is not None:
            return match
        if path not in self._fixed_paths:
            return self._match(path, method) if len(self._fixed_paths) < len(self._handlers) else None
        match = self._match(path, method)
        if match is not None:
            self._matches[path, method] = match
        return match

    def is_uncached(self, path: str, method: str) -> bool:
        """Return whether the path has a bare handler whose replies are not cached."""
        match = self.find(path, method)
        return match is not None and match.endpoint.reply_cache is None

    def makes_job(self, path: str, method: str) -> bool:
        """Return whether a request for the path becomes a job, by whichever method."""
        match = self.find(path, method) if self._has_jobs else None
        return match is not None and _makes_jobs(match.endpoint)

    def _match(self, path: str, method: str) -> RouteMatch | None:
        if path.startswith("//") or is_too_long(path):  # which Flask merges into one slash, or refuses
            return None
        try:
            rule, values = self._adapter.match(path, method, return_rule=True)
        except (HTTPException, RequestRedirect):
            return None
        bare = self._handlers.get(rule.endpoint)
        if bare is None or (method == "OPTIONS" and getattr(rule, "provide_automatic_options", False)):
            return None
        return RouteMatch(bare[0], values, bare[1])


def _makes_jobs(endpoint: Endpoint) -> bool:
    return isinstance(endpoint.executor, EnqueueExecutor)
