"""How many requests of this process a server answers at a time, each on a thread of its own.

Whoever starts the threads says so; where nobody does, a few are assumed.
"""

from __future__ import annotations

import os

#: Threads of a server that nobody knows; waitress and others begin with as many.
ASSUMED = 4

_threads: dict[int, int] = {}


def announce(threads: int) -> None:
    """Say how many threads answer this process's requests."""
    _threads[os.getpid()] = threads


def count() -> int:
    """Return how many threads answer this process's requests, or what is assumed."""
    return _threads.get(os.getpid(), ASSUMED)
