"""The repository of jobs: SQL on a SQLite database, which is a file that processes share, or one's memory.

It decides nothing about a job; it finds, adds and replaces. `schema` has the tables, `connections` what
speaks to the database. Each query for many jobs is served by an index in its own order, without sorting.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from aylien_model_serving.jobs import rows
from aylien_model_serving.jobs.job import ClaimedJob, JobRecord
from aylien_model_serving.jobs.sqlite.connections import Connections
from aylien_model_serving.jobs.sqlite.database import Database
from aylien_model_serving.jobs.sqlite.memory_connection import MemoryConnection
from aylien_model_serving.jobs.states import Status

_SELECT = f"SELECT {', '.join(rows.COLUMNS)} FROM jobs "
_INSERT = f"INSERT INTO jobs ({', '.join(rows.COLUMNS)}) VALUES ({', '.join('?' * len(rows.COLUMNS))})"

#: For which `transitions.is_expired`.
_EXPIRED = "expires_at <= ? AND webhook_due IS NULL"

#: Pages of removed jobs that one transaction gives back to the file system, at most.
_FREED_PAGES = 1000


class SqliteRepository:
    """The kept jobs, for the length of one transaction; lists are limited, and in the order that is named."""

    __slots__ = ("_db",)

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def _jobs(self, condition: str, *values: object) -> list[JobRecord]:
        return [rows.to_job(row) for row in self._db.execute(_SELECT + condition, values).fetchall()]

    def _value(self, statement: str, *values: object) -> Any:
        """Return the first column of the first row, None without one."""
        found = self._db.execute(statement, values).fetchall()
        return found[0][0] if found else None

    def find(self, job_id: str) -> JobRecord | None:
        return _first(self._jobs("WHERE id = ?", job_id))

    def find_keyed(self, service: str, caller: str, key: str) -> list[JobRecord]:
        return self._jobs("WHERE service = ? AND caller = ? AND idempotency_key = ?", service, caller, key)

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
        return self._jobs(*rows.page(wanted, limit, before, now, place="?"))

    def counts(self, service: str, now: float) -> dict[str, dict[Status, int]]:
        found: dict[str, dict[Status, int]] = {}
        statement = "SELECT route, status, count(*) FROM jobs WHERE service = ? GROUP BY route, status"
        for route, status, count in self._db.execute(statement, (service,)).fetchall():
            found.setdefault(route, {})[status] = count
        # The plus has the index of expired jobs used, which are few, and not that of the service's.
        expired = f"SELECT route, status FROM jobs WHERE {_EXPIRED} AND +service = ?"
        for route, status in self._db.execute(expired, (now, service)).fetchall():
            found[route][status] -= 1
        kept = {
            route: {status: count for status, count in counts.items() if count}
            for route, counts in found.items()
        }
        return {route: counts for route, counts in kept.items() if counts}

    def has_room(self, service: str, route: str, queue_size: int) -> bool:
        some = "SELECT 1 FROM jobs WHERE service = ? AND route = ? AND status = 'queued' LIMIT ?"
        queued: int = self._value(f"SELECT count(*) FROM ({some})", service, route, queue_size)
        return queued < queue_size

    def first_ready(self, service: str, routes: Sequence[str]) -> JobRecord | None:
        ready = [job for route in routes if (job := self._first_ready(service, route))]
        return min(ready, key=lambda job: (-job.priority, job.number), default=None)

    def _first_ready(self, service: str, route: str) -> JobRecord | None:
        condition = (
            "WHERE service = ? AND route = ? AND status = 'queued' AND not_before IS NULL"
            " ORDER BY priority DESC, number LIMIT 1"
        )
        return _first(self._jobs(condition, service, route))

    def retry_due(self, service: str, route: str, now: float, limit: int) -> list[JobRecord]:
        return self._over("not_before", service, route, now, limit)

    def lease_expired(self, service: str, route: str, now: float, limit: int) -> list[JobRecord]:
        return self._over("lease_until", service, route, now, limit)

    def _over(self, column: str, service: str, route: str, now: float, limit: int) -> list[JobRecord]:
        condition = f"WHERE service = ? AND route = ? AND {column} <= ? ORDER BY {column} LIMIT ?"
        return self._jobs(condition, service, route, now, limit)

    def outlook(self, service: str, routes: Sequence[str]) -> tuple[bool, float | None]:
        columns = ("not_before", "lease_until")
        times = [self._first_time(column, service, route) for route in routes for column in columns]
        is_ready = self.first_ready(service, routes) is not None
        return is_ready, min((time for time in times if time is not None), default=None)

    def _first_time(self, column: str, service: str, route: str) -> float | None:
        condition = f"service = ? AND route = ? AND {column} IS NOT NULL"
        time: float | None = self._value(f"SELECT min({column}) FROM jobs WHERE {condition}", service, route)
        return time

    def webhook_due(self, service: str, now: float, limit: int) -> list[JobRecord]:
        condition = "WHERE service = ? AND webhook_due <= ? ORDER BY webhook_due, number LIMIT ?"
        return self._jobs(condition, service, now, limit)

    def next_ready(self, service: str, routes: Sequence[str]) -> ClaimedJob | None:
        job = self.first_ready(service, routes)
        if job is None:
            return None
        return ClaimedJob(job, self._value("SELECT body FROM calls WHERE number = ?", job.number))

    def add_if_room(self, job: JobRecord, call: bytes, queue_size: int) -> JobRecord | None:
        if not self.has_room(job.service, job.route, queue_size):
            return None
        values = [None, *rows.from_job(job)[1:]]
        numbered = replace(job, number=self._db.execute(_INSERT, values).lastrowid)
        self._db.execute("INSERT INTO calls VALUES (?, ?)", (numbered.number, call))
        return numbered

    def save(self, old: JobRecord, new: JobRecord) -> None:
        changed = rows.changed(old, new)
        if changed:
            columns = ", ".join(f"{column} = ?" for column in changed)
            self._db.execute(f"UPDATE jobs SET {columns} WHERE number = ?", (*changed.values(), old.number))

    def save_ended(self, old: JobRecord, new: JobRecord, body: bytes | None = None) -> None:
        self.save(old, new)
        self._db.execute("DELETE FROM calls WHERE number = ?", (new.number,))
        if body is not None:
            self._db.execute("INSERT INTO bodies VALUES (?, ?)", (new.number, body))

    def remove(self, job: JobRecord) -> None:
        self._db.execute("DELETE FROM jobs WHERE number = ?", (job.number,))

    def remove_expired(self, now: float, limit: int) -> int:
        expired = f"SELECT number FROM jobs WHERE {_EXPIRED} LIMIT ?"
        removed = self._db.execute(f"DELETE FROM jobs WHERE number IN ({expired})", (now, limit)).rowcount
        self.free_pages()
        return removed

    def count_ended(self, limit: int) -> int:
        some = "SELECT 1 FROM jobs WHERE expires_at >= 0 LIMIT ?"
        ended: int = self._value(f"SELECT count(*) FROM ({some})", limit)
        return ended

    def remove_first_to_expire(self) -> bool:
        condition = "expires_at >= 0 AND webhook_due IS NULL ORDER BY expires_at LIMIT 1"
        first = f"SELECT number FROM jobs WHERE {condition}"
        return self._db.execute(f"DELETE FROM jobs WHERE number = ({first})").rowcount > 0

    def used_bytes(self) -> int:
        pages, free, size = (
            self._value(f"PRAGMA {name}") for name in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)

    def free_pages(self) -> None:
        free: int = self._value("PRAGMA freelist_count")
        for _ in range(min(free, _FREED_PAGES)):
            # The pragma frees a page at each step, of which Python takes one for a statement without columns.
            self._db.execute("PRAGMA incremental_vacuum(1)")

    def body(self, job: JobRecord) -> bytes | None:
        body: bytes | None = self._value("SELECT body FROM bodies WHERE number = ?", job.number)
        return body

    def items(self, job: JobRecord, after: int, limit: int) -> list[tuple[int, bytes]]:
        return self._db.execute(
            "SELECT position, body FROM items WHERE number = ? AND position > ? ORDER BY position LIMIT ?",
            (job.number, after, limit),
        ).fetchall()

    def put_item(self, job: JobRecord, index: int, body: bytes) -> None:
        self._db.execute("INSERT OR REPLACE INTO items VALUES (?, ?, ?)", (job.number, index, body))

    def drop_items(self, job: JobRecord) -> None:
        self._db.execute("DELETE FROM items WHERE number = ?", (job.number,))


def _first(jobs: list[JobRecord]) -> JobRecord | None:
    return jobs[0] if jobs else None


class SqliteUnitOfWork:
    """Opens transactions, of which one at a time writes.

    Args:
        database: where the jobs are.
    """

    is_remote = False

    def __init__(self, database: Database) -> None:
        self._database = database
        self.check = database.check
        self.now = database.now
        self.close = database.close

    @contextmanager
    def read(self) -> Iterator[SqliteRepository]:
        with self._database.take() as db:
            yield SqliteRepository(db)

    @contextmanager
    def write(self, *, lasting: bool = True, holding: bool = True) -> Iterator[SqliteRepository]:
        with self._database.transaction() as db:
            yield SqliteRepository(db)

    def listen(self, service: str, routes: Sequence[str], wake: Callable[[], None]) -> Callable[[], None]:
        return lambda: None


def open_file(path: str, service: str | None = None) -> SqliteUnitOfWork:
    """Return the unit of work of a file, which is made if it is not there, and belongs to one service.

    Raises:
        ConfigurationError: no file can be there, or the one that is there is another program's or service's.
    """
    return SqliteUnitOfWork(Connections(Path(path), service))


def open_memory() -> SqliteUnitOfWork:
    """Return the unit of work of a database in this process's memory, made at its first use."""
    return SqliteUnitOfWork(MemoryConnection())
