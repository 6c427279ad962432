"""Generators that yield a list for each step of a batch: inline, hosted, async, and as a model."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

from aylien_model_serving import Done, Model
from aylien_model_serving.app_factory import FlaskAppWrapper, InvalidRequest

BATCH = {"max_size": 8}


def spell(word: list[str], times: list[int]) -> Iterator[list[int | str | Done | Exception]]:
    """Yield for each word the number of calls in its batch, then its letters."""
    if "refused" in word:
        raise InvalidRequest("This word is refused")
    yield [len(word)] * len(word)
    texts = [one * number for one, number in zip(word, times, strict=True)]
    for place in range(max(map(len, texts))):
        if any(text[place : place + 1] == "!" for text in texts):
            raise LookupError("secret")
        yield [_letter(text, place) for text in texts]


def _letter(text: str, place: int) -> str | Done | Exception:
    if text[place : place + 1] == "?":
        return InvalidRequest("What a word")
    return text[place] if place < len(text) else Done()


async def spell_async(word: list[str], times: list[int]) -> AsyncIterator[list[int | str | Done | Exception]]:
    for step in spell(word, times):
        yield step


speller = Model(spell, name="speller", batch=BATCH)


def through_model(word: str, times: int) -> Iterator[int | str]:
    yield from speller(word=word, times=times)


def run_app() -> Any:
    return FlaskAppWrapper.create_app(
        [
            {"endpoint": "/inline", "callable": spell, "batch": BATCH},
            {"endpoint": "/async", "callable": spell_async, "batch": BATCH},
            {"endpoint": "/native", "callable": spell, "name": "n", "batch": BATCH, "native_threads": True},
            {
                "endpoint": "/hosted",
                "callable": spell,
                "name": "hosted",
                "batch": BATCH,
                "runner": True,
                "warmup": {"word": "warm", "times": 100},
            },
            {"endpoint": "/model", "callable": through_model, "threads": 8},
        ]
    )
