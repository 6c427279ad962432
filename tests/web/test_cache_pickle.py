"""No backend of the cache unpickles: what could is refused by name when the app is made."""

import json
import pickle
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from cachelib import UWSGICache
from cachelib.base import BaseCache
from cachelib.serializers import BaseSerializer
from flask import Flask

from aylien_model_serving.cached_app_factory import CachedFlaskAppWrapper
from aylien_model_serving.dispatch.cache import MessagePackSerializer
from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.web import cache
from tests.web.requests import post, route, serve
from tests.web.test_cache import Counting, found

HERE = __name__

#: flask-caching 2.4 still knows short names of backends, and no setting of a serializer.
SINCE_2_5 = pytest.mark.skipif(
    version("flask-caching").startswith("2.4."), reason="flask-caching 2.4 has other names and settings"
)


class JSONSerializer(BaseSerializer):
    """Writes JSON; the early versions of cachelib have none of their own."""

    def dumps(self, value: Any, *_: Any) -> bytes:
        return json.dumps(value).encode()

    def loads(self, bvalue: bytes) -> Any:
        return json.loads(bvalue)

    def dump(self, timeout: Any, f: Any, *_: Any) -> None:
        json.dump(timeout, f)

    def load(self, f: Any) -> Any:
        return json.load(f)


class Plain(BaseCache):
    """Says nothing of a serializer."""

    def __init__(self, *_: Any, **__: Any) -> None:
        super().__init__()
        self.kept: dict[str, Any] = {}

    @classmethod
    def factory(cls, *_: Any) -> "Plain":
        return cls()

    def get(self, key: str) -> Any:
        return self.kept.get(key)

    def set(self, key: str, value: Any, timeout: Any = None) -> bool:
        self.kept[key] = value
        return True


class Pickling(Plain):
    serializer = BaseSerializer()


class HalfSafe(Plain):
    class _Serializer(BaseSerializer):
        def loads(self, bvalue: bytes) -> Any:
            return None

    serializer = _Serializer()


class Safe(Plain):
    serializer = JSONSerializer()


class SafeByMessagePack(Plain):
    serializer = MessagePackSerializer()


def make_pickling(*_: Any) -> Plain:
    return Pickling()


@pytest.mark.parametrize(
    "kind",
    [
        "MemcachedCache",
        "SASLMemcachedCache",
        "SpreadSASLMemcachedCache",
        "flask_caching.backends.memcache.MemcachedCache",
        "cachelib.MemcachedCache",
        "cachelib.memcached.MemcachedCache",
        f"{HERE}.Plain",
        f"{HERE}.Pickling",
        f"{HERE}.HalfSafe",
        f"{HERE}.make_pickling",
    ],
)
def test_a_backend_that_may_unpickle_is_refused_by_name(kind: str) -> None:
    refusal = f"CACHE_TYPE='{kind}' reads pickles"

    with pytest.raises(ConfigurationError, match=refusal):
        serve(route(Counting(), cache=True), CACHE_TYPE=kind)
    with pytest.raises(ConfigurationError, match=refusal):
        CachedFlaskAppWrapper.create_app([], {"CACHE_TYPE": kind})
    with pytest.raises(ConfigurationError, match=refusal):
        CachedFlaskAppWrapper.cache.init_app(Flask("own"), {"CACHE_TYPE": kind})


@pytest.mark.parametrize(
    "kind",
    [
        "SimpelCache",
        pytest.param("simple", marks=SINCE_2_5),
        "nowhere.to.be.Found",
        pytest.param("uwsgi", marks=SINCE_2_5),
        5,
        None,
    ],
)
def test_an_unknown_backend_is_refused_with_the_ones_that_there_are(kind: object) -> None:
    with pytest.raises(ConfigurationError, match=r"CACHE_TYPE.*SimpleCache, FileSystemCache, RedisCache"):
        serve(route(Counting(), cache=True), CACHE_TYPE=kind)


def test_what_a_class_lacks_to_be_imported_is_said() -> None:
    with pytest.raises(ConfigurationError, match=r"no backend of the cache \(.*nowhere"):
        serve(route(Counting(), cache=True), CACHE_TYPE="nowhere.Cache")


@SINCE_2_5
def test_a_serializer_that_pickles_is_refused(tmp_path: Path) -> None:
    config = {"CACHE_TYPE": "FileSystemCache", "CACHE_DIR": str(tmp_path), "CACHE_SERIALIZER": BaseSerializer}

    with pytest.raises(ConfigurationError, match="reads pickles"):
        serve(route(Counting(), cache=True), **config)


@pytest.mark.parametrize("kind", [Safe, SafeByMessagePack])
def test_a_class_with_a_serializer_that_does_not_pickle_is_used(kind: type) -> None:
    client = serve(route(Counting(), cache=True), CACHE_TYPE=f"{HERE}.{kind.__name__}")

    assert found(post(client), post(client)) == ["miss", "hit"]


def test_a_backend_of_cachelibs_is_used_with_a_serializer_that_does_not_pickle() -> None:
    backend = UWSGICache.__new__(UWSGICache)
    assert not cache._is_safe(backend)

    backend.serializer = JSONSerializer()
    assert cache._is_safe(backend)


@pytest.mark.parametrize("kind", ["SimpleCache", "FileSystemCache", "RedisCache", "NullCache"])
def test_no_backend_that_is_allowed_unpickles(kind: str, tmp_path: Path) -> None:
    pytest.importorskip("redis")
    ran = tmp_path / "ran"

    class Command:
        def __reduce__(self) -> Any:
            return Path.touch, (ran,)

    app = Flask("own")
    options = {"CACHE_TYPE": kind, "CACHE_DIR": str(tmp_path / "cache"), "CACHE_NO_NULL_WARNING": True}
    backend: Any = cache.attach(app, options)

    for stored in (pickle.dumps(Command()), b"!" + pickle.dumps(Command())):
        serializer = getattr(backend, "serializer", None)
        if serializer is not None:
            serializer.loads(stored)

    assert not ran.exists()


@pytest.mark.parametrize(
    "url",
    ["redis://:pa/ss#word@host:6379/0", "redis://user:password@host:no-port/0", "nothing://:password@x"],
)
def test_the_refusal_of_a_url_shows_nothing_of_its_password(url: str) -> None:
    pytest.importorskip("redis")

    with pytest.raises(ConfigurationError, match="CACHE_REDIS_URL") as raised:
        serve(route(Counting(), cache=True), CACHE_TYPE="RedisCache", CACHE_REDIS_URL=url)

    assert not any(part in str(raised.value) for part in ("pa/ss", "user", ":pa'", "'pa"))
    assert raised.value.__suppress_context__
