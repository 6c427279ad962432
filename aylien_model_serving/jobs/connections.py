"""Connections to a SQLite database: to a file, opened when they are needed, or one to this process's memory.

A connection serves one caller at a time, on whatever thread, and none is used behind a fork. Locks of a
file are the process's: a child that inherits an open connection works without locks, on every connection it
opens afterwards too (sqlite.org/howtocorrupt.html, 2.6).
"""

from __future__ import annotations

import os
import sqlite3
import weakref
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.jobs import clock, schema
from aylien_model_serving.jobs.errors import StoreUnavailable
from aylien_model_serving.process.fork_gate import ForkGate
from aylien_model_serving.process.native_threads import native_lock

#: Seconds that a transaction waits for those of others.
BUSY_TIMEOUT = 2.0

#: Connections that are kept when nobody uses them.
MAX_IDLE = 4

#: Bytes that the write-ahead log is cut to after each checkpoint, which comes every 1,000 pages.
LOG_SIZE = 8 * 1024 * 1024

#: Seconds that a fork waits for the transactions of other threads.
FORK_TIMEOUT = 1.0

#: What SQLite's messages say → what a client may read.
_REASONS = {
    "locked": "The job store is busy: another process holds it",
    "full": "The job store's disk is full",
    "readonly": "The job store can't be written to",
    "malformed": "The job store's file is damaged",
    "not a database": "The job store's file is damaged",
    "unable to open": "The job store's file can't be opened",
}

#: Errors of whoever wrote the statement, which no client should be asked to wait for.
_MISTAKES = (sqlite3.ProgrammingError, sqlite3.IntegrityError, sqlite3.DataError, sqlite3.NotSupportedError)


class Database(ABC):
    """Lends connections to one database."""

    @abstractmethod
    def take(self) -> AbstractContextManager[sqlite3.Connection]:
        """Lend a connection outside of a transaction; one that is begun and not committed is rolled back.

        Raises:
            StoreUnavailable: SQLite fails; the cause is chained.
        """

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection in the one transaction that may write; it is kept unless an exception comes."""
        with self.take() as db:
            db.execute("BEGIN IMMEDIATE")
            yield db
            db.execute("COMMIT")

    @abstractmethod
    def now(self) -> float:
        """Return the time of the database's clock, in seconds since the epoch."""

    @abstractmethod
    def close(self) -> None:
        """Close the connections that nobody uses."""


class Connections(Database):
    """Connections to one file, which is made and brought to the last version of its tables.

    Args:
        path: the file; it and its folder are made for this user alone if they are not there.

    Raises:
        ConfigurationError: the file can't be made, or is none of this program's.
        StoreUnavailable: the file can't be read or written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.absolute()
        self._idle: list[sqlite3.Connection] = []
        try:
            _make(self._path)
        except OSError as error:
            raise ConfigurationError(f"No jobs can be kept in {self._path}: {error}") from error
        try:
            with self.take() as db:
                schema.prepare(db, str(self._path))
                self._clock = schema.clock_of(db)
        except ConfigurationError:
            self.close()
            raise
        _open.add(self)

    @contextmanager
    def take(self) -> Iterator[sqlite3.Connection]:
        """Lend an idle connection or another one; one that fails is closed, with what it had begun."""
        with _gate.entered(), _errors_for_clients():
            db = self._take_idle() or _connect(self._path)
            try:
                yield db
            except sqlite3.Error:
                db.close()
                raise
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                self._put_back(db)
                raise
            self._put_back(db)

    def now(self) -> float:
        return self._clock()

    def close(self) -> None:
        with _gate.entered():
            self.close_idle()

    def close_idle(self) -> None:
        """Close the connections that nobody uses, by whoever is behind the gate or has closed it."""
        while db := self._take_idle():
            db.close()

    def _take_idle(self) -> sqlite3.Connection | None:
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def _put_back(self, db: sqlite3.Connection) -> None:
        if len(self._idle) < MAX_IDLE:
            self._idle.append(db)
        else:
            db.close()


class MemoryConnection(Database):
    """The one connection to a database in this process's memory, which is gone when it is closed.

    Callers take turns: connections that share a memory lock each other's tables without waiting
    (sqlite.org/sharedcache.html, 2.2). A forked child begins with an empty database, since a copy of it would
    run its parent's jobs a second time.
    """

    def __init__(self) -> None:
        self._lock = native_lock()
        self._db: sqlite3.Connection | None = None
        self._clock = clock.begun_at(clock.begin())
        _in_memory.add(self)

    @contextmanager
    def take(self) -> Iterator[sqlite3.Connection]:
        with self._lock, _gate.entered(), _errors_for_clients():
            if self._db is None:
                self._db = _connect_to_memory()
            try:
                yield self._db
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def now(self) -> float:
        return self._clock()

    def close(self) -> None:
        with self._lock, _gate.entered():
            if self._db is not None:
                self._db.close()
                self._db = None

    def begin_in_child(self) -> None:
        """Begin anew after a fork: the connection is the parent's, and any thread may have held the lock."""
        if self._db is not None:
            _of_parents.append(self._db)
        self._lock, self._db = native_lock(), None


@contextmanager
def _errors_for_clients() -> Iterator[None]:
    try:
        yield
    except _MISTAKES:
        raise
    except sqlite3.Error as error:
        reason = next((reason for part, reason in _REASONS.items() if part in str(error)), None)
        raise StoreUnavailable(reason) from error


def _connect(path: Path) -> sqlite3.Connection:
    """Open a file that is there: one that was removed must not be replaced unnoticed by an empty one."""
    db = sqlite3.connect(
        f"{path.as_uri()}?mode=rw",
        uri=True,
        timeout=BUSY_TIMEOUT,
        isolation_level=None,  # transactions begin where the code says so
        check_same_thread=False,
    )
    try:
        # The log outlives a killed process, and is synced at checkpoints: what a power cut takes is whole
        # transactions at the end.
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("PRAGMA foreign_keys = ON")
        db.execute(f"PRAGMA journal_size_limit = {LOG_SIZE}")
    except BaseException:
        db.close()
        raise
    return db


def _connect_to_memory() -> sqlite3.Connection:
    db = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    db.execute("PRAGMA foreign_keys = ON")
    schema.create(db)
    return db


def _make(path: Path) -> None:
    """Make an empty file for this user alone; SQLite gives its log the same mode.

    One that is there is not opened: closing it would end the locks that this process has on it.
    """
    if path.is_dir():
        raise IsADirectoryError("it is a folder")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        with suppress(FileExistsError):  # another process was quicker
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


_open: weakref.WeakSet[Connections] = weakref.WeakSet()
_in_memory: weakref.WeakSet[MemoryConnection] = weakref.WeakSet()

#: Connections that a forked child has of its parents, neither used nor closed there.
_of_parents: list[sqlite3.Connection] = []

#: SQLite has locks of its own, on the memory that it allocates, whichever database it is for.
_gate = ForkGate()


def _before_fork() -> None:
    _gate.close(FORK_TIMEOUT)
    for connections in list(_open):
        connections.close_idle()


def _begin_in_child() -> None:
    _gate.begin_in_child()
    for memory in list(_in_memory):
        memory.begin_in_child()


os.register_at_fork(before=_before_fork, after_in_parent=_gate.open, after_in_child=_begin_in_child)
