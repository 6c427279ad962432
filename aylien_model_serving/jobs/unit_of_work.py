"""What a store of jobs asks of the place where they are kept: one for each database implements it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from aylien_model_serving.jobs.job import ClaimedJob, JobRecord
from aylien_model_serving.jobs.states import Status


class Repository(Protocol):
    """The kept jobs, for the length of one transaction; lists are limited, and in the order that is named.

    What a transaction for writing has found stays as it is until its end; those that look for what is to be
    done pass over the jobs that others hold at the moment.
    """

    def find(self, job_id: str) -> JobRecord | None:
        """Return the job of this id."""

    def find_keyed(self, service: str, caller: str, key: str) -> list[JobRecord]:
        """Return the caller's jobs of this idempotency key: one, but those that an earlier version kept.

        Nobody else adds one of this key until the end of the transaction.
        """

    def page(
        self,
        service: str,
        caller: str | None,
        status: Status | None,
        route: str | None,
        limit: int,
        before: int | None,
        now: float,
    ) -> list[JobRecord]:
        """Return jobs with lower numbers than `before`, the highest first, and none that has expired."""

    def counts(self, service: str, now: float) -> dict[str, dict[Status, int]]:
        """Return how many jobs there are of each route and state, without those that have expired."""

    def next_ready(self, service: str, routes: Sequence[str]) -> ClaimedJob | None:
        """Return the queued job of these routes that is next: of the highest priority, then the oldest."""

    def retry_due(self, service: str, route: str, now: float, limit: int) -> list[JobRecord]:
        """Return queued jobs whose pause is over."""

    def lease_expired(self, service: str, route: str, now: float, limit: int) -> list[JobRecord]:
        """Return jobs whose lease ran out."""

    def outlook(self, service: str, routes: Sequence[str]) -> tuple[bool, float | None]:
        """Return whether a job of these routes is ready, and when the first pause or lease runs out."""

    def webhook_due(self, service: str, now: float, limit: int) -> list[JobRecord]:
        """Return jobs whose webhook is due, the longest due first."""

    def add_if_room(self, job: JobRecord, call: bytes, queue_size: int) -> JobRecord | None:
        """Keep a job that comes, and return it with its number; None if as many of its route are queued.

        The last thing that is done in a transaction: where it is the only one, it may be kept at once.
        """

    def save(self, old: JobRecord, new: JobRecord) -> None:
        """Write what differs alone, so that other columns' indexes stay as they are."""

    def save_ended(self, old: JobRecord, new: JobRecord, body: bytes | None = None) -> None:
        """Do what `save` does for a job that has ended, forget its call, and keep the body of its reply."""

    def remove(self, job: JobRecord) -> None:
        """Forget a job and all its bodies."""

    def remove_expired(self, now: float, limit: int) -> int:
        """Forget jobs for which `transitions.is_expired`, and return how many."""

    def count_ended(self, limit: int) -> int:
        """Return how many jobs have ended, or the limit if there are more."""

    def remove_first_to_expire(self) -> bool:
        """Forget the ended job that would expire first and has no webhook to send; return whether one has."""

    def used_bytes(self) -> int:
        """Return the size of what is kept, without the space that is free."""

    def free_pages(self) -> None:
        """Give the space of removed jobs back to the file system, some of it at a time."""

    def body(self, job: JobRecord) -> bytes | None:
        """Return the body of the reply."""

    def items(self, job: JobRecord, after: int, limit: int) -> list[tuple[int, bytes]]:
        """Return the items whose index is higher than `after`, in order."""

    def put_item(self, job: JobRecord, index: int, body: bytes) -> None:
        """Keep an item; it replaces one of the same index."""

    def drop_items(self, job: JobRecord) -> None:
        """Forget all items."""


class UnitOfWork(Protocol):
    """Opens transactions, each with a repository of its own.

    Any use may raise `StoreUnavailable`: the database can't be read or written at the moment.
    """

    #: Whether it lies behind a network, which no event loop may wait for.
    is_remote: bool

    def read(self) -> AbstractContextManager[Repository]:
        """Open a repository for reading; what several queries find may be of different moments."""

    def write(self, *, lasting: bool = True, holding: bool = True) -> AbstractContextManager[Repository]:
        """Open a transaction; an exception leaves no trace of it.

        Args:
            lasting: whether it has to outlive a crash of the database right after its end.
            holding: whether what it finds stays as it is until its end. Where it may not, one job can be
                saved, as the last thing, which raises `JobChanged` if it is to be tried again holding it.
        """

    def check(self) -> None:
        """Return if the database can be written to; otherwise raise `StoreUnavailable`."""

    def now(self) -> float:
        """Return the time of the database's clock, in seconds since the epoch."""

    def listen(self, service: str, routes: Sequence[str], wake: Callable[[], None]) -> Callable[[], None]:
        """Have somebody be woken, on a thread, when there may be work for routes; return what ends that.

        Work that processes of this machine enqueue may be left out: they wake workers themselves.
        """

    def close(self) -> None:
        """Give back what is held open; the next use opens it again, but for a database in memory."""
