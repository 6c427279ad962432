"""The repository of jobs: SQL on a SQLite database, which is a file that processes share, or one's memory.

It decides nothing about a job; it finds, adds and replaces. `schema` has the tables, `connections` what
speaks to the database. Each query for many jobs is served by an index in its own order, without sorting.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import astuple, replace

from aylien_model_serving.jobs.connections import Connections
from aylien_model_serving.jobs.database import Database
from aylien_model_serving.jobs.job import JobRecord
from aylien_model_serving.jobs.memory_connection import MemoryConnection
from aylien_model_serving.jobs.states import Status
from aylien_model_serving.rpc.headers import ReplyHeader

_COLUMNS = JobRecord.__struct_fields__
_FLAGS = [_COLUMNS.index(name) for name in ("cancel_requested", "overdue")]
_REPLY = _COLUMNS.index("reply")

_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM jobs "
_INSERT = f"INSERT INTO jobs ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"

#: For which `transitions.is_expired`.
_EXPIRED = "expires_at <= ? AND webhook_due IS NULL"

#: Pages of removed jobs that one transaction gives back to the file system, at most.
_FREED_PAGES = 1000

_ENCODER = msgspec.msgpack.Encoder()
_HEADER_DECODER = msgspec.msgpack.Decoder(ReplyHeader)


class SqliteRepository:
    """The kept jobs, for the length of one transaction; lists are limited, and in the order that is named."""

    __slots__ = ("_db",)

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def _jobs(self, condition: str, *values: object) -> list[JobRecord]:
        return [_job(row) for row in self._db.execute(_SELECT + condition, values).fetchall()]

    def _value(self, statement: str, *values: object) -> Any:
        """Return the first column of the first row, None without one."""
        rows = self._db.execute(statement, values).fetchall()
        return rows[0][0] if rows else None

    def find(self, job_id: str) -> JobRecord | None:
        """Return the job of this id."""
        return _first(self._jobs("WHERE id = ?", job_id))

    def find_keyed(self, service: str, caller: str, key: str) -> list[JobRecord]:
        """Return the caller's jobs of this idempotency key: one, but those that an earlier version kept."""
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
        """Return jobs with lower numbers than `before`, the highest first, and none that has expired."""
        wanted = {"service": service, "caller": caller, "route": route, "status": status}
        given = {column: value for column, value in wanted.items() if value is not None}
        conditions = [f"{column} = ?" for column in given] + ["number < ?"] * (before is not None)
        conditions += ["caller <> ''"] * bool(caller)  # says that the callers' indexes have them all
        conditions.append("(expires_at IS NULL OR expires_at > ? OR webhook_due IS NOT NULL)")
        values = [*given.values(), *([] if before is None else [before]), now, limit]
        return self._jobs(f"WHERE {' AND '.join(conditions)} ORDER BY number DESC LIMIT ?", *values)

    def counts(self, service: str, now: float) -> dict[str, dict[Status, int]]:
        """Return how many jobs there are of each route and state, without those that have expired."""
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
        """Return whether fewer jobs than `queue_size` are queued."""
        some = "SELECT 1 FROM jobs WHERE service = ? AND route = ? AND status = 'queued' LIMIT ?"
        queued: int = self._value(f"SELECT count(*) FROM ({some})", service, route, queue_size)
        return queued < queue_size

    def first_ready(self, service: str, route: str) -> JobRecord | None:
        """Return the queued job to be taken next: of the highest priority, then of the lowest number."""
        condition = (
            "WHERE service = ? AND route = ? AND status = 'queued' AND not_before IS NULL"
            " ORDER BY priority DESC, number LIMIT 1"
        )
        return _first(self._jobs(condition, service, route))

    def retry_due(self, service: str, route: str, now: float, limit: int) -> list[JobRecord]:
        """Return queued jobs whose pause is over."""
        return self._over("not_before", service, route, now, limit)

    def lease_expired(self, service: str, route: str, now: float, limit: int) -> list[JobRecord]:
        """Return jobs whose lease ran out."""
        return self._over("lease_until", service, route, now, limit)

    def _over(self, column: str, service: str, route: str, now: float, limit: int) -> list[JobRecord]:
        condition = f"WHERE service = ? AND route = ? AND {column} <= ? ORDER BY {column} LIMIT ?"
        return self._jobs(condition, service, route, now, limit)

    def next_due(self, service: str, route: str) -> float | None:
        """Return when the first pause or lease runs out."""
        times = [self._first_time(column, service, route) for column in ("not_before", "lease_until")]
        return min((time for time in times if time is not None), default=None)

    def _first_time(self, column: str, service: str, route: str) -> float | None:
        condition = f"service = ? AND route = ? AND {column} IS NOT NULL"
        time: float | None = self._value(f"SELECT min({column}) FROM jobs WHERE {condition}", service, route)
        return time

    def webhook_due(self, service: str, now: float, limit: int) -> list[JobRecord]:
        """Return jobs whose webhook is due, the longest due first."""
        condition = "WHERE service = ? AND webhook_due <= ? ORDER BY webhook_due, number LIMIT ?"
        return self._jobs(condition, service, now, limit)

    def add(self, job: JobRecord, call: bytes) -> JobRecord:
        """Keep a job that comes, and return it with its number."""
        values = [None, *_values(job)[1:]]
        numbered = replace(job, number=self._db.execute(_INSERT, values).lastrowid)
        self._db.execute("INSERT INTO calls VALUES (?, ?)", (numbered.number, call))
        return numbered

    def save(self, old: JobRecord, new: JobRecord) -> None:
        """Write what differs alone, so that other columns' indexes stay as they are."""
        rows = zip(_COLUMNS, _values(old), _values(new), strict=True)
        changed = {column: after for column, before, after in rows if after != before}
        if changed:
            columns = ", ".join(f"{column} = ?" for column in changed)
            self._db.execute(f"UPDATE jobs SET {columns} WHERE number = ?", (*changed.values(), old.number))

    def remove(self, job: JobRecord) -> None:
        """Forget a job and all its bodies."""
        self._db.execute("DELETE FROM jobs WHERE number = ?", (job.number,))

    def remove_expired(self, now: float, limit: int) -> int:
        """Forget jobs for which `transitions.is_expired`, and return how many."""
        expired = f"SELECT number FROM jobs WHERE {_EXPIRED} LIMIT ?"
        removed = self._db.execute(f"DELETE FROM jobs WHERE number IN ({expired})", (now, limit)).rowcount
        self.free_pages()
        return removed

    def count_ended(self, limit: int) -> int:
        """Return how many jobs have ended, or the limit if there are more."""
        some = "SELECT 1 FROM jobs WHERE expires_at >= 0 LIMIT ?"
        ended: int = self._value(f"SELECT count(*) FROM ({some})", limit)
        return ended

    def remove_first_to_expire(self) -> bool:
        """Forget the ended job that would expire first and has no webhook to send; return whether one has."""
        condition = "expires_at >= 0 AND webhook_due IS NULL ORDER BY expires_at LIMIT 1"
        first = f"SELECT number FROM jobs WHERE {condition}"
        return self._db.execute(f"DELETE FROM jobs WHERE number = ({first})").rowcount > 0

    def used_bytes(self) -> int:
        """Return the size of the database without its free pages."""
        pages, free, size = (
            self._value(f"PRAGMA {name}") for name in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)

    def free_pages(self) -> None:
        """Give the space of removed jobs back to the file system, some of it at a time."""
        free: int = self._value("PRAGMA freelist_count")
        for _ in range(min(free, _FREED_PAGES)):
            # The pragma frees a page at each step, of which Python takes one for a statement without columns.
            self._db.execute("PRAGMA incremental_vacuum(1)")

    def call(self, job: JobRecord) -> bytes:
        """Return the call of a job that has not ended."""
        body: bytes = self._value("SELECT body FROM calls WHERE number = ?", job.number)
        return body

    def drop_call(self, job: JobRecord) -> None:
        """Forget the call of a job that has ended."""
        self._db.execute("DELETE FROM calls WHERE number = ?", (job.number,))

    def body(self, job: JobRecord) -> bytes | None:
        """Return the body of the reply."""
        body: bytes | None = self._value("SELECT body FROM bodies WHERE number = ?", job.number)
        return body

    def put_body(self, job: JobRecord, body: bytes) -> None:
        """Keep the body of the reply."""
        self._db.execute("INSERT INTO bodies VALUES (?, ?)", (job.number, body))

    def items(self, job: JobRecord, after: int, limit: int) -> list[tuple[int, bytes]]:
        """Return the items whose index is higher than `after`, in order."""
        return self._db.execute(
            "SELECT position, body FROM items WHERE number = ? AND position > ? ORDER BY position LIMIT ?",
            (job.number, after, limit),
        ).fetchall()

    def put_item(self, job: JobRecord, index: int, body: bytes) -> None:
        """Keep an item; it replaces one of the same index."""
        self._db.execute("INSERT OR REPLACE INTO items VALUES (?, ?, ?)", (job.number, index, body))

    def drop_items(self, job: JobRecord) -> None:
        """Forget all items."""
        self._db.execute("DELETE FROM items WHERE number = ?", (job.number,))


def _first(jobs: list[JobRecord]) -> JobRecord | None:
    return jobs[0] if jobs else None


def _values(job: JobRecord) -> tuple[Any, ...]:
    """Return a job as a row; SQLite takes a bool as it is."""
    row = astuple(job)
    if job.reply is None:
        return row
    return (*row[:_REPLY], _ENCODER.encode(job.reply), *row[_REPLY + 1 :])


def _job(row: tuple[Any, ...]) -> JobRecord:
    values = list(row)
    for flag in _FLAGS:
        values[flag] = bool(values[flag])
    if values[_REPLY] is not None:
        values[_REPLY] = _HEADER_DECODER.decode(values[_REPLY])
    return JobRecord(*values)


class SqliteUnitOfWork:
    """Opens transactions, each with a repository of its own.

    Args:
        database: where the jobs are.

    Raises:
        StoreUnavailable: from any use, when the database can't be read or written.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def read(self) -> Iterator[SqliteRepository]:
        """Open a repository for reading; what several queries find may be of different moments."""
        with self._database.take() as db:
            yield SqliteRepository(db)

    @contextmanager
    def write(self) -> Iterator[SqliteRepository]:
        """Open a transaction, of which there is one at a time; an exception leaves no trace of it."""
        with self._database.transaction() as db:
            yield SqliteRepository(db)

    def check(self) -> None:
        """Return if the database can be written to; otherwise raise `StoreUnavailable`."""
        self._database.check()

    def now(self) -> float:
        """Return the time of the database's clock, in seconds since the epoch."""
        return self._database.now()

    def close(self) -> None:
        """Give back what is held open; a database in memory is gone then."""
        self._database.close()


def open_file(path: str, service: str | None = None) -> SqliteUnitOfWork:
    """Return the unit of work of a file, which is made if it is not there, and belongs to one service.

    Raises:
        ConfigurationError: no file can be there, or the one that is there is another program's or service's.
    """
    return SqliteUnitOfWork(Connections(Path(path), service))


def open_memory() -> SqliteUnitOfWork:
    """Return the unit of work of a database in this process's memory, made at its first use."""
    return SqliteUnitOfWork(MemoryConnection())
