"""Saves what has become of jobs, with what follows for their calls and items.

Each within a transaction of the store's.
"""

from __future__ import annotations

from aylien_model_serving.jobs import transitions
from aylien_model_serving.jobs.job import JobRecord
from aylien_model_serving.jobs.sqlite import SqliteRepository
from aylien_model_serving.jobs.states import ENDED


def requeue(
    repository: SqliteRepository, service: str, route: str, now: float, limit: int
) -> list[JobRecord]:
    """Put jobs back into the queue whose lease has expired for good or whose pause is over.

    Returns:
        Those whose process has ended.
    """
    expired = [
        keep(repository, job, transitions.lost(job, now) if job.overdue else transitions.overdue(job, now))
        for job in repository.lease_expired(service, route, now, limit)
    ]
    for job in repository.retry_due(service, route, now, limit):
        keep(repository, job, transitions.retry_due(job))
    return [job for job in expired if job.lease_owner is None]


def keep(repository: SqliteRepository, old: JobRecord, new: JobRecord) -> JobRecord:
    """Save a job, and drop its call at its end, or its items before another attempt makes them again."""
    repository.save(old, new)
    if new.status in ENDED and old.status not in ENDED:
        repository.drop_call(new)
    elif new.status == "queued" and old.status == "streaming":
        repository.drop_items(new)
    return new
