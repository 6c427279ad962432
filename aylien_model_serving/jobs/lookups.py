"""Finds the job that a caller may see, that its worker still holds, or that is another one's repetition.

Each within a transaction of the store's.
"""

from __future__ import annotations

from aylien_model_serving.errors import IdempotencyKeyReused
from aylien_model_serving.jobs import transitions
from aylien_model_serving.jobs.errors import LeaseLost
from aylien_model_serving.jobs.job import JobRecord, NewJob
from aylien_model_serving.jobs.unit_of_work import Repository


def of_service(
    repository: Repository, service: str, job_id: str, now: float, caller: str | None = None
) -> JobRecord | None:
    """Return a job of a service, if this caller made it; None as the caller is anybody."""
    job = repository.find(job_id) if job_id.isascii() else None  # a client may ask for anything
    if job is None or job.service != service or caller not in (None, job.caller):
        return None
    return None if transitions.is_expired(job, now) else job


def of_key(repository: Repository, new: NewJob, now: float) -> JobRecord | None:
    """Return the job that is kept under a new one's idempotency key.

    Raises:
        IdempotencyKeyReused: its call asks for something else.
    """
    if new.idempotency_key is None:
        return None
    others = []
    for kept in repository.find_keyed(new.service, new.caller, new.idempotency_key):
        if transitions.is_expired(kept, now):
            repository.remove(kept)
        elif transitions.is_repeated(kept, new):
            return kept
        else:
            others.append(kept)
    if others:
        raise IdempotencyKeyReused
    return None


def of_owner(repository: Repository, job_id: str, owner: str) -> JobRecord:
    """Return a job whose lease this owner holds.

    Raises:
        LeaseLost: it does not.
    """
    job = repository.find(job_id)
    if job is None or not transitions.is_held(job, owner):
        raise LeaseLost(f"Job {job_id} does not belong to {owner}")
    return job
