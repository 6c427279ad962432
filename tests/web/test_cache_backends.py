"""The backends of the response cache: expiry, size, sharing, and foreign entries."""

from pathlib import Path
from typing import Any

import pytest
from cachelib import simple
from flask.testing import FlaskClient

from aylien_model_serving.cached_app_factory import CachedFlaskAppWrapper
from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.web import cache_backends
from tests.web.requests import post, route, serve
from tests.web.test_cache import Counting, found, runs


def test_an_entry_expires_after_its_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    client = serve(route(Counting(), cache=60), route(Counting(), "/default", cache=True))
    clock = [1_000_000.0]
    monkeypatch.setattr(cache_backends.time, "time", lambda: clock[0])

    first = [post(client), post(client, path="/default")]
    clock[0] += 59
    second = [post(client), post(client, path="/default")]
    clock[0] += 2
    third = [post(client), post(client, path="/default")]

    assert found(*first, *second, *third) == ["miss", "miss", "hit", "hit", "miss", "hit"]


def test_the_default_backend_holds_a_hundred_thousand_entries() -> None:
    app = CachedFlaskAppWrapper.create_app([route(Counting(), cache=True)])

    backend: Any = app.state.backend
    assert isinstance(backend, simple.SimpleCache)
    assert backend._threshold == 100_000


def cached_in(folder: Path, handler: Any) -> FlaskClient:
    def view() -> Any:
        return CachedFlaskAppWrapper.process_json(handler)

    config = {
        "CACHE_TYPE": "FileSystemCache",
        "CACHE_DIR": str(folder / "cache"),
        "CACHE_DEFAULT_TIMEOUT": 60,
    }
    return CachedFlaskAppWrapper.create_app([route(view)], config).test_client()


def test_entries_in_files_outlive_their_app(tmp_path: Path) -> None:
    first = post(cached_in(tmp_path, Counting("first")))
    second = post(cached_in(tmp_path, Counting("second")))

    assert found(first, second) == ["miss", "hit"]
    assert second.get_json() == {"label": "first", "run": 1}
    assert (tmp_path / "cache").stat().st_mode & 0o777 == 0o700


def test_foreign_files_are_misses(tmp_path: Path) -> None:
    post(cached_in(tmp_path, Counting()))
    for file in (tmp_path / "cache").iterdir():
        head = file.read_bytes()[:4]
        file.write_bytes(head + b"\x80\x04\x95 not an answer")

    answer = post(cached_in(tmp_path, Counting("fresh")))

    assert answer.get_json() == {"label": "fresh", "run": 1}


def test_the_keys_of_a_route_use_the_cache_that_flask_is_configured_with(tmp_path: Path) -> None:
    config = {"CACHE_TYPE": "FileSystemCache", "CACHE_DIR": str(tmp_path / "cache")}

    clients = [serve(route(Counting(), cache=True), **config) for _ in range(2)]

    assert found(*[post(client) for client in clients]) == ["miss", "hit"]


def test_the_cache_can_be_switched_off() -> None:
    client = serve(route(Counting(), cache=True), CACHE_TYPE="NullCache", CACHE_NO_NULL_WARNING=True)

    assert runs(post(client), post(client)) == [1, 2]


def test_an_application_can_cache_its_own_values_with_flask_cachings_object() -> None:
    app = CachedFlaskAppWrapper.create_app([route(Counting())])

    with app.app_context():
        CachedFlaskAppWrapper.cache.set("own", {"any": "thing"})

        assert CachedFlaskAppWrapper.cache.get("own") == {"any": "thing"}


def test_a_folder_has_to_be_named() -> None:
    with pytest.raises(ConfigurationError, match="CACHE_TYPE='FileSystemCache' needs CACHE_DIR"):
        serve(route(Counting(), cache=True), CACHE_TYPE="FileSystemCache")
