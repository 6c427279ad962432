"""Which calls go into one message to a Ray cluster, and when one is sent.

Pure. A message costs Ray some milliseconds of processor time whatever is in it. So calls that wait for a
handler which takes batches share one, and only so many are on their way as the calls need: for each
`target_ongoing` of them, as many as a replica is to have at a time. Ray adds replicas by the number of
messages that it sees. Beside other messages, one that is smaller waits for further calls, as a batch does: a
small one costs as much, and makes the next ones small.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Generic, TypeVar

_Call = TypeVar("_Call")


class Gathering(Generic[_Call]):
    """The calls that wait for a message, and how many are on their way.

    Args:
        size: calls that a message may have.
        target_ongoing: calls that a replica is to have at a time.
        target_messages: messages that it is to have at a time.
        max_wait: seconds that a call may wait for others.
    """

    def __init__(self, size: int, target_ongoing: int, target_messages: int, max_wait: float = 0.0) -> None:
        self._size = size
        self._target_ongoing = target_ongoing
        self._target_messages = target_messages
        self._max_wait = max_wait
        self._waiting: deque[tuple[_Call, float]] = deque()
        self._sizes: list[int] = []
        self._sent = 0

    def __len__(self) -> int:
        return len(self._waiting) + self._sent

    @property
    def waiting(self) -> int:
        """How many calls wait for a message."""
        return len(self._waiting)

    def add(self, call: _Call, now: float) -> None:
        """Have a call wait, from a time on."""
        self._waiting.append((call, now))

    def next_message(self, now: float) -> list[_Call]:
        """Return the calls of a message that is to be sent; none where none is."""
        if not self._waiting or len(self._sizes) >= self._most_messages() or self.due > now:
            return []
        calls = [self._waiting.popleft()[0] for _ in range(min(self._size, len(self._waiting)))]
        self._sizes.append(len(calls))
        self._sent += len(calls)
        return calls

    @property
    def due(self) -> float:
        """When calls that wait for others have done so for long enough; no matter whether any do."""
        if not self._waiting or len(self._waiting) >= min(self._size, max(self._sizes, default=0)):
            return 0.0
        return self._waiting[0][1] + self._max_wait

    def _most_messages(self) -> float:
        if self._size == 1:
            return math.inf
        wanted = math.ceil(len(self) * self._target_messages / self._target_ongoing)
        return max(self._target_messages, wanted)

    def ended(self, calls: int) -> None:
        """Note that a message of so many calls has been answered."""
        self._sizes.remove(calls)
        self._sent -= calls

    def clear(self) -> list[_Call]:
        """Return the calls that wait, which wait no more."""
        calls = [call for call, _ in self._waiting]
        self._waiting.clear()
        return calls
