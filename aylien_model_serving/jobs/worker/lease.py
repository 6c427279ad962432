"""Where one process works on jobs: the store, with the process's name on every job that it has taken.

A store that does not answer is asked again for a while: an end that is not kept means that the job
runs once more.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar

from aylien_model_serving.core.messages import Reply
from aylien_model_serving.jobs import owner_names
from aylien_model_serving.jobs.errors import LeaseLost, StoreUnavailable
from aylien_model_serving.jobs.job import Claimed, JobRecord
from aylien_model_serving.jobs.states import RUNNING
from aylien_model_serving.jobs.store import Store
from aylien_model_serving.rpc.headers import ReplyHeader

#: Seconds that a job belongs to whoever took it without a word from there.
LEASE = 6.0

#: Seconds for which the end of a job is tried to be kept, and the pause between two tries.
_STUBBORN, _PAUSE = 20.0, 0.5

#: Running jobs of one route and state that are looked at for owners that are gone; more than run at once.
_LOOKED_AT = 1000

_T = TypeVar("_T")


class Desk:
    """Takes jobs of some routes, and keeps what becomes of them.

    Args:
        store: where the jobs are.
        service: whose jobs.
        routes: names of the routes.
    """

    def __init__(self, store: Store, service: str, routes: Sequence[str]) -> None:
        self._store = store
        self._service = service
        self._routes = routes
        self._owner = owner_names.name()

    def claim(self) -> Claimed | None:
        """Take the next job."""
        return self._store.claim(self._service, self._routes, self._owner, LEASE, time.time())

    def next_due(self) -> float | None:
        """Return the seconds until a job may be due; None where none is in sight."""
        now = time.time()
        due = self._store.next_due(self._service, self._routes, now)
        return None if due is None else max(0.0, due - now)

    def heartbeat(self, job: JobRecord) -> bool:
        """Say that this process lives, and tell whether the job is to stop."""
        return self._store.heartbeat(job.id, self._owner, LEASE, time.time())

    def report(self, job: JobRecord, fraction: float, message: str | None) -> bool:
        """Keep how far the job is, if that works at the moment, and tell whether it is to stop."""
        try:
            return self._store.report(job.id, self._owner, fraction, message, time.time())
        except StoreUnavailable:
            return False

    def streaming(self, job: JobRecord) -> bool:
        """Say that items follow, and tell whether the job is to stop."""
        return _stubbornly(lambda: self._store.streaming(job.id, self._owner, time.time()))

    def add_item(self, job: JobRecord, index: int, item: bytes) -> bool:
        """Keep an item, and tell whether the job is to stop."""
        return _stubbornly(lambda: self._store.add_item(job.id, self._owner, index, item))

    def finish(self, job: JobRecord, reply: Reply) -> None:
        """Keep the job's reply."""
        head = ReplyHeader(reply.status, reply.media_type, reply.headers)
        _stubbornly(lambda: self._store.finish(job.id, self._owner, head, reply.body, time.time()))

    def fail(self, job: JobRecord, error: str, *, again: bool) -> None:
        """Keep why the job failed, or have it tried again."""
        _stubbornly(lambda: self._store.fail(job.id, self._owner, error, time.time(), again=again))

    def cancelled(self, job: JobRecord) -> None:
        """Keep that the job was stopped."""
        _stubbornly(lambda: self._store.cancelled(job.id, self._owner, time.time()))

    def release(self, job: JobRecord) -> None:
        """Give the job back."""
        self._store.release(job.id, self._owner, time.time())

    def take_back(self) -> None:
        """Put jobs back whose processes are gone; those of other machines keep their leases to the end."""
        for route in self._routes:
            for status in RUNNING:
                for job in self._store.page(self._service, status=status, route=route, limit=_LOOKED_AT):
                    if job.lease_owner is not None and owner_names.is_gone(job.lease_owner):
                        with suppress(LeaseLost):  # somebody else was quicker
                            self._store.lost(job.id, job.lease_owner, time.time())

    def sweep(self) -> None:
        """Remove jobs that nobody needs any more."""
        self._store.sweep(time.time())


def _stubbornly(keep: Callable[[], _T]) -> _T:
    until = time.monotonic() + _STUBBORN
    while True:
        try:
            return keep()
        except StoreUnavailable:
            if time.monotonic() > until:
                raise
            time.sleep(_PAUSE)
