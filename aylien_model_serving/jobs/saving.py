"""Saves what has become of jobs, with what follows for their calls and items.

Each within a transaction of the store's.
"""

from __future__ import annotations

from collections.abc import Sequence

from aylien_model_serving.jobs import transitions
from aylien_model_serving.jobs.job import JobRecord
from aylien_model_serving.jobs.states import ENDED
from aylien_model_serving.jobs.unit_of_work import Repository


def requeue(
    repository: Repository, service: str, routes: Sequence[str], now: float, limit: int
) -> list[JobRecord]:
    """Put jobs back into the queue whose lease has expired for good or whose pause is over.

    Args:
        limit: how many of each route at most.

    Returns:
        Those whose process has ended.
    """
    expired = [
        keep(repository, job, transitions.lost(job, now) if job.overdue else transitions.overdue(job, now))
        for route in routes
        for job in repository.lease_expired(service, route, now, limit)
    ]
    for route in routes:
        for job in repository.retry_due(service, route, now, limit):
            keep(repository, job, transitions.retry_due(job))
    return [job for job in expired if job.lease_owner is None]


def keep(repository: Repository, old: JobRecord, new: JobRecord, body: bytes | None = None) -> JobRecord:
    """Save a job, and drop its call at its end, or its items before another attempt makes them again.

    Args:
        body: of the reply with which it ends.
    """
    if new.status in ENDED and old.status not in ENDED:
        repository.save_ended(old, new, body)
        return new
    repository.save(old, new)
    if new.status == "queued" and old.status == "streaming":
        repository.drop_items(new)
    return new
