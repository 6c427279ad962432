"""Counts in a Redis, which several machines share, by the package `limits`.

While the Redis does not answer, calls are counted on this machine: they are neither refused for it, nor
without a limit.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from aylien_model_serving.limiting.rates import Rate
from aylien_model_serving.limiting.windows import Counts, Hit, hit_of

logger = logging.getLogger(__name__)

#: Seconds for which a Redis that failed is not asked.
RETRY_SECONDS = 5.0


class RedisCounts:
    """Counts calls in a Redis.

    Args:
        pool: redis-py's pool of connections to it.
        prefix: of its keys.
        otherwise: counts while it does not answer.
        clock: returns seconds.
    """

    waits = True

    def __init__(
        self, pool: Any, prefix: str, otherwise: Counts, clock: Callable[[], float] = time.monotonic
    ) -> None:
        import limits
        import limits.storage
        import limits.strategies

        self._storage: Any = limits.storage.RedisStorage(
            "redis://", connection_pool=pool, key_prefix=f"{prefix}limit"
        )
        self._window = limits.strategies.SlidingWindowCounterRateLimiter(self._storage)
        self._item = limits.RateLimitItemPerSecond
        self._otherwise = otherwise
        self._clock = clock
        self._is_away = False
        self._ask_again = 0.0

    def hit(self, rate: Rate, key: bytes) -> Hit | None:
        """Count a call, as `Counts` has it."""
        if self._is_away and self._clock() < self._ask_again:
            return self._otherwise.hit(rate, key)
        self._ask_again = self._clock() + RETRY_SECONDS  # meanwhile one call alone waits to see if it is back
        try:
            found = self._hit(rate, key.hex())
        except Exception as error:  # the client's, a socket's, or those of what is no Redis
            was_away, self._is_away = self._is_away, True
            if not was_away:
                logger.warning("Redis does not count calls; this machine does, until it answers: %s", error)
            return self._otherwise.hit(rate, key)
        if self._is_away:
            logger.warning("Redis counts calls again")
        self._is_away = False
        return found

    def _hit(self, rate: Rate, key: str) -> Hit:
        item = self._item(rate.amount, rate.seconds)
        is_allowed = self._window.hit(item, key)
        previous, previous_left, current, current_left = self._storage.get_sliding_window(
            item.key_for(key), rate.seconds
        )
        elapsed = rate.seconds - (previous_left if previous else current_left % rate.seconds)
        return hit_of(rate, previous, current, max(0.0, elapsed), is_allowed=is_allowed)
