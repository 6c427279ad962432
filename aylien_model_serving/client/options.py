"""What a caller may choose, how long to wait and how often to try; and what time and chance are.

Pure.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Options:
    """How calls are made.

    Args:
        timeout: seconds that a call may take in all, its further tries included; of a stream and of a job's
            items, the seconds that may pass without a word.
        connect_timeout: seconds that one try to connect may take.
        retries: further tries at most, where they do no harm.
        headers: sent with every request.
    """

    timeout: float = 60.0
    connect_timeout: float = 5.0
    retries: int = 3
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if not self.timeout > 0 or not self.connect_timeout > 0:
            raise ValueError("timeout and connect_timeout are seconds above 0")
        if self.retries < 0:
            raise ValueError("retries is a number from 0 on")


@dataclass(frozen=True)
class World:
    """What a story may not know by itself.

    Args:
        now: seconds that only ever grow.
        chance: a number from 0 to 1, for jitter.
    """

    now: Callable[[], float] = time.monotonic
    chance: Callable[[], float] = random.random
