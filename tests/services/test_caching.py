"""Answers kept where several workers find them: in files, and in a Redis that comes and goes."""

import itertools
import pickle
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.selection import matrix
from tests.services.raw_http import ask, post, request
from tests.services.redis_server import RedisServer, redis_server
from tests.services.serving import Service, serve

pytestmark = pytest.mark.processes

TARGETS = {"the route key": "tests.services.apps:cached()", "the view": "tests.services.apps:cached_view()"}
WORKERS = 2
KEPT_SECONDS = 3600
EXPIRY_BYTES = 4  # before the entry itself, in a file of FileSystemCache


@dataclass(frozen=True)
class Kept:
    """A service that caches, and what its cache holds.

    Args:
        service: the service, with two workers.
        read: returns the entries by their places.
        write: replaces the entry at a place.
        redis: where the entries are, if that is a Redis.
    """

    service: Service
    read: Callable[[], dict[str, bytes]]
    write: Callable[[str, bytes], object]
    redis: RedisServer | None = None


def named(case: tuple[Callable[[str], object], str]) -> str:
    return f"{case[0].__name__} by {case[1]}"


def file_config(folder: Path, seconds: int = KEPT_SECONDS) -> dict[str, str]:
    return {
        "CACHE_TYPE": "FileSystemCache",
        "CACHE_DIR": str(folder),
        "CACHE_DEFAULT_TIMEOUT": str(seconds),
    }


def redis_config(server: RedisServer, seconds: int = KEPT_SECONDS) -> dict[str, str]:
    return {
        "CACHE_TYPE": "RedisCache",
        "CACHE_REDIS_HOST": "127.0.0.1",
        "CACHE_REDIS_PORT": str(server.port),
        "CACHE_DEFAULT_TIMEOUT": str(seconds),
    }


@contextmanager
def in_files(target: str) -> Iterator[Kept]:
    with tempfile.TemporaryDirectory() as above:
        folder = Path(above) / "cache"

        def read() -> dict[str, bytes]:
            return {str(path): path.read_bytes()[EXPIRY_BYTES:] for path in folder.iterdir()}

        def write(place: str, entry: bytes) -> None:
            expiry = Path(place).read_bytes()[:EXPIRY_BYTES]
            Path(place).write_bytes(expiry + entry)

        with serve(TARGETS[target], env=file_config(folder)) as service:
            yield Kept(service, read, write)


@contextmanager
def in_redis(target: str) -> Iterator[Kept]:
    with redis_server() as server, serve(TARGETS[target], env=redis_config(server)) as service:
        yield Kept(service, server.entries, server.client.set, server)


STORES = list(itertools.product((in_files, in_redis), TARGETS))


@pytest.fixture(
    scope="module", params=matrix(STORES, (in_files, "the route key"), (in_redis, "the view")), ids=named
)
def kept(request: pytest.FixtureRequest) -> Iterator[Kept]:
    store, target = request.param
    with store(target) as kept:
        kept.service.wait_until(lambda: len(kept.service.workers()) == WORKERS)
        yield kept


only_in_files = pytest.mark.parametrize("kept", matrix(STORES[:2], STORES[0]), indirect=True, ids=named)
only_in_redis = pytest.mark.parametrize("kept", matrix(STORES[2:], STORES[3]), indirect=True, ids=named)


def asked(service: Service, text: str) -> tuple[str, Any]:
    """Return the answer's X-Cache header, and which run of the handler made it."""
    answer = ask(service.port, post({"text": text}))
    assert answer.status == 200, answer
    assert answer.json()["text"] == text
    return answer.headers["x-cache"], answer.json()["run"]


def entry_of(kept: Kept, text: str) -> str:
    """Return the place of the one entry that holds this text."""
    [place] = [place for place, entry in kept.read().items() if text.encode() in entry]
    return place


def test_a_worker_answers_with_what_another_one_made(kept: Kept) -> None:
    one, other = kept.service.workers()

    with kept.service.alone(one):
        first = asked(kept.service, "shared")
    with kept.service.alone(other):
        second = asked(kept.service, "shared")

    assert first == ("miss", f"{one}-{first[1].partition('-')[2]}")
    assert second == ("hit", first[1])


def test_white_space_does_not_matter_and_every_letter_does(kept: Kept) -> None:
    first = asked(kept.service, "spaced")

    respaced = ask(kept.service.port, request(b'{ "text" :\n"spaced"}'))

    assert (respaced.headers["x-cache"], respaced.json()["run"]) == ("hit", first[1])
    assert asked(kept.service, "Spaced")[0] == "miss"


def test_refusals_are_not_kept(kept: Kept) -> None:
    before = kept.read()

    refusals = [ask(kept.service.port, post({"words": "none"})) for _ in range(2)]

    assert [refusal.status for refusal in refusals] == [400, 400]
    assert all("x-cache" not in refusal.headers for refusal in refusals)
    assert kept.read() == before


def test_nothing_that_is_kept_is_a_pickle(kept: Kept) -> None:
    asked(kept.service, "plain")

    entries = kept.read()

    assert msgspec.msgpack.decode(entries[entry_of(kept, "plain")])[0] == "application/json"
    for entry in entries.values():
        msgspec.msgpack.decode(entry)
        assert not entry.startswith((b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"!"))


class Trap:
    """Leaves a mark where its pickle is loaded."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[[Path], object], tuple[Path]]:
        return Path.touch, (self.mark,)


POISON = {
    "nothing": b"",
    "noise": b"\x00\xff\xfe noise",
    "a number": msgspec.msgpack.encode(7),
    "a text of three letters": msgspec.msgpack.encode("abc"),
    "an answer of another shape": msgspec.msgpack.encode(["application/json", b"{}"]),
    "a body that is no bytes": msgspec.msgpack.encode(["application/json", "text", []]),
    "a media type that is no text": msgspec.msgpack.encode([None, b"{}", []]),
    "headers that are no texts": msgspec.msgpack.encode(["application/json", b"{}", [["X-Count", 1]]]),
}


@pytest.mark.parametrize("poison", [*POISON, "a pickle", "a pickle as Redis caches mark them"])
def test_an_entry_that_something_else_wrote_is_a_miss(kept: Kept, tmp_path: Path, poison: str) -> None:
    mark = tmp_path / "mark"
    trap = pickle.dumps(Trap(mark))
    first = asked(kept.service, poison)

    kept.write(entry_of(kept, poison), POISON.get(poison, b"!" + trap if "Redis" in poison else trap))
    second = asked(kept.service, poison)

    assert second[0] == "miss"
    assert second[1] != first[1]
    assert asked(kept.service, poison) == ("hit", second[1])
    assert not mark.exists()


@only_in_files
def test_files_are_their_owners_alone(kept: Kept) -> None:
    asked(kept.service, "private")

    paths = [Path(place) for place in kept.read()]

    assert stat.S_IMODE(paths[0].parent.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in paths} == {0o600}


@only_in_redis
def test_an_entry_of_redis_expires_with_the_default_timeout(kept: Kept) -> None:
    assert kept.redis is not None
    asked(kept.service, "expiring")

    left = kept.redis.client.ttl(entry_of(kept, "expiring"))

    assert KEPT_SECONDS - 60 < left <= KEPT_SECONDS


@pytest.mark.parametrize("target", matrix(TARGETS, "the route key"))
def test_an_answer_is_made_again_once_its_time_is_over(target: str, tmp_path: Path) -> None:
    with serve(TARGETS[target], env=file_config(tmp_path / "cache", seconds=1), workers=1) as service:
        first = asked(service, "brief")

        service.wait_until(lambda: asked(service, "brief")[1] != first[1])


@only_in_redis
def test_a_redis_that_is_gone_makes_misses_and_one_that_is_back_makes_hits(kept: Kept) -> None:
    assert kept.redis is not None
    first = asked(kept.service, "lasting")

    kept.redis.kill()
    try:
        without = [asked(kept.service, "lasting") for _ in range(2)]
    finally:
        kept.redis.start()
    back = asked(kept.service, "lasting")

    assert [found for found, _ in without] == ["miss", "miss"]
    assert len({first[1], back[1], *(run for _, run in without)}) == 4
    assert back[0] == "miss"
    assert asked(kept.service, "lasting") == ("hit", back[1])
