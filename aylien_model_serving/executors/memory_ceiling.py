"""How many calls a batch may have until the GPU's memory has room for more.

A batch that ran out of memory halves the ceiling. It rises by one after every so many full batches, but no
further than below the size that ran out, for as long as that counts. Knows torch's errors, where torch is
loaded, and does not import it.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable

logger = logging.getLogger(__name__)

#: Batches as large as the ceiling after which it is one higher.
_GOOD_BATCHES = 20

#: Seconds for which a size that ran out of memory is not tried again.
_FORGET_SECONDS = 600.0

#: Batches that run out of memory within so many seconds until the process had better start afresh.
_MAX_FAILURES = 3
_FAILURE_SECONDS = 60.0


class MemoryCeiling:
    """The ceiling of one handler's batches.

    Args:
        max_size: calls in a batch at most, whatever memory there is.
        on_exhausted: called when memory has run out too often in a short time.
        clock: `time.monotonic`.
    """

    def __init__(
        self,
        max_size: int,
        on_exhausted: Callable[[], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.size = max_size
        self._max_size = max_size
        self._on_exhausted = on_exhausted
        self._clock = clock
        self._lock = threading.Lock()
        self._good = 0
        self._too_large = max_size + 1
        self._found_at = 0.0
        self._failures: deque[float] = deque(maxlen=_MAX_FAILURES)

    def worked(self, size: int) -> None:
        """Record that a batch had room, which matters while the ceiling is below what batches may have."""
        if size < self.size or self.size == self._max_size:
            return
        with self._lock:
            self._good += 1
            if self._good < _GOOD_BATCHES:
                return
            self._good = 0
            if self._clock() >= self._found_at + _FORGET_SECONDS:
                self._too_large = self._max_size + 1
            self.size = min(self.size + 1, self._too_large - 1)

    def limits(self) -> tuple[int, int]:
        """Return what `restore` takes."""
        with self._lock:
            return self.size, self._too_large

    def restore(self, limits: tuple[int, int]) -> None:
        """Forget the batches that ran out of memory since: a call of theirs has no room by itself either."""
        with self._lock:
            self.size, self._too_large = limits

    def ran_out(self, size: int) -> None:
        """Record that a batch of this size had no room."""
        with self._lock:
            self._good = 0
            self._found_at = self._clock()
            self._too_large = max(2, size)
            self.size = max(1, min(self.size, size // 2))

    def count_failure(self) -> None:
        """Count a batch that has run out of memory, in however many pieces."""
        now = self._clock()
        with self._lock:
            self._failures.append(now)
            is_exhausted = (
                len(self._failures) == _MAX_FAILURES and now - self._failures[0] <= _FAILURE_SECONDS
            )
            if is_exhausted:
                self._failures.clear()
        if is_exhausted and self._on_exhausted is not None:
            self._on_exhausted()


class Shortage:
    """What the pieces of one batch show of a GPU's memory."""

    __slots__ = ("_is_one_too_large", "_limits", "_memory", "has_worked")

    def __init__(self, memory: MemoryCeiling) -> None:
        self._memory = memory
        self._limits: tuple[int, int] | None = None
        self._is_one_too_large = False
        self.has_worked = False

    def add(self, size: int, error: Exception) -> None:
        """Record that a piece of this size has run out of memory, and free what can be freed."""
        if self._limits is None:
            self._limits = self._memory.limits()
        self._is_one_too_large |= size == 1
        self._memory.ran_out(size)
        logger.warning("A run of %d calls ran out of GPU memory: %s", size, error)
        free(error)

    def conclude(self) -> None:
        """Lower the ceiling no further than it has to be, and count the batch unless one call explains it."""
        if self._limits is None:
            return
        if self._is_one_too_large:
            self._memory.restore(self._limits)
        if not (self._is_one_too_large and self.has_worked):
            self._memory.count_failure()


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that a GPU has no memory left: torch's own, or the text of CUDA's."""
    torch = sys.modules.get("torch")
    kinds = tuple(
        kind
        for kind in (
            getattr(torch, "OutOfMemoryError", None),
            getattr(getattr(torch, "cuda", None), "OutOfMemoryError", None),
        )
        if isinstance(kind, type)
    )
    if isinstance(error, kinds):
        return True
    text = str(error).lower() if isinstance(error, RuntimeError) else ""
    return "out of memory" in text and ("cuda" in text or "hip" in text)


def free(error: BaseException) -> None:
    """Let go of what the run that raised an error holds, and of the memory that torch keeps for reuse."""
    traceback.clear_frames(error.__traceback__)
    cuda = getattr(sys.modules.get("torch"), "cuda", None)
    if cuda is not None and cuda.is_initialized():
        cuda.empty_cache()
