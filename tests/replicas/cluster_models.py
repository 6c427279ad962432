"""Handlers that the tests have hosted on Ray, or as if they were."""

import os
import time
from collections.abc import Iterator


class Doubler:
    """Takes batches, and one that is 13 ends its process."""

    def __init__(self, by: int = 2, device: str = "none") -> None:
        self.by = by
        self.device = device

    def __call__(self, n: list[int]) -> list[dict]:
        if 13 in n:
            os._exit(13)
        return [{"n": self.by * one, "pid": os.getpid(), "batch": len(n)} for one in n]


def slow(seconds: float = 0.1) -> dict:
    time.sleep(seconds)
    return {"pid": os.getpid()}


def count(n: int, pause: float = 0.0) -> Iterator[dict]:
    for number in range(n):
        time.sleep(pause)
        yield {"number": number}


def unhinted(n: int) -> object:
    return iter([{"number": number} for number in range(n)])


class Model:
    """Tells which process answers, and of which version it is; a diary gets the name of each run."""

    def __call__(self, seconds: float = 0.0, ends: bool = False, name: str = "", diary: str = "") -> dict:
        if ends:
            os._exit(9)
        if diary:
            with open(diary, "a") as file:
                file.write(f"{name}\n")
        time.sleep(seconds)
        return {"pid": os.getpid(), "version": os.environ.get("OF_THE_MODEL", "")}
