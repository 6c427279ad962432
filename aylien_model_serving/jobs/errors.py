"""How a store of jobs can fail.

Unavailable      503
└── StoreUnavailable     locked, damaged, gone, or not to be written
    └── StoreFull            as large as it may be
TooManyRequests  429
└── QueueFull            as many jobs are queued as may be
LeaseLost                for the workers of jobs; no client sees it
"""

from __future__ import annotations

from aylien_model_serving.errors import TooManyRequests, Unavailable


class StoreUnavailable(Unavailable):
    """The store can't be read or written at the moment; nothing of the transaction was kept."""

    message = "The job store does not work at the moment"


class StoreFull(StoreUnavailable):
    """The store is as large as its settings allow, and none of its jobs may go."""

    message = "The job store is full: none of its jobs has ended"


class QueueFull(TooManyRequests):
    """As many jobs of the route are queued as may be.

    Args:
        queue_size: how many that is.
    """

    def __init__(self, queue_size: int) -> None:
        super().__init__(f"The queue is full: {queue_size:,} jobs wait for this route")


class LeaseLost(Exception):
    """The job is not the caller's any more: it has ended, or another process runs it."""


class JobChanged(Exception):
    """A job is not what it was when it was found, or takes more than one statement to save."""
