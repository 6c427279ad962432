"""The flow control of a stream: how many items the one who takes them still grants."""

from __future__ import annotations

import threading


class StreamCredit:
    """What the sender of a stream waits for.

    Args:
        left: items that may be sent at once.
    """

    def __init__(self, left: int) -> None:
        self._left = left
        self._ended = False
        self._changed = threading.Condition()

    def take(self) -> bool:
        """Wait for the credit of one item, and return whether there is one; there is none after `end`."""
        with self._changed:
            self._changed.wait_for(lambda: self._left > 0 or self._ended)
            self._left -= 1
            return not self._ended

    def grant(self, items: int) -> None:
        """Grant so many further items."""
        with self._changed:
            self._left += items
            self._changed.notify()

    def end(self) -> None:
        """Grant no more; who waits goes on."""
        with self._changed:
            self._ended = True
            self._changed.notify()
