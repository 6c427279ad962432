"""The arithmetic of a sliding window, and what every store of counts returns.

A window that slides is estimated from two that stand: the calls of the last whole window count as far as it
still reaches into the sliding one, as if they had been spread evenly. So a client needs two numbers, however
high its rate is, and can't call twice as often around the end of a window. The package `limits` does so.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from aylien_model_serving.limiting.rates import Rate


class Hit(NamedTuple):
    """What became of one call.

    Args:
        is_allowed: whether the rate has room for it; a call that is refused is not counted.
        remaining: calls that the client may still make at this moment.
        reset: whole seconds until it may make one more than that.
    """

    is_allowed: bool
    remaining: int
    reset: int


class Counts(Protocol):
    """Counts calls."""

    #: Whether a count may have to wait for the network.
    waits: bool

    def hit(self, rate: Rate, key: bytes) -> Hit | None:
        """Count a call, if the rate has room for it.

        Args:
            rate: the limit.
            key: of the client on the route, 16 bytes that no other one has.

        Returns:
            What became of it; None where it could not be counted, and is allowed.
        """


def hit_of(rate: Rate, previous: int, current: int, elapsed: float, *, is_allowed: bool) -> Hit:
    """Return what became of a call, from the counts after it.

    Args:
        rate: the limit.
        previous: calls of the last whole window.
        current: calls of the window that runs.
        elapsed: seconds since that began.
        is_allowed: whether the call is counted.
    """
    used = weigh(rate, previous, current, elapsed)
    target = min(max(1, int(used)), rate.amount)
    return Hit(
        is_allowed, max(0, rate.amount - int(used)), int(_until(rate, previous, current, elapsed, target)) + 1
    )


def weigh(rate: Rate, previous: int, current: int, elapsed: float) -> float:
    """Return how many calls lie in the sliding window."""
    return previous * (1.0 - elapsed / rate.seconds) + current


def _until(rate: Rate, previous: int, current: int, elapsed: float, target: int) -> float:
    """Return the seconds until fewer calls than `target` lie in the sliding window, if no more come."""
    excess = weigh(rate, previous, current, elapsed) - target
    if excess < 0:
        return 0.0
    if current < target:
        return excess * rate.seconds / previous
    return rate.seconds - elapsed + (current - target) * rate.seconds / current
