"""The store of jobs: what can be done with a job, each method one short transaction.

Safe from many threads and processes. Times are seconds since the epoch by the store's own clock, passed in
as `now`. What becomes of a job is decided in `transitions`; how it is kept is the repository's matter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from aylien_model_serving.jobs import lookups, saving, tracing, transitions
from aylien_model_serving.jobs.clock import Clock, wall_ahead
from aylien_model_serving.jobs.errors import JobChanged, QueueFull
from aylien_model_serving.jobs.job import ClaimedJob, JobRecord, NewJob
from aylien_model_serving.jobs.outlooks import Outlooks
from aylien_model_serving.jobs.retention import Limits, Retention
from aylien_model_serving.jobs.states import IllegalTransition, Status
from aylien_model_serving.jobs.unit_of_work import Repository, UnitOfWork
from aylien_model_serving.rpc.headers import ReplyHeader

#: Jobs that one transaction brings back from a pause or an expired lease, or removes, at most.
BATCH = 100

_T = TypeVar("_T")


class Store:
    """Keeps jobs until they are done, and their results for as long as each job says.

    Every method may raise `StoreUnavailable`; then nothing of it was kept. Those of a job's worker take the
    owner that claimed it, and raise `LeaseLost` when the job is no longer its own. An owner's name belongs to
    one process, for its whole life.

    Args:
        unit_of_work: opens transactions on the jobs.
        clock: tells the time, in place of the jobs' own; what only reads shows no job that has expired by it.
        limits: what is kept.
    """

    def __init__(
        self,
        unit_of_work: UnitOfWork,
        clock: Clock | None = None,
        limits: Limits | None = None,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._clock = clock or unit_of_work.now
        self.limits = limits or Limits()
        self._retention = Retention(self.limits)
        self._outlooks = Outlooks()
        self.is_remote = unit_of_work.is_remote
        self.listen = unit_of_work.listen

    def now(self) -> float:
        """Return the time of the store's clock: what is passed to the other methods."""
        return self._clock()

    def check(self) -> None:
        """Return if jobs can be kept at the moment; raise `StoreUnavailable` otherwise."""
        self._unit_of_work.check()

    def close(self) -> None:
        """Give back what is held open; the next call opens it again."""
        self._unit_of_work.close()

    def enqueue(self, new: NewJob, now: float) -> tuple[JobRecord, bool]:
        """Enqueue a job, and return it with True; with False the one that has its idempotency key already.

        Raises:
            IdempotencyKeyReused: the job of its idempotency key is of another call.
            QueueFull: as many jobs of the route are queued as may be.
            StoreUnavailable: the store is as large as it may be, and no job in it has ended.
        """
        with self._unit_of_work.write() as repository:
            kept = lookups.of_key(repository, new, now)
            if kept is not None:
                return kept, False
            self._retention.make_room(repository, BATCH)
            job = transitions.created(new, now, wall_ahead(self._clock()))
            added = repository.add_if_room(job, new.call, new.queue_size)
            if added is None:
                raise QueueFull(new.queue_size)
            return added, True

    def get(self, service: str, job_id: str, caller: str | None = None) -> JobRecord | None:
        """Return a job, if this service has it and this caller made it; None is anybody, here and below."""
        with self._unit_of_work.read() as repository:
            return lookups.of_service(repository, service, job_id, self._clock(), caller)

    def result(self, service: str, job_id: str) -> tuple[ReplyHeader, bytes] | None:
        """Return the reply of a finished job: its head and its body."""
        with self._unit_of_work.read() as repository:
            job = lookups.of_service(repository, service, job_id, self._clock())
            body = None if job is None else repository.body(job)
        return None if job is None or job.reply is None or body is None else (job.reply, body)

    def items(self, service: str, job_id: str, after: int, limit: int) -> list[tuple[int, bytes]]:
        """Return a job's items, at most so many, with indexes after one, or -1 for all, in order."""
        with self._unit_of_work.read() as repository:
            job = lookups.of_service(repository, service, job_id, self._clock())
            return [] if job is None else repository.items(job, after, limit)

    def page(
        self,
        service: str,
        *,
        caller: str | None = None,
        status: Status | None = None,
        route: str | None = None,
        limit: int,
        before: int | None = None,
    ) -> list[JobRecord]:
        """Return the service's jobs, the last one first.

        Args:
            status, route: those of this state and route alone.
            limit: how many jobs at most.
            before: the number of the last job of the page before.
        """
        with self._unit_of_work.read() as repository:
            return repository.page(service, caller, status, route, limit, before, self._clock())

    def counts(self, service: str) -> dict[str, dict[Status, int]]:
        """Return how many jobs are kept, by route and state; what there is none of is left out."""
        with self._unit_of_work.read() as repository:
            return repository.counts(service, self._clock())

    def cancel(self, service: str, job_id: str, now: float, caller: str | None = None) -> JobRecord | None:
        """Cancel a job in the queue, ask the owner of a running one to stop, and return the job."""
        with self._unit_of_work.write() as repository:
            job = lookups.of_service(repository, service, job_id, now, caller)
            if job is None:
                return None
            return saving.keep(repository, job, transitions.cancel_requested(job, now))

    def claim(
        self, service: str, routes: Sequence[str], owner: str, lease: float, now: float
    ) -> ClaimedJob | None:
        """Claim the next job of these routes: of the highest priority, then the oldest.

        Jobs with expired leases are put back into the queue first, or end if they ended too many processes.

        Args:
            lease: seconds that the job belongs to the owner without a heartbeat.
        """
        if not self._outlooks.is_busy(service, routes, now):
            with self._unit_of_work.read() as repository:  # reading first spares the one lock for writing
                is_ready, due = repository.outlook(service, routes)
            if due is not None and due <= now:
                self._requeue(service, routes, now)
            elif not is_ready:
                return None
            self._outlooks.note(service, routes, now, due)

        def claim_next(repository: Repository) -> ClaimedJob | None:
            found = repository.next_ready(service, routes)
            if found is None:
                return None
            job = saving.keep(repository, found.job, transitions.claimed(found.job, owner, lease, now))
            return found._replace(job=job)

        claimed = self._change_one(claim_next, lasting=False)
        if claimed is None:
            self._outlooks.forget(service, routes)
        return claimed

    def _requeue(self, service: str, routes: Sequence[str], now: float) -> None:
        with self._unit_of_work.write(lasting=False) as repository:
            lost = saving.requeue(repository, service, routes, now, BATCH)
        for job in lost:
            tracing.log_lost(job)

    def restore(self, service: str, routes: Sequence[str], now: float) -> bool:
        """Put jobs back whose pause or lease is over, as `claim` does, and return whether one is ready."""
        with self._unit_of_work.read() as repository:
            is_ready, due = repository.outlook(service, routes)
        if due is None or due > now:
            return is_ready
        self._requeue(service, routes, now)
        with self._unit_of_work.read() as repository:
            return repository.outlook(service, routes)[0]

    def next_due(self, service: str, routes: Sequence[str], now: float) -> float | None:
        """Return when the next claim may find a job: `now` if one is ready, None if none is in sight."""
        with self._unit_of_work.read() as repository:
            is_ready, due = repository.outlook(service, routes)
        return now if is_ready else due

    def heartbeat(self, job_id: str, owner: str, lease: float, now: float) -> bool:
        """Keep the lease for as many seconds from here on, and return whether the job is to be stopped."""
        return self._transition(
            job_id, owner, lambda job: transitions.extended(job, lease, now), lasting=False
        ).cancel_requested

    def report(self, job_id: str, owner: str, fraction: float, message: str | None, now: float) -> bool:
        """Keep how far the job is, 0 to 1, and return whether it is to be stopped.

        Args:
            message: the handler's words; None leaves the last ones.
        """
        return self._transition(
            job_id, owner, lambda job: transitions.reported(job, fraction, message), lasting=False
        ).cancel_requested

    def streaming(self, job_id: str, owner: str, now: float) -> bool:
        """Say that items follow, and return whether the job is to be stopped."""
        return self._transition(job_id, owner, transitions.streaming).cancel_requested

    def add_item(self, job_id: str, owner: str, index: int, body: bytes) -> bool:
        """Keep an item of a streaming job, and return whether the job is to be stopped.

        Raises:
            IllegalTransition: the job is not streaming.
        """
        with self._unit_of_work.write() as repository:
            job = lookups.of_owner(repository, job_id, owner)
            if job.status != "streaming":
                raise IllegalTransition(f"A job that is {job.status} has no items")
            self._retention.trim(repository, BATCH)
            repository.put_item(job, index, body)
            return job.cancel_requested

    def finish(self, job_id: str, owner: str, reply: ReplyHeader, body: bytes, now: float) -> JobRecord:
        """End a job with its reply, and return it."""

        def end(repository: Repository) -> JobRecord:
            job = lookups.of_owner(repository, job_id, owner)
            self._retention.trim(repository, BATCH)
            return saving.keep(repository, job, transitions.finished(job, reply, now), body)

        return self._change_one(end)

    def fail(self, job_id: str, owner: str, error: str, now: float, *, again: bool) -> JobRecord:
        """End a job as failed, or put it back while it has retries left, and return it.

        Args:
            error: why, in words that a client may read.
            again: whether a further attempt may do better.
        """
        return self._transition(job_id, owner, lambda job: transitions.failed(job, error, now, again=again))

    def cancelled(self, job_id: str, owner: str, now: float) -> JobRecord:
        """End a job whose handler has stopped, and return it."""
        return self._transition(job_id, owner, lambda job: transitions.cancelled(job, now))

    def release(self, job_id: str, owner: str, now: float) -> JobRecord:
        """Put a job back into the queue that was not started or must be left; the attempt is not counted."""
        return self._transition(job_id, owner, lambda job: transitions.released(job, now))

    def lost(self, job_id: str, owner: str, now: float) -> JobRecord:
        """Take a job from an owner that is gone, before its lease expires, and return the job."""
        job = self._transition(job_id, owner, lambda job: transitions.lost(job, now))
        tracing.log_lost(job)
        return job

    def sweep(self, now: float) -> int:
        """Remove expired jobs, and ended ones of which there are too many, of all services, some at a time.

        Returns:
            How many; 0 when none is left.
        """
        with self._unit_of_work.write() as repository:
            removed = repository.remove_expired(now, BATCH)
            return removed or self._retention.remove_surplus(repository, BATCH)

    def webhooks_due(self, service: str, limit: int, hold: float, now: float) -> list[JobRecord]:
        """Claim ended jobs whose webhooks are to be sent, the longest due first.

        Args:
            limit: how many jobs at most.
            hold: seconds after which they are due again, unless `webhook_done` or `webhook_failed` comes.
        """
        with self._unit_of_work.read() as repository:
            if not repository.webhook_due(service, now, 1):
                return []
        with self._unit_of_work.write() as repository:
            due = repository.webhook_due(service, now, limit)
            return [saving.keep(repository, job, transitions.webhook_claimed(job, hold, now)) for job in due]

    def webhook_done(self, job_id: str) -> None:
        """Note that a job's webhook was delivered."""
        self._update_webhook(job_id, transitions.webhook_delivered)

    def webhook_failed(self, job_id: str, now: float) -> None:
        """Note that a job's webhook was not delivered: it is due again after a pause, or given up."""
        self._update_webhook(job_id, lambda job: transitions.webhook_failed(job, now))

    def _transition(
        self, job_id: str, owner: str, event: Callable[[JobRecord], JobRecord], *, lasting: bool = True
    ) -> JobRecord:
        def change(repository: Repository) -> JobRecord:
            job = lookups.of_owner(repository, job_id, owner)
            return saving.keep(repository, job, event(job))

        return self._change_one(change, lasting=lasting)

    def _change_one(self, change: Callable[[Repository], _T], *, lasting: bool = True) -> _T:
        """Do what changes one job: in the short way, or with a hold on it if another one was quicker."""
        try:
            with self._unit_of_work.write(lasting=lasting, holding=False) as repository:
                return change(repository)
        except JobChanged:
            with self._unit_of_work.write(lasting=lasting) as repository:
                return change(repository)

    def _update_webhook(self, job_id: str, event: Callable[[JobRecord], JobRecord]) -> None:
        with self._unit_of_work.write() as repository:
            job = repository.find(job_id)
            if job is not None and job.webhook_due is not None:
                saving.keep(repository, job, event(job))
