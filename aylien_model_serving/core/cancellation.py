"""What somebody waits for, and may cease to wait for before it is done.

Standard library only, and without locks: a list's `append`, `pop` and `remove` are atomic, in greenlets too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

Listener = Callable[[], object]


class Cancelled(asyncio.CancelledError):
    """Nobody waits any more for the call that a handler works on.

    Raised where a handler waits for the library: it may clean up, and lets it pass.
    """


class Cancellable:
    """A call that its caller may abandon."""

    __slots__ = ("_listeners", "abandoned")

    def __init__(self) -> None:
        self.abandoned = False
        self._listeners: list[Listener] = []

    def abandon(self) -> None:
        """Tell those who work on the call that nobody waits for it; from any thread."""
        self.abandoned = True
        while self._listeners:
            with suppress(IndexError):  # another thread has been quicker
                self._listeners.pop()()

    def listen(self, listener: Listener) -> None:
        """Have a listener called once the call is abandoned: at once, where it is already."""
        self._listeners.append(listener)
        if self.abandoned:
            self.abandon()

    def forget(self, listener: Listener) -> None:
        """Call the listener no more."""
        with suppress(ValueError):
            self._listeners.remove(listener)
