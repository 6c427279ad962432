"""A service whose handlers wait until nobody waits for them, and write down that they have noticed."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from typing import Any

from aylien_model_serving import Cancelled, Model, current_call
from aylien_model_serving.app_factory import FlaskAppWrapper

#: Seconds after which a handler that nobody tells ends all the same.
LONG = 30.0


def note(line: str) -> None:
    with open(os.environ["DIARY"], "a") as diary:
        diary.write(line + "\n")


def wait(name: str) -> str:
    note(f"{name} began")
    if not current_call().cancelled.wait(LONG):
        return "nobody left"
    note(f"{name} was cancelled")
    return "for nobody"


class Embed:
    def __call__(self, name: str) -> str:
        return wait(f"{name}/embed")

    def items(self, name: str) -> Iterator[str]:
        yield "first"
        yield wait(f"{name}/items")


embed = Model(Embed, name="embed", threads=4)


class Rank:
    """Waits for embed in each way that there is."""

    def __call__(self, name: str, how: str) -> Any:
        try:
            if how == "call":
                return embed(name=name)
            if how == "map":
                return embed.map(name=[name, name])
            if how == "submit":
                return embed.submit(name=name).result()
            return list(embed.items(name=name))
        except Cancelled:
            note(f"{name}/rank was cancelled")
            raise

    async def later(self, name: str) -> Any:
        return await rank_async(name)


rank = Model(Rank, name="rank", threads=4)


async def rank_async(name: str) -> Any:
    try:
        return await embed.call_async(name=name)
    except asyncio.CancelledError:
        note(f"{name}/rank_async was cancelled")
        raise


ranked_async = Model(rank_async)


def search(name: str, how: str) -> Any:
    return rank(name=name, how=how)


async def search_async(name: str) -> Any:
    call = ranked_async.call_async if name == "function" else rank.later.call_async
    return await call(name=name)


def here(name: str) -> str:
    return wait(name)


def stream(name: str) -> Iterator[str]:
    yield "first"
    yield wait(name)


async def stream_async(name: str) -> AsyncIterator[str]:
    yield "first"
    yield await asyncio.to_thread(wait, name)


class Batch:
    def __call__(self, name: list[str]) -> list[str]:
        note(f"{','.join(sorted(name))} began")
        is_cancelled = current_call().cancelled.wait(1.0 if "stays" in name else LONG)
        note(f"{','.join(sorted(name))} {'were cancelled' if is_cancelled else 'ran'}")
        return name


def run_app() -> Any:
    return FlaskAppWrapper.create_app(
        [
            {"endpoint": "/search", "callable": search, "threads": 4},
            {"endpoint": "/search_async", "callable": search_async},
            {"endpoint": "/here", "callable": here},
            {"endpoint": "/stream", "callable": stream},
            {"endpoint": "/stream_async", "callable": stream_async},
            {"endpoint": "/hosted", "callable": here, "name": "hosted", "runner": True},
            {"endpoint": "/hosted_stream", "callable": stream, "name": "hosted_stream", "runner": True},
            {"endpoint": "/batch", "callable": Batch, "name": "batch", "batch": True, "runner": True},
            {"endpoint": "/later", "callable": here, "name": "later", "job": True},
        ]
    )
