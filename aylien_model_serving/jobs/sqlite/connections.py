"""Connections to a SQLite file that processes share, opened when they are needed.

A connection serves one caller at a time, on whatever thread. What fails is tried again at each use: the file
may be locked, full, gone, replaced or damaged at any moment, and is mended at another.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.jobs.availability import Availability
from aylien_model_serving.jobs.clock import Clock
from aylien_model_serving.jobs.errors import StoreFull, StoreUnavailable
from aylien_model_serving.jobs.sqlite import database_errors, schema, store_file
from aylien_model_serving.jobs.sqlite.database import Database, gate
from aylien_model_serving.jobs.sqlite.database_errors import errors_for_clients
from aylien_model_serving.jobs.sqlite.file_connection import Damaged, FileConnection, connect, waiting
from aylien_model_serving.process import native_threads

#: Seconds that a transaction waits for those of others, and the same where the file is known not to work.
BUSY_TIMEOUT, AWAY_TIMEOUT = 2.0, 0.05

#: Seconds that one waits who only asks whether the file works.
PROBE_TIMEOUT = 0.5

#: Seconds between two tries to begin a transaction, in which other threads and greenlets go on.
_TURN = 0.002

#: Bytes that are to be free before a disk that was full counts as mended.
_ROOM = 1024 * 1024

#: Connections that are kept when nobody uses them.
MAX_IDLE = 4


class _Opened(NamedTuple):
    """A file that has all tables, and its clock."""

    file: store_file.Identity
    clock: Clock


class Connections(Database):
    """Connections to one file, which is made and brought to the last version of its tables.

    One that is damaged is set aside, and jobs go on in another.

    Args:
        path: the file; it and its folder are made for this user alone if they are not there.
        service: the one that it belongs to, from its first use on; None for whoever only looks into it.

    Raises:
        ConfigurationError: no file can be there, or the one that is there is another program's or service's.
    """

    def __init__(self, path: Path, service: str | None = None) -> None:
        super().__init__()
        self._service = service
        self._path = path.absolute()
        self._idle: list[FileConnection] = []
        self._opened: _Opened | None = None
        self._left: store_file.Files | None = None
        self._is_started = False
        self._availability = Availability(str(self._path))
        with suppress(StoreUnavailable), self.take():  # noted, and tried again
            pass
        self._is_started = True

    @contextmanager
    def take(self) -> Iterator[sqlite3.Connection]:
        """Lend an idle connection or another one; one that fails is closed, with what it had begun."""
        with self._noted(writing=False), self._lent() as db:
            yield db

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        with self._begun(self._patience(BUSY_TIMEOUT)) as db:
            yield db

    def check(self) -> None:
        known = self._availability
        if known.is_fresh:
            known.raise_error()
            return
        with self._begun(self._patience(PROBE_TIMEOUT), fresh=True) as db:
            schema.touch(db)
            if known.is_for(database_errors.FULL) and not store_file.has_room(self._path, _ROOM):
                raise StoreUnavailable(database_errors.FULL)

    def now(self) -> float:
        while self._opened is None:
            with self.take():
                pass
        return self._opened.clock()

    def close(self) -> None:
        with gate.entered():
            self.before_fork()

    def before_fork(self) -> None:
        while connection := self._take_idle():
            connection.db.close()

    def begin_in_child(self) -> None:
        """Leave what is open as it is: nothing is."""

    def _patience(self, seconds: float) -> float:
        return seconds if self._availability.is_well else AWAY_TIMEOUT

    @contextmanager
    def _noted(self, *, writing: bool) -> Iterator[None]:
        """Note whether it works, outside of the gate: the log may switch to another greenlet."""
        try:
            yield
        except StoreFull:  # by its settings, and not by what is beneath it
            raise
        except Damaged as error:
            self._mend(error)
            raise
        except StoreUnavailable as error:
            self._availability.failed(error, writing=writing)
            raise
        self._availability.worked(writing=writing)

    def _mend(self, error: Damaged) -> None:
        """Set a damaged file aside; one that may never have been a database is left to whoever knows it."""
        is_database = self._opened is not None or store_file.is_named_as_database(self._path)
        if database_errors.is_foreign(error.__cause__) and not is_database:
            self._availability.failed(error, writing=True)
            return
        self._opened = None  # so that another one is made, if not by this attempt
        try:
            aside = store_file.set_aside(self._path, error.file)
        except StoreUnavailable as failure:
            self._availability.failed(failure, writing=True)
        else:
            if aside is not None:
                self._availability.replaced(error, aside.name)

    @contextmanager
    def _begun(self, timeout: float, *, fresh: bool = False) -> Iterator[sqlite3.Connection]:
        """Lend a connection in a transaction, which is committed in the end.

        Whoever waits for its turn has no connection, and lets others go on.
        """
        until = time.monotonic() + timeout
        with self._noted(writing=True):
            while True:
                with self._lent(fresh=fresh) as db:
                    if _has_begun(db, until):
                        yield db
                        db.execute("COMMIT")
                        return
                time.sleep(_TURN)

    @contextmanager
    def _lent(self, *, fresh: bool = False) -> Iterator[sqlite3.Connection]:
        with gate.entered(), errors_for_clients():
            connection = self._connection(fresh=fresh)
            try:
                yield connection.db
            except sqlite3.Error as error:
                connection.db.close()
                if database_errors.is_damage(error):
                    raise Damaged(connection.files.main) from error
                raise
            except BaseException:
                if connection.db.in_transaction:
                    connection.db.execute("ROLLBACK")
                self._put_back(connection)
                raise
            self._put_back(connection)

    def _connection(self, *, fresh: bool) -> FileConnection:
        """Return a connection to the file that has the name now."""
        found = store_file.look(self._path)
        if self._opened is None or found is None or found.file != self._opened.file:
            self._open(is_there=found is not None)
        elif not found.size:
            raise Damaged(found.file)
        elif not fresh and (idle := self._take_idle()):
            return idle
        else:
            connection = connect(self._path)
            if connection.version >= len(schema.STEPS):
                return connection
            connection.db.close()  # a file that nobody had open was replaced by one of the same number
            self._open(is_there=True)
        return self._take_idle() or connect(self._path)

    def _open(self, *, is_there: bool) -> None:
        """Open another file than before, or the first one."""
        self._leave(is_there=is_there)
        try:
            if self._opened is None:
                store_file.make(self._path)
            elif not is_there:
                raise store_file.Gone from FileNotFoundError(str(self._path))
            self._prepare()
        except ConfigurationError as error:
            if not self._is_started:
                raise
            raise StoreUnavailable("The job store's file is another's") from error

    def _leave(self, *, is_there: bool) -> None:
        """Close what is open to a file that has lost its name; its log goes once another one has the name."""
        while connection := self._take_idle():
            connection.db.close()
            self._left = connection.files
        if is_there and self._left is not None:
            store_file.leave_logs(self._path, self._left)
            self._left = None

    def _prepare(self) -> None:
        if (emptied := store_file.emptied(self._path)) is not None:
            raise Damaged(emptied)
        connection = connect(self._path)
        try:
            with waiting(connection.db, self._patience(BUSY_TIMEOUT)):
                schema.prepare(connection.db, str(self._path), self._service)
                clock = schema.clock_of(connection.db)
        except BaseException as error:
            connection.db.close()
            if database_errors.is_damage(error):
                raise Damaged(connection.files.main) from error
            raise
        self._opened = _Opened(connection.files.main, clock)
        self._put_back(
            connection._replace(files=store_file.files(self._path))
        )  # with the log that it has made

    def _take_idle(self) -> FileConnection | None:
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def _put_back(self, connection: FileConnection) -> None:
        is_current = self._opened is not None and connection.files.main == self._opened.file
        if is_current and len(self._idle) < MAX_IDLE:
            self._idle.append(connection)
        else:
            connection.db.close()


def _has_begun(db: sqlite3.Connection, until: float) -> bool:
    """Begin a transaction, and return whether it could; after a time it fails instead."""
    try:
        if native_threads.is_patched():  # SQLite would wait without letting other greenlets go on
            with waiting(db, 0):
                db.execute("BEGIN IMMEDIATE")
        else:
            db.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        if not database_errors.is_busy(error) or time.monotonic() > until:
            raise
        return False
    return True
