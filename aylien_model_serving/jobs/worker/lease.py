"""The leases of one process: it claims jobs from the store under its name, and writes what becomes of them.

What a store fails to write is tried again for a while: an end that is not written means that the job runs
once more.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar

from aylien_model_serving.core.messages import Reply
from aylien_model_serving.jobs import owner_names
from aylien_model_serving.jobs.errors import LeaseLost, StoreUnavailable
from aylien_model_serving.jobs.job import ClaimedJob, JobRecord
from aylien_model_serving.jobs.states import RUNNING
from aylien_model_serving.jobs.store import BATCH, Store
from aylien_model_serving.rpc.headers import ReplyHeader

#: Seconds that a job belongs to whoever claimed it without a heartbeat from there, and a last chance is left.
LEASE = 4.0

#: Seconds for which the write of a job's end is retried, and the pause between two tries: an operator is to
#: have the time to mend the store.
_RETRY_FOR, _PAUSE = 120.0, 0.5

#: Seconds for which expired jobs are removed at a time, with a pause for others between two transactions.
_SWEEP_FOR, _SWEEP_PAUSE = 0.1, 0.005

#: Running jobs of one route and state that are checked for owners that are gone; more than run at once.
_CHECKED_AT_ONCE = 1000

_T = TypeVar("_T")


class JobLeases:
    """Claims jobs of some routes, and writes what becomes of them.

    Args:
        store: of the jobs.
        service: whose jobs.
        routes: names of the routes.
    """

    def __init__(self, store: Store, service: str, routes: Sequence[str]) -> None:
        self._store = store
        self._service = service
        self._routes = routes
        self._owner = owner_names.name()

    def claim(self) -> ClaimedJob | None:
        """Claim the next job."""
        return self._store.claim(self._service, self._routes, self._owner, LEASE, self._store.now())

    def next_due(self) -> float | None:
        """Return the seconds until a job may be due; None where none is in sight."""
        now = self._store.now()
        due = self._store.next_due(self._service, self._routes, now)
        return None if due is None else max(0.0, due - now)

    def heartbeat(self, job: JobRecord) -> bool:
        """Renew the lease, and return whether the job is to stop."""
        return self._store.heartbeat(job.id, self._owner, LEASE, self._store.now())

    def report(self, job: JobRecord, fraction: float, message: str | None) -> bool:
        """Write the job's progress, if the store is available, and return whether the job is to stop."""
        try:
            return self._store.report(job.id, self._owner, fraction, message, self._store.now())
        except StoreUnavailable:
            return False

    def streaming(self, job: JobRecord) -> bool:
        """Mark the job as streaming, and return whether it is to stop."""
        return _persistently(lambda: self._store.streaming(job.id, self._owner, self._store.now()))

    def add_item(self, job: JobRecord, index: int, item: bytes) -> bool:
        """Write an item, and return whether the job is to stop."""
        return _persistently(lambda: self._store.add_item(job.id, self._owner, index, item))

    def finish(self, job: JobRecord, reply: Reply) -> None:
        """End the job with its reply."""
        head = ReplyHeader(reply.status, reply.media_type, reply.headers)
        _persistently(lambda: self._store.finish(job.id, self._owner, head, reply.body, self._store.now()))

    def fail(self, job: JobRecord, error: str, *, again: bool) -> None:
        """End the job as failed, or have it tried again."""
        _persistently(lambda: self._store.fail(job.id, self._owner, error, self._store.now(), again=again))

    def cancelled(self, job: JobRecord) -> None:
        """End the job as cancelled."""
        _persistently(lambda: self._store.cancelled(job.id, self._owner, self._store.now()))

    def release(self, job: JobRecord) -> None:
        """Put the job back into the queue; the attempt is not counted."""
        self._store.release(job.id, self._owner, self._store.now())

    def reclaim(self) -> None:
        """Put jobs of processes that are gone back into the queue; on other machines the lease decides."""
        for route in self._routes:
            for status in RUNNING:
                for job in self._store.page(
                    self._service, status=status, route=route, limit=_CHECKED_AT_ONCE
                ):
                    if job.lease_owner is not None and owner_names.is_gone(job.lease_owner):
                        with suppress(LeaseLost):  # another process was quicker
                            self._store.lost(job.id, job.lease_owner, self._store.now())

    def sweep(self) -> bool:
        """Remove expired jobs for a short time, and return whether more may be left."""
        until = time.monotonic() + _SWEEP_FOR
        while self._store.sweep(self._store.now()) >= BATCH:
            if time.monotonic() > until:
                return True
            time.sleep(_SWEEP_PAUSE)
        return False


def _persistently(keep: Callable[[], _T]) -> _T:
    until = time.monotonic() + _RETRY_FOR
    while True:
        try:
            return keep()
        except StoreUnavailable:
            if time.monotonic() > until:
                raise
            time.sleep(_PAUSE)
