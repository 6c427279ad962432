"""A service whose handlers, views and hosted handlers call models; the environment says nothing of it."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

from aylien_model_serving.app_factory import FlaskAppWrapper, InvalidRequest
from tests.models.composed import Document, Spell, embed, rank, spell, staged


def search(query: str, size: int = 20) -> dict[str, Any]:
    vectors = embed.map(text=[query] * size)
    found = rank(vectors, document=Document(query))
    return {"found": found.text, "vector": found.vector.tolist()}


async def search_async(query: str) -> dict[str, Any]:
    began = time.monotonic()
    vector, slept = await asyncio.gather(embed.call_async(text=query), rank.sleep.call_async(seconds=0.2))
    return {"vector": vector.tolist(), "slept": slept, "seconds": time.monotonic() - began}


def count(to: int, fail_at: int = -1) -> Iterator[int]:
    yield from rank.count(to, fail_at=fail_at)


async def count_async(to: int) -> Any:
    async for number in await rank.count.call_async(to):
        yield number


made: list[int] = []


def numbers(to: int, fail_at: int = -1) -> Iterator[int]:
    """Yield numbers, and note in `made` those that were asked for, and the end as -1."""
    made.clear()
    try:
        for number in range(to):
            if number == fail_at:
                raise InvalidRequest(f"no {number}")
            made.append(number)
            yield number
    finally:
        made.append(-1)


def total(to: int, most: int = 1 << 62, fail_at: int = -1) -> int:
    result: int = rank.total(numbers(to, fail_at), most=most)
    return result


def totals(to: int, calls: int) -> list[int]:
    return [future.result() for future in [rank.total.submit(iter(range(to))) for _ in range(calls)]]


def stopped(most: int) -> int:
    """Return how many numbers have been made once the model has taken those that it wants."""
    rank.total(numbers(1_000_000), most=most)
    while made[-1] != -1:
        time.sleep(0.001)
    return len(made) - 1


async def total_async(to: int) -> int:
    result: int = await rank.total.call_async(iter(range(to)))
    return result


async def letters(text: str) -> AsyncIterator[str]:
    for letter in text:
        await asyncio.sleep(0)
        yield letter


async def joined(text: str) -> str:
    result: str = await rank.joined.call_async(letters(text), others=letters(text))
    return result


def texts(words: list[str]) -> Iterator[str]:
    yield from rank.texts(Document(word) for word in words)


def piped(to: int) -> int:
    result: int = rank.total(rank.count(to))
    return result


def ends() -> list[int]:
    return made[-1:]


def endless() -> int:
    result: int = rank.total(numbers(1 << 62))
    return result


def stepped(word: str) -> dict[str, Any]:
    return {"letters": list(spell(word, times=2)), "doubled": staged(21)}


def kinds() -> list[Any]:
    return [rank.half(3), rank.half(number=5), rank.kind("!")]


def missing() -> None:
    rank._call("gone", (), {})


def breaks_off() -> list[int]:
    return list(rank.dies_after(3))


def busy() -> None:
    rank.busy()


def dies() -> None:
    rank.dies_of(numbers(100))


def drip(mark: str) -> Iterator[int]:
    yield from rank.drip(mark)


async def drip_async(mark: str) -> Any:
    async for number in await rank.drip.call_async(mark):
        yield number


def sleep(seconds: float) -> float:
    result: float = rank.sleep(seconds)
    return result


def pids(number: int = 8) -> list[int]:
    return sorted({future.result() for future in [rank.pid.submit() for _ in range(number)]})


class Hosted:
    """A handler with a runner of its own, which calls models as others do."""

    def __call__(self, query: str) -> dict[str, Any]:
        return search(query, size=3)


def later(query: str) -> dict[str, Any]:
    return search(query, size=2)


def lengths(items: list[str]) -> list[Any]:
    if "starve" in items:
        raise RuntimeError("CUDA error: out of memory")
    return [len(item) or InvalidRequest("There is no text") for item in items]


def run_app() -> Any:
    app = FlaskAppWrapper.create_app(
        [
            {"endpoint": "/search", "callable": search, "threads": 16},
            {"endpoint": "/search_async", "callable": search_async},
            {"endpoint": "/count", "callable": count},
            {"endpoint": "/count_async", "callable": count_async},
            {"endpoint": "/total", "callable": total, "threads": 4, "timeout": 20},
            {"endpoint": "/totals", "callable": totals, "threads": 4},
            {"endpoint": "/stopped", "callable": stopped},
            {"endpoint": "/total_async", "callable": total_async},
            {"endpoint": "/joined", "callable": joined},
            {"endpoint": "/texts", "callable": texts},
            {"endpoint": "/piped", "callable": piped},
            {"endpoint": "/endless", "callable": endless, "timeout": 0.3},
            {"endpoint": "/ends", "callable": ends},
            {"endpoint": "/stepped", "callable": stepped},
            {"endpoint": "/kinds", "callable": kinds},
            {"endpoint": "/missing", "callable": missing},
            {"endpoint": "/breaks_off", "callable": breaks_off},
            {"endpoint": "/busy", "callable": busy},
            {"endpoint": "/dies", "callable": dies},
            {"endpoint": "/drip", "callable": drip},
            {"endpoint": "/drip_async", "callable": drip_async},
            {"endpoint": "/sleep", "callable": sleep, "timeout": 0.3, "threads": 4},
            {"endpoint": "/pids", "callable": pids, "threads": 4},
            {"endpoint": "/hosted", "callable": Hosted, "name": "hosted", "runner": True},
            {"endpoint": "/spell", "callable": Spell, "name": "spell", "runner": True},
            {"endpoint": "/later", "callable": later, "job": True},
            {"endpoint": "/embed", "callable": embed},
            {
                "endpoint": "/lengths",
                "callable": lengths,
                "name": "lengths",
                "runner": True,
                "batch": {"max_size": 4, "split": "items"},
            },
        ]
    )

    @app.get("/view")
    def view() -> dict[str, Any]:
        return {"vector": embed(text="view").tolist()}

    return app
