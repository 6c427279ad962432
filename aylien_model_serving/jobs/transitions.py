"""The transitions of a job: what each event makes of it.

Pure: a job goes in, the job as it is afterwards comes out. A job whose cancellation was asked for
never goes back to the queue.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from aylien_model_serving.jobs.job import JobRecord, NewJob
from aylien_model_serving.jobs.states import ENDED, RUNNING, Status, move
from aylien_model_serving.rpc.headers import ReplyHeader

#: Seconds before a failed job is tried again, doubled with each attempt, and their limit.
RETRY_PAUSE, LONGEST_RETRY_PAUSE = 1.0, 60.0

#: Seconds before a webhook is sent again, doubled with each try, and their limit.
WEBHOOK_PAUSE, LONGEST_WEBHOOK_PAUSE = 2.0, 600.0

#: Seconds that an owner has left to renew a lease that was found expired: it could not while the store was
#: away, or while the whole machine stood still.
LAST_CHANCE = 2.0

#: Tries after which a webhook is given up, an hour or so after the first.
WEBHOOK_TRIES = 14

#: Characters of a message or an error that are kept.
LONGEST_TEXT = 10_000


def created(new: NewJob, now: float, wall_ahead: float = 0.0) -> JobRecord:
    """Return the job that is put into the queue; its number is given by the store."""
    return JobRecord(
        number=0,
        id=new.id,
        service=new.service,
        route=new.route,
        status="queued",
        created_at=now,
        queued_at=now,
        priority=new.priority,
        retries=new.retries,
        timeout=new.timeout,
        keep=new.keep,
        idempotency_key=new.idempotency_key,
        webhook=new.webhook,
        caller=new.caller,
        fingerprint=new.fingerprint,
        wall_ahead=wall_ahead,
        request_id=new.request_id,
    )


def is_repeated(kept: JobRecord, new: NewJob) -> bool:
    """Return whether a new job asks for the same as a kept one; older ones have no fingerprint."""
    return kept.route == new.route and kept.fingerprint in (None, new.fingerprint)


def claimed(job: JobRecord, owner: str, lease: float, now: float) -> JobRecord:
    """A process claims it."""
    return replace(
        job,
        status=move(job.status, "processing"),
        started_at=max(now, job.queued_at),
        not_before=None,
        attempts=job.attempts + 1,
        lease_owner=owner,
        lease_until=now + lease,
    )


def is_held(job: JobRecord, owner: str) -> bool:
    """Return whether this owner holds its lease; one who is late still does, until another one claims it."""
    return job.status in RUNNING and job.lease_owner == owner


def retry_due(job: JobRecord) -> JobRecord:
    """Its pause before a further attempt is over."""
    return replace(job, not_before=None)


def extended(job: JobRecord, lease: float, now: float) -> JobRecord:
    """Its owner sends a heartbeat."""
    return replace(job, lease_until=now + lease, overdue=False)


def overdue(job: JobRecord, now: float) -> JobRecord:
    """Its lease expired for the first time."""
    return replace(job, lease_until=now + LAST_CHANCE, overdue=True)


def reported(job: JobRecord, fraction: float, message: str | None) -> JobRecord:
    """Its handler reports its progress; a message of None leaves the last one."""
    within = min(1.0, max(0.0, fraction))
    return replace(job, fraction=within, message=job.message if message is None else _text(message))


def streaming(job: JobRecord) -> JobRecord:
    """Its handler makes items."""
    return replace(job, status=move(job.status, "streaming"))


def finished(job: JobRecord, reply: ReplyHeader, now: float) -> JobRecord:
    """It is done."""
    return _ended(job, "finished", now, fraction=1.0, reply=reply)


def failed(job: JobRecord, error: str, now: float, *, again: bool) -> JobRecord:
    """Its handler failed: it is tried again, after a pause, or has ended.

    Args:
        again: whether a further attempt may do better.
    """
    if again and job.attempts <= job.retries:
        pause = _pause(RETRY_PAUSE, job.attempts, LONGEST_RETRY_PAUSE)
        return _queued_again(job, now, not_before=now + pause)
    return _ended(job, "failed", now, error=_text(error))


def lost(job: JobRecord, now: float) -> JobRecord:
    """Its lease expired for good, or its process died: it is tried again, unless that happened too often."""
    kills = job.kills + 1
    if kills <= job.retries + 1 or job.cancel_requested:
        return _queued_again(job, now, kills=kills)
    return _ended(
        job,
        "failed",
        now,
        kills=kills,
        error=f"Its process ended {kills} times while it worked on this job",
    )


def released(job: JobRecord, now: float) -> JobRecord:
    """Its owner releases it, and the attempt does not count."""
    return _queued_again(job, now, attempts=job.attempts - 1)


def cancelled(job: JobRecord, now: float) -> JobRecord:
    """It was taken out of the queue, or its owner has stopped."""
    return _ended(job, "cancelled", now)


def cancel_requested(job: JobRecord, now: float) -> JobRecord:
    """A client cancels it: at once in the queue; a running one as soon as its owner stops."""
    if job.status in ENDED:
        return job
    return replace(job, cancel_requested=True) if job.status in RUNNING else cancelled(job, now)


def is_expired(job: JobRecord, now: float) -> bool:
    """Return whether it may be removed: its time is over, and its webhook was delivered or given up."""
    return job.expires_at is not None and job.expires_at <= now and job.webhook_due is None


def webhook_claimed(job: JobRecord, hold: float, now: float) -> JobRecord:
    """A process sends its webhook; should that one die, another sends it after the hold."""
    return replace(job, webhook_due=now + hold)


def webhook_delivered(job: JobRecord) -> JobRecord:
    """Its webhook was delivered."""
    return replace(job, webhook_due=None)


def webhook_failed(job: JobRecord, now: float) -> JobRecord:
    """Its webhook was not delivered: it is tried again after a pause, or given up."""
    tries = job.webhook_tries + 1
    pause = _pause(WEBHOOK_PAUSE, tries, LONGEST_WEBHOOK_PAUSE)
    return replace(job, webhook_tries=tries, webhook_due=None if tries >= WEBHOOK_TRIES else now + pause)


def _queued_again(job: JobRecord, now: float, **changes: Any) -> JobRecord:
    if job.cancel_requested:
        changes.pop("not_before", None)
        return _ended(job, "cancelled", now, **changes)
    fresh = {"queued_at": now, "started_at": None, "fraction": 0.0, "message": None}
    return replace(job, status=move(job.status, "queued"), **_NO_LEASE, **fresh, **changes)


def _ended(job: JobRecord, status: Status, now: float, **changes: Any) -> JobRecord:
    return replace(
        job,
        status=move(job.status, status),
        finished_at=max(now, job.started_at or job.queued_at),
        not_before=None,
        expires_at=now + job.keep,
        webhook_due=None if job.webhook is None else now,
        **_NO_LEASE,
        **changes,
    )


_NO_LEASE: dict[str, Any] = {"lease_owner": None, "lease_until": None, "overdue": False}


def _pause(first: float, times: int, longest: float) -> float:
    return float(min(longest, first * 2 ** min(times - 1, 32)))


def _text(text: str) -> str:
    """A handler's words may be too long to keep, or hold halves of surrogate pairs, which no file takes."""
    return text[:LONGEST_TEXT].encode("utf-8", "replace").decode()
