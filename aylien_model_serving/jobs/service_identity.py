"""What tells one service's jobs from another's in a store."""

from __future__ import annotations

from typing import NamedTuple


class ServiceIdentity(NamedTuple):
    """A service, and what its jobs run, by which two services of one name are told apart.

    Args:
        name: the service's.
        handlers: a word for each route with jobs: its name and its handler's.
    """

    name: str
    handlers: tuple[str, ...] = ()
