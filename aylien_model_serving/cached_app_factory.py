"""The same interface with a cache of answers: `CachedFlaskAppWrapper`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from flask import Response

from aylien_model_serving.app_factory import FlaskAppWrapper, answer_view
from aylien_model_serving.web import cache
from aylien_model_serving.web.app import ServingFlask

__all__ = ["CachedFlaskAppWrapper"]


class CachedFlaskAppWrapper:
    """Makes apps whose views keep their answers for equal requests."""

    #: flask-caching's object, for what else an application wants to keep.
    cache = cache.CACHE

    @staticmethod
    def process_json(callable_handler: Callable[..., Any], schema: Any = None) -> Response:
        """Answer the current request like `FlaskAppWrapper.process_json`, from the cache where it can be.

        The answer of an equal request is given again: equal in path, query, fields, and the media type that
        is asked for. Errors are never kept, and equal requests that arrive together run the handler once.
        """
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
            ConfigurationError: a route is described wrongly.
        """
        app = FlaskAppWrapper.create_app(routes, cache_config)
        app.state.backend = cache.attach(app, cache_config)
        return app
