"""Jobs in the memory of one process, for tests and for services that may forget: a fork gets a copy.

Scans, because it is small; `sqlite` has indexes.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from msgspec.structs import replace

from aylien_model_serving.jobs import transitions
from aylien_model_serving.jobs.job import Job
from aylien_model_serving.jobs.states import ENDED, Status


class MemoryShelf:
    """Dictionaries by the job's number, in the order of numbers."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._jobs: dict[int, Job] = {}
        self._by_id: dict[str, int] = {}
        self._by_key: dict[tuple[str, str, str], int] = {}
        self._living: dict[int, Job] = {}  # those that have not ended
        self._calls: dict[int, bytes] = {}
        self._bodies: dict[int, bytes] = {}
        self._items: dict[int, dict[int, bytes]] = {}

    def _living_of(self, service: str, route: str) -> list[Job]:
        return [job for job in self._living.values() if job.service == service and job.route == route]

    def find(self, job_id: str) -> Job | None:
        number = self._by_id.get(job_id)
        return None if number is None else self._jobs[number]

    def find_keyed(self, service: str, route: str, key: str) -> Job | None:
        number = self._by_key.get((service, route, key))
        return None if number is None else self._jobs[number]

    def page(
        self, service: str, status: Status | None, route: str | None, limit: int, before: int | None
    ) -> list[Job]:
        found = (
            job
            for job in reversed(self._jobs.values())
            if job.service == service
            and status in (None, job.status)
            and route in (None, job.route)
            and (before is None or job.number < before)
        )
        return list(itertools.islice(found, limit))

    def counts(self, service: str) -> dict[str, dict[Status, int]]:
        found: dict[str, dict[Status, int]] = {}
        for job in self._jobs.values():
            if job.service == service:
                of_route = found.setdefault(job.route, {})
                of_route[job.status] = of_route.get(job.status, 0) + 1
        return found

    def has_room(self, service: str, route: str, queue_size: int) -> bool:
        queued = sum(job.status == "queued" for job in self._living_of(service, route))
        return queued < queue_size

    def first_ready(self, service: str, route: str) -> Job | None:
        living = self._living_of(service, route)
        ready = [job for job in living if job.status == "queued" and job.not_before is None]
        return min(ready, key=lambda job: (-job.priority, job.number), default=None)

    def rested(self, service: str, route: str, now: float, limit: int) -> list[Job]:
        return [job for job in self._living_of(service, route) if _is_over(job.not_before, now)][:limit]

    def silent(self, service: str, route: str, now: float, limit: int) -> list[Job]:
        return [job for job in self._living_of(service, route) if _is_over(job.lease_until, now)][:limit]

    def next_due(self, service: str, route: str) -> float | None:
        living = self._living_of(service, route)
        times = [time for job in living for time in (job.not_before, job.lease_until)]
        return min((time for time in times if time is not None), default=None)

    def untold(self, service: str, now: float, limit: int) -> list[Job]:
        due = [(job.webhook_due, job.number) for job in self._jobs.values() if job.service == service]
        over = sorted((time, number) for time, number in due if time is not None and time <= now)
        return [self._jobs[number] for _, number in over[:limit]]

    def add(self, job: Job, call: bytes) -> Job:
        numbered = replace(job, number=next(self._numbers))
        self._jobs[numbered.number] = self._living[numbered.number] = numbered
        self._by_id[job.id] = numbered.number
        if job.idempotency_key is not None:
            self._by_key[job.service, job.route, job.idempotency_key] = numbered.number
        self._calls[numbered.number] = call
        return numbered

    def save(self, old: Job, new: Job) -> None:
        self._jobs[old.number] = new
        if new.status in ENDED:
            self._living.pop(old.number, None)
        else:
            self._living[old.number] = new

    def remove(self, job: Job) -> None:
        del self._jobs[job.number], self._by_id[job.id]
        if job.idempotency_key is not None:
            del self._by_key[job.service, job.route, job.idempotency_key]
        for of_number in (self._living, self._calls, self._bodies, self._items):
            of_number.pop(job.number, None)

    def remove_expired(self, now: float, limit: int) -> int:
        expired = [job for job in self._jobs.values() if transitions.is_expired(job, now)][:limit]
        for job in expired:
            self.remove(job)
        return len(expired)

    def call(self, job: Job) -> bytes:
        return self._calls[job.number]

    def drop_call(self, job: Job) -> None:
        del self._calls[job.number]

    def body(self, job: Job) -> bytes | None:
        return self._bodies.get(job.number)

    def put_body(self, job: Job, body: bytes) -> None:
        self._bodies[job.number] = body

    def items(self, job: Job, after: int, limit: int) -> list[tuple[int, bytes]]:
        made = self._items.get(job.number, {})
        return sorted((index, body) for index, body in made.items() if index > after)[:limit]

    def put_item(self, job: Job, index: int, body: bytes) -> None:
        self._items.setdefault(job.number, {})[index] = body

    def drop_items(self, job: Job) -> None:
        self._items.pop(job.number, None)


def _is_over(time: float | None, now: float) -> bool:
    return time is not None and time <= now


class MemoryShelves:
    """One shelf behind a lock; closing it forgets all jobs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._shelf = MemoryShelf()

    @contextmanager
    def write(self) -> Iterator[MemoryShelf]:
        with self._lock:
            yield self._shelf

    read = write

    def close(self) -> None:
        with self._lock:
            self._shelf = MemoryShelf()
