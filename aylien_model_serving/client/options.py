"""What a caller may choose, how long to wait and how often to try; and the clock and the random source.

Pure.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """How calls are made.

    Args:
        timeout: seconds that a call may take in all, its further tries included; of a stream and of a job's
            items, the seconds that may pass without a word.
        retries: further tries at most, where they do no harm.

    Raises:
        ValueError: a number is not valid.
    """

    timeout: float = 60.0
    retries: int = 3

    def __post_init__(self) -> None:
        positive_seconds("timeout", self.timeout)
        if self.retries < 0:
            raise ValueError("retries is a number from 0 on")


def positive_seconds(name: str, seconds: float) -> float:
    """Return seconds as they are.

    Args:
        name: what they are called, for the message.
        seconds: how many.

    Raises:
        ValueError: they are not above 0.
    """
    if not seconds > 0:
        raise ValueError(f"{name} is a number of seconds above 0")
    return seconds


@dataclass(frozen=True)
class ClockAndRandom:
    """The clock and the random source, which tests replace.

    Args:
        now: returns seconds that only ever grow.
        jitter: returns a random number from 0 to 1.
    """

    now: Callable[[], float] = time.monotonic
    jitter: Callable[[], float] = random.random
