"""The calls of one process that wait for a replica of a runner: they are counted, and limited.

Knows nothing of replicas; how long a call waits is its pool's to say.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

from aylien_model_serving.errors import Unavailable


class WaitingCalls:
    """Counts a call among those that wait, while the block of a `with` statement runs.

    Args:
        name: of the runner.
        limit: how many may wait.
        on_change: called with how many wait, whenever it changes.
    """

    def __init__(self, name: str, limit: int, on_change: Callable[[int], None]) -> None:
        self._name = name
        self._limit = limit
        self._on_change = on_change
        self._number = 0

    def __enter__(self) -> None:
        """Count one more.

        Raises:
            Unavailable: as many wait as may.
        """
        if self._number >= self._limit:
            raise Unavailable(f"Too many requests wait for {self._name} to start")
        self._number += 1
        self._on_change(self._number)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._number -= 1
        self._on_change(self._number)
