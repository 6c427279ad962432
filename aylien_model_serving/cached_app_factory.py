"""The same interface with a response cache: `CachedFlaskAppWrapper`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from flask import has_request_context

from aylien_model_serving.app_factory import FlaskAppWrapper, answer_view, view_of
from aylien_model_serving.web import cache
from aylien_model_serving.web.app import ServingFlask

__all__ = ["CachedFlaskAppWrapper"]


class CachedFlaskAppWrapper:
    """Creates apps whose views cache their responses to equal requests."""

    #: flask-caching's object, for other values that an application wants to cache.
    cache = cache.CACHE

    @staticmethod
    def process_json(callable_handler: Callable[..., Any], schema: Any = None) -> Any:
        """Answer the current request like `FlaskAppWrapper.process_json`, from the cache if possible.

        Requests are equal if path, query, fields, and the accepted media type are. Errors are never cached,
        and concurrent equal requests run the handler once. Where there is no request it returns a view
        that does.
        """
        if not has_request_context():
            return view_of(CachedFlaskAppWrapper.process_json, callable_handler, schema)
        return answer_view(callable_handler, schema, cached=True)

    @staticmethod
    def create_app(
        routes: Iterable[Mapping[str, Any]] | None = None, cache_config: Mapping[str, Any] | None = None
    ) -> ServingFlask:
        """Return a Flask app that answers the routes and has a cache.

        Args:
            routes: see `FlaskAppWrapper.create_app`.
            cache_config: flask-caching's configuration; a SimpleCache of 100,000 entries when absent.

        Raises:
            ConfigurationError: a route is invalid.
        """
        app = FlaskAppWrapper.create_app(routes, cache_config)
        app.state.backend = cache.attach(app, cache_config)
        return app
