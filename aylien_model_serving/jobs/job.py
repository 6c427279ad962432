"""The records of a job.

Pure data. Bodies (the call, the reply, a stream's items) are no part of them: they may be large, and
are read by calls of their own.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from aylien_model_serving.jobs.states import Status
from aylien_model_serving.rpc.headers import ReplyHeader


class NewJob(msgspec.Struct, frozen=True, kw_only=True):
    """A job that is to be enqueued.

    Args:
        id: 32 hexadecimal digits that nobody else has, from `uuid.uuid4().hex`.
        service: the name of the service, of which several may share a store.
        route: the route's name.
        call: the call as the wire encodes it.
        priority: jobs of a higher one are taken first.
        retries: how often a job whose handler failed is tried again.
        timeout: seconds that one attempt may take.
        keep: seconds that the job stays readable after its end.
        caller: the name of the API key's owner who made it; "" where the service has no keys.
        idempotency_key: the caller's name for the job; an equal one gives the kept job back.
        fingerprint: equal for calls that ask for the same; None where there is no idempotency key.
        webhook: the URL that the job is sent to when it has ended.
        queue_size: how many jobs of the route may be queued.
        request_id: of the request that made it; log lines about the job carry it.
    """

    id: str
    service: str
    route: str
    call: bytes
    priority: int = 0
    retries: int = 0
    timeout: float = 3600.0
    keep: float = 86400.0
    caller: str = ""
    idempotency_key: str | None = None
    fingerprint: str | None = None
    webhook: str | None = None
    queue_size: int = 100
    request_id: str = ""


class JobRecord(msgspec.Struct, frozen=True):
    """A job as it is kept; each field is a column of the store's table.

    Args:
        number: grows with each job of the store; later jobs have higher ones. A page's cursor.
        id, service, route, priority, retries, timeout, keep: as in `NewJob`.
        idempotency_key, webhook, caller, fingerprint, request_id: likewise.
        status: see `states`.
        fraction: how much of it is done, 0 to 1.
        message: what the handler says about its progress.
        error: why it failed.
        created_at: when it was enqueued for the first time.
        queued_at: when it was enqueued for the last time.
        started_at: when the last attempt began; None in the queue.
        finished_at: when it ended, in whatever way.
        not_before: when a job in the queue may be tried again.
        attempts: how often it was started; attempts that were released do not count.
        kills: how many of the attempts ended with their process.
        cancel_requested: whether its owner is to stop.
        lease_owner: the name of the process that runs it.
        lease_until: when that process counts as dead unless it sends a heartbeat.
        expires_at: when it may be removed.
        webhook_due: when the webhook is to be sent next; None once it was delivered or given up.
        webhook_tries: how often that failed.
        overdue: whether its lease has run out once, and its owner has had a last chance since.
        reply: the head of the reply.
        wall_ahead: seconds by which the wall clock was ahead of the store's when the job was made.

    All times are the store's; a client is shown them as the wall clock would have them.
    """

    number: int
    id: str
    service: str
    route: str
    status: Status
    created_at: float
    queued_at: float
    priority: int
    retries: int
    timeout: float
    keep: float
    idempotency_key: str | None = None
    webhook: str | None = None
    fraction: float = 0.0
    message: str | None = None
    error: str | None = None
    started_at: float | None = None
    finished_at: float | None = None
    not_before: float | None = None
    attempts: int = 0
    kills: int = 0
    cancel_requested: bool = False
    lease_owner: str | None = None
    lease_until: float | None = None
    expires_at: float | None = None
    reply: ReplyHeader | None = None
    webhook_due: float | None = None
    webhook_tries: int = 0
    caller: str = ""
    fingerprint: str | None = None
    overdue: bool = False
    wall_ahead: float = 0.0
    request_id: str = ""


class ClaimedJob(NamedTuple):
    """A job that its caller is to run, and its call as the wire encodes it."""

    job: JobRecord
    call: bytes
