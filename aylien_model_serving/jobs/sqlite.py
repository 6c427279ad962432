"""Jobs in a SQLite file, shared by all processes of a machine that know its path.

SQL alone; `schema` has the tables, `connections` what speaks to the file. Each look at many jobs is
served by an index in its own order, without sorting.
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
from aylien_model_serving.jobs.job import Job
from aylien_model_serving.jobs.states import Status
from aylien_model_serving.rpc.headers import ReplyHeader

_COLUMNS = Job.__struct_fields__
_CANCEL_REQUESTED, _REPLY = _COLUMNS.index("cancel_requested"), _COLUMNS.index("reply")

_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM jobs "
_INSERT = f"INSERT INTO jobs ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"

#: Pages of removed jobs that one transaction gives back to the file system, at most.
_FREED_PAGES = 1000

_ENCODER = msgspec.msgpack.Encoder()
_HEADER_DECODER = msgspec.msgpack.Decoder(ReplyHeader)


class SqliteShelf:
    """The jobs of a file, in a transaction of one connection."""

    __slots__ = ("_db",)

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def _jobs(self, condition: str, *values: object) -> list[Job]:
        return [_job(row) for row in self._db.execute(_SELECT + condition, values).fetchall()]

    def _value(self, statement: str, *values: object) -> Any:
        """Return the first column of the first row, None without one."""
        rows = self._db.execute(statement, values).fetchall()
        return rows[0][0] if rows else None

    def find(self, job_id: str) -> Job | None:
        return _first(self._jobs("WHERE id = ?", job_id))

    def find_keyed(self, service: str, route: str, key: str) -> Job | None:
        return _first(
            self._jobs("WHERE service = ? AND route = ? AND idempotency_key = ?", service, route, key)
        )

    def page(
        self, service: str, status: Status | None, route: str | None, limit: int, before: int | None
    ) -> list[Job]:
        wanted = {"service": service, "route": route, "status": status}
        given = {column: value for column, value in wanted.items() if value is not None}
        conditions = [f"{column} = ?" for column in given] + ["number < ?"] * (before is not None)
        values = [*given.values(), *([] if before is None else [before]), limit]
        return self._jobs(f"WHERE {' AND '.join(conditions)} ORDER BY number DESC LIMIT ?", *values)

    def counts(self, service: str) -> dict[str, dict[Status, int]]:
        found: dict[str, dict[Status, int]] = {}
        statement = "SELECT route, status, count(*) FROM jobs WHERE service = ? GROUP BY route, status"
        for route, status, count in self._db.execute(statement, (service,)).fetchall():
            found.setdefault(route, {})[status] = count
        return found

    def has_room(self, service: str, route: str, queue_size: int) -> bool:
        some = "SELECT 1 FROM jobs WHERE service = ? AND route = ? AND status = 'queued' LIMIT ?"
        queued: int = self._value(f"SELECT count(*) FROM ({some})", service, route, queue_size)
        return queued < queue_size

    def first_ready(self, service: str, route: str) -> Job | None:
        condition = (
            "WHERE service = ? AND route = ? AND status = 'queued' AND not_before IS NULL"
            " ORDER BY priority DESC, number LIMIT 1"
        )
        return _first(self._jobs(condition, service, route))

    def rested(self, service: str, route: str, now: float, limit: int) -> list[Job]:
        return self._over("not_before", service, route, now, limit)

    def silent(self, service: str, route: str, now: float, limit: int) -> list[Job]:
        return self._over("lease_until", service, route, now, limit)

    def _over(self, column: str, service: str, route: str, now: float, limit: int) -> list[Job]:
        condition = f"WHERE service = ? AND route = ? AND {column} <= ? ORDER BY {column} LIMIT ?"
        return self._jobs(condition, service, route, now, limit)

    def next_due(self, service: str, route: str) -> float | None:
        times = [self._first_time(column, service, route) for column in ("not_before", "lease_until")]
        return min((time for time in times if time is not None), default=None)

    def _first_time(self, column: str, service: str, route: str) -> float | None:
        condition = f"service = ? AND route = ? AND {column} IS NOT NULL"
        time: float | None = self._value(f"SELECT min({column}) FROM jobs WHERE {condition}", service, route)
        return time

    def untold(self, service: str, now: float, limit: int) -> list[Job]:
        condition = "WHERE service = ? AND webhook_due <= ? ORDER BY webhook_due, number LIMIT ?"
        return self._jobs(condition, service, now, limit)

    def add(self, job: Job, call: bytes) -> Job:
        values = [None, *_values(job)[1:]]
        numbered = replace(job, number=self._db.execute(_INSERT, values).lastrowid)
        self._db.execute("INSERT INTO calls VALUES (?, ?)", (numbered.number, call))
        return numbered

    def save(self, old: Job, new: Job) -> None:
        """Write what differs alone, so that other columns' indexes stay as they are."""
        rows = zip(_COLUMNS, _values(old), _values(new), strict=True)
        changed = {column: after for column, before, after in rows if after != before}
        if changed:
            columns = ", ".join(f"{column} = ?" for column in changed)
            self._db.execute(f"UPDATE jobs SET {columns} WHERE number = ?", (*changed.values(), old.number))

    def remove(self, job: Job) -> None:
        self._db.execute("DELETE FROM jobs WHERE number = ?", (job.number,))

    def remove_expired(self, now: float, limit: int) -> int:
        expired = "SELECT number FROM jobs WHERE expires_at <= ? AND webhook_due IS NULL LIMIT ?"
        removed = self._db.execute(f"DELETE FROM jobs WHERE number IN ({expired})", (now, limit)).rowcount
        self._free_pages()
        return removed

    def _free_pages(self) -> None:
        free: int = self._value("PRAGMA freelist_count")
        for _ in range(min(free, _FREED_PAGES)):
            # The pragma frees a page at each step, of which Python takes one for a statement without columns.
            self._db.execute("PRAGMA incremental_vacuum(1)")

    def call(self, job: Job) -> bytes:
        body: bytes = self._value("SELECT body FROM calls WHERE number = ?", job.number)
        return body

    def drop_call(self, job: Job) -> None:
        self._db.execute("DELETE FROM calls WHERE number = ?", (job.number,))

    def body(self, job: Job) -> bytes | None:
        body: bytes | None = self._value("SELECT body FROM bodies WHERE number = ?", job.number)
        return body

    def put_body(self, job: Job, body: bytes) -> None:
        self._db.execute("INSERT INTO bodies VALUES (?, ?)", (job.number, body))

    def items(self, job: Job, after: int, limit: int) -> list[tuple[int, bytes]]:
        return self._db.execute(
            "SELECT position, body FROM items WHERE number = ? AND position > ? ORDER BY position LIMIT ?",
            (job.number, after, limit),
        ).fetchall()

    def put_item(self, job: Job, index: int, body: bytes) -> None:
        self._db.execute("INSERT OR REPLACE INTO items VALUES (?, ?, ?)", (job.number, index, body))

    def drop_items(self, job: Job) -> None:
        self._db.execute("DELETE FROM items WHERE number = ?", (job.number,))


def _first(jobs: list[Job]) -> Job | None:
    return jobs[0] if jobs else None


def _values(job: Job) -> tuple[Any, ...]:
    """Return a job as a row; SQLite takes a bool as it is."""
    row = astuple(job)
    if job.reply is None:
        return row
    return (*row[:_REPLY], _ENCODER.encode(job.reply), *row[_REPLY + 1 :])


def _job(row: tuple[Any, ...]) -> Job:
    values = list(row)
    values[_CANCEL_REQUESTED] = bool(values[_CANCEL_REQUESTED])
    if values[_REPLY] is not None:
        values[_REPLY] = _HEADER_DECODER.decode(values[_REPLY])
    return Job(*values)


class SqliteShelves:
    """Transactions on one file."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    @contextmanager
    def read(self) -> Iterator[SqliteShelf]:
        with self._connections.take() as db:
            yield SqliteShelf(db)

    @contextmanager
    def write(self) -> Iterator[SqliteShelf]:
        with self._connections.transaction() as db:
            yield SqliteShelf(db)

    def close(self) -> None:
        self._connections.close()


def open_file(path: str) -> SqliteShelves:
    """Return the shelves in a file, which is made if it is not there.

    Raises:
        ConfigurationError: the file can't be made, or is none of this program's.
        StoreUnavailable: the file can't be read or written.
    """
    return SqliteShelves(Connections(Path(path)))
