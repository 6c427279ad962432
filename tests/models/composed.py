"""Models that call each other, for tests: embed is batched, rank calls it, and loop would call itself."""

import asyncio
import dataclasses
import itertools
import os
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import numpy as np

from aylien_model_serving import Done, InvalidRequest, Model
from aylien_model_serving.errors import Unavailable


@dataclasses.dataclass
class Document:
    text: str
    vector: np.ndarray | None = None


class Embed:
    """Returns the number of letters, four times; takes five milliseconds for each batch."""

    def __init__(self, factor: int = 1) -> None:
        self.factor = factor

    def __call__(self, text: list[str]) -> list[np.ndarray]:
        time.sleep(0.005)
        return [np.full(4, len(each) * self.factor, "f4") for each in text]

    @staticmethod
    def letters(text: str) -> int:
        return len(text)


def case_of(text: str) -> bool:
    if text == "groupless":
        raise InvalidRequest("This text has no group")
    return text.isupper()


embed = Model(
    Embed,
    name="embed",
    batch={"max_size": 64, "group_by": case_of, "size_of": Embed.letters, "max_total": 256},
    runner={"init": {"factor": 2}},
    max_queue=512,  # sixteen clients' twenty calls each wait while it is started again
)


class Rank:
    def __call__(self, vectors: list[np.ndarray], document: Document) -> Document:
        """Return a document with the number of vectors and its own vector, for which it calls embed."""
        if document.text == "refuse":
            raise InvalidRequest("This document is refused")
        if document.text == "fail":
            raise LookupError("secret")
        return Document(str(len(vectors)), embed(text=document.text))

    async def pid(self) -> int:
        await asyncio.sleep(0)
        return os.getpid()

    def sleep(self, seconds: float) -> float:
        time.sleep(seconds)
        return seconds

    def count(self, to: int, fail_at: int = -1) -> Iterator[int]:
        for number in range(to):
            if number == fail_at:
                raise InvalidRequest(f"no {number}")
            yield number

    def total(self, numbers: Iterator[int], most: int = 1 << 62) -> int:
        """Return the sum of numbers, up to the first with which it is more than `most`."""
        total = 0
        for number in numbers:
            total += number
            if total > most:
                break
        return total

    def texts(self, documents: Iterator[Document]) -> Iterator[str]:
        for document in documents:
            yield document.text

    async def joined(self, texts: AsyncIterator[str], others: AsyncIterator[str]) -> str:
        return "".join([text async for text in texts]) + "".join([text async for text in others])

    def dies_of(self, numbers: Iterator[int]) -> None:
        next(numbers)
        os._exit(1)

    def drip(self, mark: str) -> Iterator[int]:
        """Yield numbers without end, 200 a second; a file is there for as long as anybody takes them."""
        Path(mark).touch()
        try:
            for number in itertools.count():
                time.sleep(0.005)
                yield number
        finally:
            Path(mark).unlink()

    def dies_after(self, number: int) -> Iterator[int]:
        yield from range(number)
        os._exit(1)

    def busy(self) -> None:
        raise Unavailable("The model is busy", retry_after=7)

    @staticmethod
    def half(number: float) -> float:
        return number / 2

    @classmethod
    def kind(cls, suffix: str) -> str:
        return cls.__name__ + suffix

    def _private(self) -> int:
        return 1


rank = Model(Rank, name="rank", runner={"replicas": 2}, threads=4)


def double(number: int) -> int:
    return 2 * number


doubled = Model(double)


def letters_of(text: list[str]) -> Iterator[list[str | Done]]:
    for place in range(max(map(len, text))):
        yield [one[place] if place < len(one) else Done() for one in text]


letters = Model(letters_of, batch=True)


class Spell:
    """Spells words letter by letter, of many calls at the same time."""

    max_active = 8

    def start(self, word: str, times: int = 1) -> list[str]:
        return list(word * times)

    def step(self, states: list[list[str]]) -> list[str | Done]:
        time.sleep(0.002)
        letters = [letters.pop(0) for letters in states]
        return [letter if left else Done(letter) for letter, left in zip(letters, states, strict=True)]

    def other(self) -> None: ...


class Staged:
    def setup(self, device: str) -> None:
        self.factor = 2

    def predict(self, x: int) -> int:
        return self.factor * x


spell, staged = Model(Spell, name="spelled"), Model(Staged)


class Single:
    """A model of one value at a time."""

    def __call__(self, number: int) -> int:
        return number
