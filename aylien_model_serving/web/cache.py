"""The response cache: any backend that flask-caching configures."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from flask import Flask
from flask_caching import Cache
from flask_caching.backends import SimpleCache

from aylien_model_serving.dispatch.cache import CacheBackend, MessagePackSerializer, PassThroughSerializer

#: Shared by all apps of the process; each app has a backend of its own in it.
CACHE = Cache()

DEFAULTS: Mapping[str, Any] = {"CACHE_TYPE": "SimpleCache", "CACHE_THRESHOLD": 100_000}


def attach(app: Flask, config: Mapping[str, Any] | None = None) -> CacheBackend:
    """Give an app a cache and return its backend.

    Args:
        app: the Flask app, whose own configuration counts too.
        config: flask-caching's configuration; a SimpleCache of 100,000 entries when neither names a type.
    """
    chosen = {key: value for key, value in app.config.items() if key.startswith("CACHE_")} | dict(
        config or {}
    )
    if "CACHE_TYPE" not in chosen:
        chosen = {**DEFAULTS, **chosen}
    if str(chosen["CACHE_TYPE"]).rpartition(".")[2] == "RedisCache":
        chosen["CACHE_OPTIONS"] = _redis_options() | dict(chosen.get("CACHE_OPTIONS") or {})
    if chosen.get("CACHE_DIR"):
        os.makedirs(chosen["CACHE_DIR"], mode=0o700, exist_ok=True)
    CACHE.init_app(app, chosen)
    backend = app.extensions["cache"][CACHE]
    if hasattr(backend, "serializer") and "CACHE_SERIALIZER" not in chosen:
        backend.serializer = (
            PassThroughSerializer() if isinstance(backend, SimpleCache) else MessagePackSerializer()
        )
    attached: CacheBackend = backend
    return attached


def _redis_options() -> dict[str, Any]:
    """Return options for a Redis client that fails fast: ten retries, its default, take seconds."""
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    return {"retry": Retry(NoBackoff(), 1), "socket_timeout": 1.0, "socket_connect_timeout": 1.0}
