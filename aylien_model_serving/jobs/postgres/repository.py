"""The repository of jobs: SQL on a PostgreSQL database.

It decides nothing about a job; it finds, adds and replaces. A transaction that writes holds the rows that
it has found (`FOR UPDATE`), and passes over those of others when it looks for work (`SKIP LOCKED`), so that
workers do not wait for each other. What no row stands for is held by an advisory lock: a place in a queue,
and an idempotency key. Locks are taken in one order: key, queue, one job, then only what nobody holds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from aylien_model_serving.jobs import rows
from aylien_model_serving.jobs.job import ClaimedJob, JobRecord
from aylien_model_serving.jobs.postgres import bodies, joined
from aylien_model_serving.jobs.postgres.bodies import Bodies
from aylien_model_serving.jobs.postgres.notifications import CHANNEL, topic_of
from aylien_model_serving.jobs.postgres.schema import JOBS
from aylien_model_serving.jobs.postgres.statements import Statement, Statements
from aylien_model_serving.jobs.postgres.stored_bytes import StoredBytes
from aylien_model_serving.jobs.states import Status

_COLUMNS = ", ".join(rows.COLUMNS)
_SELECT = f"SELECT {_COLUMNS} FROM {JOBS} "

#: Places of a queue up to which each addition holds its lock: PostgreSQL has as many connections by default.
_SHORT_QUEUE = 100

#: For which `transitions.is_expired`.
_EXPIRED = "expires_at <= %s AND webhook_due IS NULL"

_RUNNING = "status IN ('processing', 'streaming')"
_PASS_OVER = " FOR UPDATE SKIP LOCKED"


class PostgresRepository:
    """The kept jobs, for the length of one transaction.

    Args:
        db: a connection, in a transaction if jobs are to be held.
        stored: counts the bytes that are kept.
        holds: whether what is found is held until the end.
    """

    __slots__ = ("_afterwards", "_bodies", "_do", "_holds", "_rows", "_stored", "_together")

    def __init__(self, db: Statements, stored: StoredBytes, *, holds: bool) -> None:
        self._stored = stored
        self._holds = holds
        self._bodies = Bodies(db, stored)
        self._rows, self._do, self._together, self._afterwards = db.rows, db.do, db.together, db.afterwards

    def _jobs(self, condition: str, *values: object, passing_over: bool = False) -> list[JobRecord]:
        lock = "" if not self._holds else _PASS_OVER if passing_over else " FOR UPDATE"
        return [rows.to_job(row) for row in self._rows(_SELECT + condition + lock, *values)]

    def find(self, job_id: str) -> JobRecord | None:
        return _first(self._jobs("WHERE id = %s", job_id))

    def find_keyed(self, service: str, caller: str, key: str) -> list[JobRecord]:
        self._do(*_lock("key", service, caller, key))
        condition = "WHERE service = %s AND caller = %s AND idempotency_key = %s"
        return self._jobs(condition, service, caller, key)

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
        wanted = {"service": service, "caller": caller, "route": route, "status": status}
        return self._jobs(*rows.page(wanted, limit, before, now, place="%s"))

    def counts(self, service: str, now: float) -> dict[str, dict[Status, int]]:
        found: dict[str, dict[Status, int]] = {}
        statement = (
            f"SELECT route, status, count(*) FROM {JOBS} WHERE service = %s"
            f" AND NOT coalesce({_EXPIRED}, false) GROUP BY route, status"
        )
        for route, status, count in self._rows(statement, service, now):
            found.setdefault(route, {})[status] = count
        return found

    def next_ready(self, service: str, routes: Sequence[str]) -> ClaimedJob | None:
        if len(routes) > 1:  # hold no more than one job
            heads = [(head, route) for route in routes for head in self._rows(joined.HEAD, service, route)]
            routes = [route for _, route in sorted(heads)]
        for route in routes:
            if found := self._next_ready(service, route):
                return found
        return None

    def _next_ready(self, service: str, route: str) -> ClaimedJob | None:
        for *row, _, first in self._rows(joined.NEXT_READY + _PASS_OVER, service, route):
            job = rows.to_job(row)
            return ClaimedJob(job, self._call(job, first))
        return None

    def _call(self, job: JobRecord, first: bytes | None) -> bytes:
        """Return a job's call, of which the first part is known."""
        if first is not None and len(first) < bodies.PART:
            return first
        return self._bodies.get(job, bodies.CALL) or b""

    def retry_due(self, service: str, route: str, now: float, limit: int) -> list[JobRecord]:
        condition = "WHERE service = %s AND route = %s AND not_before <= %s ORDER BY not_before LIMIT %s"
        return self._jobs(condition, service, route, now, limit, passing_over=True)

    def lease_expired(self, service: str, route: str, now: float, limit: int) -> list[JobRecord]:
        condition = f"WHERE service = %s AND route = %s AND {_RUNNING} AND lease_until <= %s"
        condition += " ORDER BY lease_until LIMIT %s"
        return self._jobs(condition, service, route, now, limit, passing_over=True)

    def outlook(self, service: str, routes: Sequence[str]) -> tuple[bool, float | None]:
        of_routes = f"FROM {JOBS} WHERE service = %s AND route = ANY(%s)"
        statement = (
            f"SELECT EXISTS(SELECT {of_routes} AND status = 'queued' AND not_before IS NULL),"
            f" least((SELECT min(not_before) {of_routes} AND not_before IS NOT NULL),"
            f" (SELECT min(lease_until) {of_routes} AND {_RUNNING}))"
        )
        is_ready, due = self._rows(statement, *(service, list(routes)) * 3)[0]
        return is_ready, due

    def webhook_due(self, service: str, now: float, limit: int) -> list[JobRecord]:
        condition = "WHERE service = %s AND webhook_due <= %s ORDER BY webhook_due, number LIMIT %s"
        return self._jobs(condition, service, now, limit, passing_over=True)

    def add_if_room(self, job: JobRecord, call: bytes, queue_size: int) -> JobRecord | None:
        first, *others = bodies.parts(call)
        size = bodies.ROW + len(first)
        numbers = self._add(job, size, first, queue_size, is_whole=not others)
        if not numbers:
            return None
        numbered = replace(job, number=numbers[0][0])
        self._stored.add(size)
        if others:
            self._bodies.put(numbered, bodies.CALL, call, first=1)
        self._tell(numbered)
        return numbered

    def _add(
        self, job: JobRecord, size: int, call: bytes, queue_size: int, *, is_whole: bool
    ) -> list[tuple[Any, ...]]:
        """Return the number of a job that was added, or nothing; nobody fills the last place unseen."""
        before = (joined.ADD, job.service, job.route, queue_size, *rows.from_job(job)[1:], size)
        after = (queue_size, call)
        if queue_size > _SHORT_QUEUE:
            found = self._together((*before, False, *after), is_whole=is_whole)
            if found:
                return found
        lock = _lock("queue", job.service, job.route)
        return self._together(lock, (*before, True, *after), is_whole=is_whole)

    def save(self, old: JobRecord, new: JobRecord) -> None:
        changed = rows.changed(old, new)
        if changed:
            columns = ", ".join(f"{column} = %s" for column in changed)
            self._do(f"UPDATE {JOBS} SET {columns} WHERE number = %s", *changed.values(), old.number)
        if new.status == "queued" and new.not_before is None:
            self._tell(new)

    def save_ended(self, old: JobRecord, new: JobRecord, body: bytes | None = None) -> None:
        self._save_ended(old, new, body, None)
        if body is not None:
            self._bodies.put(new, bodies.REPLY, body, first=1)

    def _save_ended(self, old: JobRecord, new: JobRecord, body: bytes | None, version: str | None) -> bool:
        """Save a job's end with the first part of its reply; return whether it is of the version, if any."""
        changed = rows.changed(old, new)
        reply = [] if body is None else bodies.parts(body)[:1]
        size = sum(map(len, reply))
        statement = joined.end(changed, with_reply=body is not None, of_version=version is not None)
        self._stored.add(size)
        if version is None:
            self._do(statement, new.number, *reply, *changed.values(), size)
            return True
        return bool(self._rows(statement, new.number, version, *reply, *changed.values(), size))

    def _tell(self, job: JobRecord) -> None:
        """Wake the workers of a job's route, on all machines, once the transaction is kept."""
        self._afterwards("SELECT pg_notify(%s, %s)", CHANNEL, topic_of(job.service, job.route))

    def remove(self, job: JobRecord) -> None:
        self._remove("number = %s", job.number)

    def remove_expired(self, now: float, limit: int) -> int:
        some = f"SELECT number FROM {JOBS} WHERE {_EXPIRED} LIMIT %s{_PASS_OVER}"
        return self._remove(f"number IN ({some})", now, limit)

    def _remove(self, condition: str, *values: object) -> int:
        sizes = self._rows(f"DELETE FROM {JOBS} WHERE {condition} RETURNING size", *values)
        self._stored.add(-sum(size for (size,) in sizes))
        return len(sizes)

    def count_ended(self, limit: int) -> int:
        some = f"SELECT 1 FROM {JOBS} WHERE expires_at >= 0 LIMIT %s"
        ended: int = self._rows(f"SELECT count(*) FROM ({some}) AS found", limit)[0][0]
        return ended

    def remove_first_to_expire(self) -> bool:
        condition = "expires_at >= 0 AND webhook_due IS NULL ORDER BY expires_at, number LIMIT 1"
        return self._remove(f"number = (SELECT number FROM {JOBS} WHERE {condition}{_PASS_OVER})") > 0

    def used_bytes(self) -> int:
        return self._stored.bytes(
            lambda: self._rows(f"SELECT coalesce(sum(size), 0)::bigint FROM {JOBS}")[0][0]
        )

    def free_pages(self) -> None:
        """Do nothing: PostgreSQL's autovacuum does it."""

    def body(self, job: JobRecord) -> bytes | None:
        return self._bodies.get(job, bodies.REPLY)

    def items(self, job: JobRecord, after: int, limit: int) -> list[tuple[int, bytes]]:
        return self._bodies.items(job, after, limit)

    def put_item(self, job: JobRecord, index: int, body: bytes) -> None:
        self._bodies.drop(job, bodies.ITEM, index)
        self._bodies.put(job, bodies.ITEM, body, index)

    def drop_items(self, job: JobRecord) -> None:
        self._bodies.drop(job, bodies.ITEM)


def _lock(*name: str) -> Statement:
    """Return what holds what a name stands for until the end of the transaction."""
    digest = hashlib.sha256("\n".join(name).encode("utf-8", "surrogatepass")).digest()
    return "SELECT pg_advisory_xact_lock(%s)", int.from_bytes(digest[:8], "big", signed=True)


def _first(jobs: list[JobRecord]) -> JobRecord | None:
    return jobs[0] if jobs else None
