"""How many ended jobs are kept, and how large their store may be: those that would expire first go first.

Jobs that are queued, run, or have a webhook to send stay, however many there are: the queue's size, the
number of replicas and the webhook's tries limit those.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

from aylien_model_serving.jobs.errors import StoreFull
from aylien_model_serving.jobs.unit_of_work import Repository

logger = logging.getLogger(__name__)

#: Seconds between two log lines about removals.
_LOG_INTERVAL = 60.0


@dataclass(frozen=True)
class Limits:
    """What a store may hold, of all services that share it.

    Args:
        max_ended: ended jobs that are kept.
        max_bytes: of the database, without the space that it has free.
    """

    max_ended: int = 100_000
    max_bytes: int = 4096 * 1024 * 1024


class Retention:
    """Removes ended jobs before their time where there is too much.

    Args:
        limits: what there may be.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._removed = 0
        self._logged_at = -_LOG_INTERVAL

    def make_room(self, repository: Repository, limit: int) -> None:
        """Remove so many ended jobs at most if the store is full, before another one is added.

        Raises:
            StoreFull: it is full, and none of its jobs may go.
        """
        if self._is_full(repository) and not self.trim(repository, limit):
            raise StoreFull

    def remove_surplus(self, repository: Repository, limit: int) -> int:
        """Remove so many ended jobs at most, and return how many; 0 when there is not too much."""
        surplus = repository.count_ended(self._limits.max_ended + limit) - self._limits.max_ended
        return self.trim(repository, limit, surplus)

    def trim(self, repository: Repository, limit: int, surplus: int = 0) -> int:
        """Remove so many ended jobs at most while there is a surplus of them, or the store is too large."""
        removed = 0
        while removed < limit and (removed < surplus or self._is_full(repository)):
            if not repository.remove_first_to_expire():
                break
            removed += 1
        if removed:
            repository.free_pages()
            self._log(removed)
        return removed

    def _is_full(self, repository: Repository) -> bool:
        return repository.used_bytes() > self._limits.max_bytes

    def _log(self, removed: int) -> None:
        self._removed += removed
        if time.monotonic() >= self._logged_at + _LOG_INTERVAL:
            logger.warning(
                "Removed %d ended jobs before their time: the store is limited to %d of them, and %d MiB",
                self._removed,
                self._limits.max_ended,
                self._limits.max_bytes >> 20,
            )
            self._removed, self._logged_at = 0, time.monotonic()
