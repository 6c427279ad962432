"""How many requests of this process a server answers at a time, each on a thread or in a greenlet of its own.

Whoever starts them says so; where nobody does, a number is assumed.
"""

from __future__ import annotations

import os

#: Threads of a server that nobody knows; waitress and others begin with as many.
ASSUMED = 4

#: Connections of a server that nobody knows: as many as Gunicorn's workers take by default.
ASSUMED_CONNECTIONS = 1000

_threads: dict[int, int] = {}
_connections: dict[int, int] = {}


def announce(threads: int) -> None:
    """Say how many threads answer this process's requests."""
    _threads[os.getpid()] = threads


def count() -> int:
    """Return how many threads answer this process's requests, or what is assumed."""
    return _threads.get(os.getpid(), ASSUMED)


def announce_connections(connections: int) -> None:
    """Say how many connections this process has at most, where each one's requests have a greenlet."""
    _connections[os.getpid()] = connections


def connections() -> int:
    """Return how many connections this process has at most, or what is assumed."""
    return _connections.get(os.getpid(), ASSUMED_CONNECTIONS)
