"""The items of one call that is worked on step by step: a bounded buffer between two threads.

Knows threads, and nothing of steps and engines.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from aylien_model_serving.handlers.steps import Done

#: Items that wait to be sent.
_BUFFERED = 16


class StepItems:
    """The items of one call, from the engine's thread to the one that sends them.

    Args:
        changed: called when there is room again, when the last one was taken, or when nobody takes any more.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._items: deque[Any] = deque()
        self._error: Exception | None = None
        self._available = threading.Condition()
        self.has_ended = False

    def has_room(self) -> bool:
        return not self.has_ended and len(self._items) < _BUFFERED

    def waiting(self) -> int:
        """Return the number of items that wait to be sent."""
        return len(self._items)

    def take(self, item: Any) -> None:
        """Add what a step returned for this call."""
        if isinstance(item, Exception):
            self.end(item)
        elif not isinstance(item, Done):
            self._put(item)
        else:
            if item.has_item:
                self._put(item.item)
            self.end(None)

    def _put(self, item: Any) -> None:
        with self._available:
            if not self.has_ended:
                self._items.append(item)
                self._available.notify()

    def end(self, error: Exception | None) -> None:
        """End the items, after those that are there."""
        with self._available:
            if not self.has_ended:
                self._error, self.has_ended = error, True
                self._available.notify()

    def close(self) -> None:
        """Take no more items, since nobody reads them."""
        with self._available:
            self._items.clear()
            self.has_ended = True
            self._available.notify()
        self._changed()

    def __iter__(self) -> StepItems:
        return self

    def __next__(self) -> Any:
        with self._available:
            self._available.wait_for(lambda: self._items or self.has_ended)
            if not self._items:
                error, self._error = self._error, None
                raise StopIteration if error is None else error
            was_full = len(self._items) >= _BUFFERED
            item = self._items.popleft()
            is_empty = not self._items
        if was_full or is_empty:
            self._changed()
        return item
