"""Runs of handlers that go on after their calls have ended, for those who count what runs.

Standard library only. A thread can't be stopped: where a client has left, its call ends before the handler.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_current: ContextVar[list[Future[Any]] | None] = ContextVar("model_serving_abandoned_runs", default=None)


def note(run: Future[Any]) -> None:
    """Tell of a run that nobody waits for any more."""
    runs = _current.get()
    if runs is not None:
        runs.append(run)


@contextmanager
def recorded() -> Iterator[list[Future[Any]]]:
    """Record the runs that are abandoned within the block."""
    runs: list[Future[Any]] = []
    token = _current.set(runs)
    try:
        yield runs
    finally:
        _current.reset(token)
