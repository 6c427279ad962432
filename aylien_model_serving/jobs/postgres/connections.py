"""Connections to PostgreSQL, from a pool of this process's own, opened when they are needed.

Whoever waits for the database waits for a bounded time: for a connection, for a lock, and for an answer,
also of a server that is frozen or behind a network that swallows packets. What fails is tried again at each
use, on another connection where that may help.
"""

from __future__ import annotations

import os
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from aylien_model_serving.core.secrets import without_passwords
from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.jobs.availability import Availability
from aylien_model_serving.jobs.errors import StoreFull, StoreUnavailable
from aylien_model_serving.jobs.postgres import database_errors, schema
from aylien_model_serving.jobs.postgres.database_clock import DatabaseClock
from aylien_model_serving.jobs.postgres.database_errors import errors_for_clients
from aylien_model_serving.jobs.postgres.pool import ANSWER_SECONDS, open_pool, parameters_of
from aylien_model_serving.jobs.service_identity import ServiceIdentity
from aylien_model_serving.process import native_threads

if TYPE_CHECKING:
    from psycopg import Connection
    from psycopg_pool import ConnectionPool

#: Seconds that one waits for a connection, and the same where the database is known not to work.
PATIENCE, AWAY_PATIENCE = 2.0, 0.05

#: Seconds that one waits, for a connection and for an answer, who only asks whether the database works.
PROBE_TIMEOUT = 0.5


class PooledConnections:
    """Connections to one database, whose tables are made or brought to their last version at the first use.

    Args:
        url: of the database, as libpq takes it.
        service: whose jobs are kept; None for whoever only works on them.

    Raises:
        ConfigurationError: the URL is none, psycopg is missing, or another service has the name.
    """

    def __init__(self, url: str, service: ServiceIdentity | None = None) -> None:
        self._service = service
        self.parameters = parameters_of(url)
        self._availability = Availability(without_passwords(url))
        self._clock = DatabaseClock()
        self._is_prepared = self._is_started = False
        self._lock = native_threads.ProcessLock()
        self._pool: ConnectionPool[Any] | None = None
        _all.add(self)
        with suppress(StoreUnavailable), self.take():  # noted, and tried again
            pass
        self._is_started = True

    def begin_in_child(self) -> None:
        """Leave the pool to the parent after a fork, and begin with another one."""
        _of_parents.append(self._pool)
        self._pool = None

    @contextmanager
    def take(self) -> Iterator[Connection]:
        """Lend a connection on which each statement is a transaction."""
        with self._noted(writing=False), errors_for_clients(), self._lent() as connection:
            yield connection

    @contextmanager
    def take_for_writing(
        self, patience: float = PATIENCE, answer_within: float = ANSWER_SECONDS
    ) -> Iterator[Connection]:
        """Lend a connection on which each statement is a transaction, and which is to write.

        Args:
            patience: seconds to wait for a connection.
            answer_within: seconds to wait for each answer.
        """
        with (
            self._noted(writing=True),
            errors_for_clients(),
            self._lent(patience, answer_within) as connection,
        ):
            yield connection

    def check(self) -> None:
        """Return if the database can be written to; otherwise raise `StoreUnavailable`."""
        known = self._availability
        if known.is_fresh:
            known.raise_error()
            return
        with self.take_for_writing(PROBE_TIMEOUT, PROBE_TIMEOUT) as db:
            database_errors.refuse_read_only(db)
            if not known.is_well:  # reading alone proves nothing where writing failed
                db.execute(f"UPDATE {schema.SERVICES} SET seen_at = seen_at")

    def now(self) -> float:
        """Return the time of the database's clock, in seconds since the epoch."""
        while not self._clock.is_known:
            with self.take():
                pass
        return self._clock.now()

    def close(self) -> None:
        """Close the connections; the next use opens others."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.close()

    @contextmanager
    def _noted(self, *, writing: bool) -> Iterator[None]:
        try:
            yield
        except StoreFull:  # by its settings, and not by what is beneath it
            raise
        except StoreUnavailable as error:
            if database_errors.is_missing(error):
                self._is_prepared = False
            self._availability.failed(error, writing=writing)
            raise
        self._availability.worked(writing=writing)

    @contextmanager
    def _lent(
        self, patience: float = PATIENCE, answer_within: float = ANSWER_SECONDS
    ) -> Iterator[Connection]:
        if not self._is_prepared:
            self._prepare()
        if not self._availability.is_well:
            patience = AWAY_PATIENCE
        with self._replaced_when_full(self._open_pool()) as pool, pool.connection(patience) as connection:
            connection.answer_within = answer_within
            try:
                self._clock.follow(partial(_time_of, connection))
                yield connection
            except Exception as error:
                if database_errors.is_of_connection(error):
                    connection.close()
                raise
            finally:
                connection.used_at = time.monotonic()

    @contextmanager
    def _replaced_when_full(self, pool: ConnectionPool[Any]) -> Iterator[ConnectionPool[Any]]:
        """Leave a pool that nobody can ask any more, since those who gave up waiting keep their places.

        It would not try to connect either: it does so when it is asked.
        """
        import psycopg_pool

        try:
            yield pool
        except psycopg_pool.TooManyRequests:
            with self._lock:
                if self._pool is pool:
                    self._pool = None
            pool.close(0)
            raise

    def _prepare(self) -> None:
        """Make the tables, or bring them to their last version, however long that takes."""
        import psycopg

        try:
            with psycopg.connect(**self.parameters) as connection:
                schema.prepare(connection, self._service)
        except ConfigurationError as error:
            if not self._is_started:
                raise
            raise StoreUnavailable("The job store is another service's") from error
        self._is_prepared = True

    def _open_pool(self) -> ConnectionPool[Any]:
        with self._lock:
            if self._pool is None:
                self._pool = open_pool(self.parameters, PATIENCE)
            return self._pool


def _time_of(connection: Connection[Any]) -> float:
    row = connection.execute("SELECT extract(epoch FROM clock_timestamp())::double precision").fetchone()
    assert row is not None
    return float(row[0])


_all: weakref.WeakSet[PooledConnections] = weakref.WeakSet()

#: Pools that a forked child has of its parents, neither used nor closed there.
_of_parents: list[object] = []


def _begin_in_child() -> None:
    for connections in list(_all):
        connections.begin_in_child()


os.register_at_fork(after_in_child=_begin_in_child)
