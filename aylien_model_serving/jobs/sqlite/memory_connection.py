"""The one connection to a database in this process's memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from aylien_model_serving.jobs import clock
from aylien_model_serving.jobs.sqlite import schema
from aylien_model_serving.jobs.sqlite.database import Database, gate
from aylien_model_serving.jobs.sqlite.database_errors import errors_for_clients
from aylien_model_serving.process.native_threads import native_lock

#: Connections that a forked child has of its parents, neither used nor closed there.
_of_parents: list[sqlite3.Connection] = []


class MemoryConnection(Database):
    """Lends the connection, which is made at its first use; the database is gone when it is closed.

    Callers take turns: connections that share a memory lock each other's tables without waiting
    (sqlite.org/sharedcache.html, 2.2). A forked child begins with an empty database, since a copy of it would
    run its parent's jobs a second time.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lock = native_lock()
        self._db: sqlite3.Connection | None = None
        self._clock = clock.begun_at(clock.begin())

    @contextmanager
    def take(self) -> Iterator[sqlite3.Connection]:
        with self._lock, gate.entered(), errors_for_clients():
            if self._db is None:
                self._db = _connect()
            try:
                yield self._db
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        with self.take() as db:
            db.execute("BEGIN IMMEDIATE")
            yield db
            db.execute("COMMIT")

    def check(self) -> None:
        """Return: nobody else can get hold of it."""

    def now(self) -> float:
        return self._clock()

    def close(self) -> None:
        with self._lock, gate.entered():
            if self._db is not None:
                self._db.close()
                self._db = None

    def before_fork(self) -> None:
        """Leave the connection to the parent, which goes on with it."""

    def begin_in_child(self) -> None:
        """Begin anew: the connection is the parent's, and any thread may have held the lock."""
        if self._db is not None:
            _of_parents.append(self._db)
        self._lock, self._db = native_lock(), None


def _connect() -> sqlite3.Connection:
    db = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    db.execute("PRAGMA foreign_keys = ON")
    schema.create(db)
    return db
