"""The limits of the cache's backends: entries, bytes, and the files that are theirs."""

import os
import time
from pathlib import Path
from typing import Any

import pytest
from flask import Response
from hypothesis import given
from hypothesis import strategies as st

from aylien_model_serving.cached_app_factory import CachedFlaskAppWrapper
from aylien_model_serving.web.cache_backends import FolderCache, MemoryCache, size_of
from tests.web.requests import post, route, serve
from tests.web.test_cache import Counting, found

KIB = 1024


def memory(max_bytes: int, entries: int = 1000) -> MemoryCache:
    cache = MemoryCache(threshold=entries)
    cache.max_bytes = max_bytes
    return cache


def folder_cache(folder: Path, max_bytes: int, files: int = 500) -> FolderCache:
    cache = FolderCache(str(folder), threshold=files)
    cache.max_bytes = max_bytes
    return cache


def test_memory_is_limited_in_bytes() -> None:
    cache = memory(64 * KIB)

    for number in range(1000):
        cache.set(str(number), b"x" * KIB)

    kept = [number for number in range(1000) if cache.has(str(number))]
    assert 40 <= len(kept) <= 64
    assert kept == list(range(1000 - len(kept), 1000))
    assert cache._bytes <= 64 * KIB


def test_what_was_used_last_stays_longest() -> None:
    cache = memory(1_000_000, entries=3)

    for key in "abc":
        cache.set(key, key)
    cache.get("a")
    cache.set("d", "d")

    assert [key for key in "abcd" if cache.get(key)] == ["a", "c", "d"]


def test_a_value_larger_than_the_cache_is_not_kept_and_drives_nothing_out() -> None:
    cache = memory(64 * KIB)
    cache.set("small", b"x")
    cache.set("replaced", b"x")

    assert not cache.set("large", b"x" * 65 * KIB)
    assert not cache.set("replaced", b"x" * 65 * KIB)

    assert [cache.get(key) for key in ("small", "large", "replaced")] == [b"x", None, None]


def test_an_entry_that_has_expired_gives_its_bytes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    cache = memory(64 * KIB)
    cache.set("a", b"x" * KIB, timeout=60)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 61)

    assert cache.get("a") is None
    assert not cache.has("a")
    assert cache._bytes == 0


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["set", "add", "delete", "get", "clear"]), st.sampled_from("abcdef"), st.binary()
        )
    )
)
def test_memory_counts_what_it_holds(steps: list[tuple[str, str, bytes]]) -> None:
    cache = memory(4 * KIB, entries=4)

    for method, key, value in steps:
        arguments = {"set": (key, value), "add": (key, value), "clear": ()}.get(method, (key,))
        getattr(cache, method)(*arguments)

        assert cache._bytes == sum(size for _, _, size in cache._entries.values()) <= 4 * KIB
        assert len(cache._entries) <= 4
        if method == "set":
            assert cache.get(key) == value


def test_the_rest_of_cachelibs_interface_works() -> None:
    cache = memory(64 * KIB)

    cache.set_many({"a": 1, "b": 2})
    assert cache.inc("a") == 2
    assert not cache.add("a", 3)
    cache.delete_many("b")

    assert cache.get_many("a", "b") == [2, None]
    assert cache.clear()
    assert cache.get("a") is None


class Own:
    def __init__(self) -> None:
        self.held = b"x" * 10_000
        self.itself = self


@pytest.mark.parametrize(
    "value",
    [
        "x" * 10_000,
        ("application/json", b"x" * 10_000, [("A", "b")]),
        {"a": [{"b": "x" * 10_000}]},
        Response(b"x" * 10_000),
        Own(),
        memoryview(b"x" * 10_000),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_size_of_a_value_counts_what_it_holds(value: Any) -> None:
    assert 10_000 <= size_of(value) < 20_000


def test_a_structure_that_holds_itself_has_a_size() -> None:
    endless: list[Any] = []
    endless.append(endless)

    assert size_of(endless) < 1000


def test_a_folder_is_limited_in_bytes(tmp_path: Path) -> None:
    cache = folder_cache(tmp_path, 256 * KIB)

    for number in range(200):
        cache.set(str(number), b"x" * 7 * KIB)

    files = list(tmp_path.iterdir())
    assert 16 <= len(files) <= 40
    assert cache.get("199") == b"x" * 7 * KIB
    assert cache.get("0") is None


def test_a_folder_is_limited_in_files_across_restarts(tmp_path: Path) -> None:
    for start in range(0, 400, 40):
        cache = folder_cache(tmp_path, 1024 * KIB * KIB, files=50)
        for number in range(start, start + 40):
            cache.set(str(number), b"x")

        assert len(list(tmp_path.iterdir())) <= 50 * 9 / 8

    assert cache.get("399") == b"x"


def test_a_value_larger_than_the_folder_may_be_is_not_kept(tmp_path: Path) -> None:
    cache = folder_cache(tmp_path, 64 * KIB)
    cache.set("small", b"x")

    assert not cache.set("large", b"x" * 65 * KIB)

    assert (cache.get("small"), cache.get("large")) == (b"x", None)


def test_the_files_of_others_stay_and_left_overs_go(tmp_path: Path) -> None:
    names = ("notes.txt", "tmpabcdefgh.__wz_cache", "tmpqrstuvwx.__wz_cache")
    for name in names:
        (tmp_path / name).write_bytes(b"x" * 100 * KIB)
    (tmp_path / "0123456789abcdef0123456789abcdef").symlink_to("notes.txt")
    os.utime(tmp_path / names[1], (0, 0))
    cache = folder_cache(tmp_path, 64 * KIB, files=10)

    for number in range(50):
        cache.set(str(number), b"x")
    cache.clear()

    assert {file.name for file in tmp_path.iterdir()} == {names[0], names[2]}
    assert (tmp_path / "notes.txt").stat().st_size == 100 * KIB


def test_the_settings_limit_the_backends(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MODEL_SERVING_CACHE_MB", "0.0625")
    monkeypatch.setenv("MODEL_SERVING_CACHE_DISK_MB", "0.125")
    apps = [
        CachedFlaskAppWrapper.create_app([route(Counting(), cache=True)], config)
        for config in (
            None,
            {"CACHE_TYPE": "flask_caching.backends.simplecache.SimpleCache"},
            {"CACHE_TYPE": "FileSystemCache", "CACHE_DIR": str(tmp_path / "cache")},
        )
    ]

    backends: list[Any] = [app.state.backend for app in apps]

    assert [backend.max_bytes for backend in backends] == [64 * KIB, 64 * KIB, 128 * KIB]


def test_clients_that_ask_for_ever_more_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_SERVING_CACHE_MB", "1")
    client = serve(route(lambda number: {"padding": "x" * 50_000}, cache=True))
    bodies = [b'{"number": %d}' % number for number in range(60)]

    for body in bodies:
        post(client, body)
    last, first = post(client, bodies[-1]), post(client, bodies[0])

    assert found(last, first) == ["hit", "miss"]
