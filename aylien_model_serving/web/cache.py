"""The response cache: the backends of flask-caching that never unpickle what they read."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from cachelib import FileSystemCache as CachelibFileSystemCache
from cachelib import MemcachedCache
from cachelib import RedisCache as CachelibRedisCache
from cachelib import SimpleCache as CachelibSimpleCache
from cachelib.serializers import BaseRedisSerializer, BaseSerializer
from flask import Flask
from flask_caching import Cache
from flask_caching.backends import FileSystemCache, NullCache, SimpleCache
from werkzeug.utils import import_string

from aylien_model_serving.core.secrets import without_passwords
from aylien_model_serving.core.settings import Settings
from aylien_model_serving.dispatch.cache import CacheBackend, MessagePackSerializer, PassThroughSerializer
from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.web.cache_backends import FolderCache, MemoryCache

DEFAULTS: Mapping[str, Any] = {"CACHE_TYPE": "SimpleCache", "CACHE_THRESHOLD": 100_000}

#: Classes that are served by one of ours, which has limits.
_LIMITED: Mapping[Any, type] = {
    SimpleCache: MemoryCache,
    CachelibSimpleCache: MemoryCache,
    FileSystemCache: FolderCache,
}

#: Those that read and write with the serializer that they are given, and their subclasses.
_FAMILIES = (CachelibSimpleCache, CachelibFileSystemCache, CachelibRedisCache)

#: What a serializer inherits that unpickles.
_PICKLING = (BaseSerializer.load, BaseSerializer.loads, BaseRedisSerializer.loads)

_KNOWN = (
    "SimpleCache, FileSystemCache, RedisCache, RedisSentinelCache, RedisClusterCache or NullCache, "
    "or the path of a class with a serializer that does not pickle"
)


class ServingCache(Cache):
    """flask-caching's object, whose backends are checked and limited."""

    def init_app(self, app: Flask, config: dict[str, Any] | None = None) -> None:
        """Give an app a backend.

        Args:
            app: the Flask app, whose own configuration counts too.
            config: flask-caching's configuration.

        Raises:
            ConfigurationError: there is no such backend, or it unpickles what it reads.
        """
        chosen = {key: value for key, value in app.config.items() if key.startswith("CACHE_")}
        chosen |= dict(config or {})
        wanted = chosen.get("CACHE_TYPE", "NullCache")
        chosen["CACHE_TYPE"] = _path_of(wanted)
        if isinstance(wanted, str) and wanted.rpartition(".")[2] == "RedisCache":
            chosen["CACHE_OPTIONS"] = _redis_options() | dict(chosen.get("CACHE_OPTIONS") or {})
        if chosen["CACHE_TYPE"] == _name_of(FolderCache) and not chosen.get("CACHE_DIR"):
            raise ConfigurationError(f"CACHE_TYPE={wanted!r} needs CACHE_DIR, the folder of the cache")
        if chosen.get("CACHE_DIR"):
            os.makedirs(chosen["CACHE_DIR"], mode=0o700, exist_ok=True)
        try:
            super().init_app(app, chosen)
        except (ValueError, RuntimeError, TypeError, ImportError) as error:
            raise ConfigurationError(_described(wanted, chosen, error)) from None
        self._check(app, wanted, has_serializer="CACHE_SERIALIZER" in chosen)

    def _check(self, app: Flask, wanted: object, *, has_serializer: bool) -> None:
        """Have the backend not pickle, or refuse it; and set the limits of those that have some."""
        backend: Any = app.extensions["cache"][self]
        if isinstance(backend, _FAMILIES) and not has_serializer:
            backend.serializer = _serializer_for(backend)
        elif not isinstance(backend, (NullCache, CachelibSimpleCache)) and not _is_safe(backend):
            del app.extensions["cache"][self]
            raise _pickling(wanted)
        if isinstance(backend, MemoryCache):
            backend.max_bytes = Settings.load().cache_bytes
        elif isinstance(backend, FolderCache):
            backend.max_bytes = Settings.load().cache_disk_bytes


#: Shared by all apps of the process; each app has a backend of its own in it.
CACHE = ServingCache()


def is_redis(config: Mapping[str, Any]) -> bool:
    """Return whether a configuration names a Redis."""
    return str(config.get("CACHE_TYPE", "")).rpartition(".")[2].startswith("Redis")


def attach(app: Flask, config: Mapping[str, Any] | None = None) -> CacheBackend:
    """Give an app a cache and return its backend.

    Args:
        app: the Flask app, whose own configuration counts too.
        config: flask-caching's configuration; a SimpleCache of 100,000 entries when neither names a type.

    Raises:
        ConfigurationError: there is no such backend, or it unpickles what it reads.
    """
    chosen = dict(config or {})
    if "CACHE_TYPE" not in chosen and "CACHE_TYPE" not in app.config:
        of_app = {key: app.config[key] for key in DEFAULTS if key in app.config}
        chosen = {**DEFAULTS, **of_app, **chosen}
    CACHE.init_app(app, chosen)
    attached: CacheBackend = app.extensions["cache"][CACHE]
    return attached


def _path_of(wanted: object) -> str:
    """Return the path of the class that serves a CACHE_TYPE."""
    if not isinstance(wanted, str):
        raise ConfigurationError(f"CACHE_TYPE is the name of a backend, not {wanted!r}: {_KNOWN}")
    path = wanted if "." in wanted else f"flask_caching.backends.{wanted}"
    try:
        found = import_string(path)
    except ImportError as error:
        cause = f" ({getattr(error, 'exception', error)})" if path == wanted else ""
        raise ConfigurationError(
            f"CACHE_TYPE={wanted!r} is no backend of the cache{cause}: name {_KNOWN}"
        ) from None
    if isinstance(found, type) and issubclass(found, MemcachedCache):
        raise _pickling(wanted)
    limited = _LIMITED.get(found)
    return wanted if limited is None else _name_of(limited)


def _name_of(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _serializer_for(backend: object) -> Any:
    """Return a serializer that does not pickle; what stays in this process needs no other form."""
    return PassThroughSerializer() if isinstance(backend, CachelibSimpleCache) else MessagePackSerializer()


def _is_safe(backend: Any) -> bool:
    """Return whether a backend has a serializer that does not pickle."""
    serializer = type(getattr(backend, "serializer", None))
    readers = [getattr(serializer, name, None) for name in ("load", "loads")]
    return not isinstance(backend, MemcachedCache) and all(
        callable(reader) and reader not in _PICKLING for reader in readers
    )


def _pickling(wanted: object) -> ConfigurationError:
    return ConfigurationError(
        f"CACHE_TYPE={wanted!r} reads pickles, by which whoever can write to the cache runs code in the "
        f"service: name {_KNOWN}, such as cachelib's JSONSerializer() as its attribute 'serializer'"
    )


def _described(wanted: object, chosen: Mapping[str, Any], error: Exception) -> str:
    """Return what is wrong with a configuration; a URL's error may hold a part of its password."""
    if isinstance(error, ValueError) and chosen.get("CACHE_REDIS_URL"):
        return (
            "CACHE_REDIS_URL can't be used: it is redis://:password@host:port/number, with the password's "
            "special characters in percent-encoding"
        )
    return f"CACHE_TYPE={wanted!r} can't be used: {without_passwords(str(error))}"


def _redis_options() -> dict[str, Any]:
    """Return options for a Redis client that fails fast: ten retries, its default, take seconds."""
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    return {"retry": Retry(NoBackoff(), 1), "socket_timeout": 1.0, "socket_connect_timeout": 1.0}
