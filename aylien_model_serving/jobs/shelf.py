"""What a transaction can do with kept jobs: the part of a store that knows where they lie.

A shelf decides nothing about a job's life; it finds, adds and replaces.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from aylien_model_serving.jobs.job import Job
from aylien_model_serving.jobs.states import Status


class Shelf(Protocol):
    """The kept jobs, for the length of one transaction; lists are limited, and in the order that is told."""

    def find(self, job_id: str) -> Job | None:
        """Return the job of this id."""

    def find_keyed(self, service: str, route: str, key: str) -> Job | None:
        """Return the job of this idempotency key."""

    def page(
        self, service: str, status: Status | None, route: str | None, limit: int, before: int | None
    ) -> list[Job]:
        """Return jobs with lower numbers than `before`, the highest first."""

    def counts(self, service: str) -> dict[str, dict[Status, int]]:
        """Return how many jobs there are of each route and state."""

    def has_room(self, service: str, route: str, queue_size: int) -> bool:
        """Tell whether fewer jobs than `queue_size` are queued."""

    def first_ready(self, service: str, route: str) -> Job | None:
        """Return the queued job to be taken next: of the highest priority, then of the lowest number."""

    def rested(self, service: str, route: str, now: float, limit: int) -> list[Job]:
        """Return queued jobs whose pause is over."""

    def silent(self, service: str, route: str, now: float, limit: int) -> list[Job]:
        """Return jobs whose lease ran out."""

    def next_due(self, service: str, route: str) -> float | None:
        """Return when the first pause or lease runs out."""

    def untold(self, service: str, now: float, limit: int) -> list[Job]:
        """Return jobs whose webhook is due, the longest due first."""

    def add(self, job: Job, call: bytes) -> Job:
        """Keep a job that comes, and return it with its number."""

    def save(self, old: Job, new: Job) -> None:
        """Replace what is kept of a job."""

    def remove(self, job: Job) -> None:
        """Forget a job and all its bodies."""

    def remove_expired(self, now: float, limit: int) -> int:
        """Forget jobs for which `life.is_expired`, and return how many."""

    def call(self, job: Job) -> bytes:
        """Return the call of a job that has not ended."""

    def drop_call(self, job: Job) -> None:
        """Forget the call of a job that has ended."""

    def body(self, job: Job) -> bytes | None:
        """Return the body of the reply."""

    def put_body(self, job: Job, body: bytes) -> None:
        """Keep the body of the reply."""

    def items(self, job: Job, after: int, limit: int) -> list[tuple[int, bytes]]:
        """Return the items whose index is higher than `after`, in order."""

    def put_item(self, job: Job, index: int, body: bytes) -> None:
        """Keep an item; it replaces one of the same index."""

    def drop_items(self, job: Job) -> None:
        """Forget all items."""


class Shelves(Protocol):
    """Opens transactions.

    Raises:
        StoreUnavailable: from any use, when where the jobs lie can't be read or written.
    """

    def read(self) -> AbstractContextManager[Shelf]:
        """Open a shelf for looking; what several looks find may be of different moments."""

    def write(self) -> AbstractContextManager[Shelf]:
        """Open a transaction, of which there is one at a time; an exception leaves no trace of it."""

    def close(self) -> None:
        """Give back what is held open."""
