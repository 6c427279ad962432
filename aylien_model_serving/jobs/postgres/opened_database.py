"""Transactions on the jobs in PostgreSQL, of which many write at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from aylien_model_serving.jobs.postgres.connections import PooledConnections
from aylien_model_serving.jobs.postgres.notifications import WorkListener, topic_of
from aylien_model_serving.jobs.postgres.optimistic import OptimisticRepository
from aylien_model_serving.jobs.postgres.repository import PostgresRepository
from aylien_model_serving.jobs.postgres.statements import Statements
from aylien_model_serving.jobs.postgres.stored_bytes import StoredBytes
from aylien_model_serving.jobs.postgres.transaction import transaction
from aylien_model_serving.jobs.service_identity import ServiceIdentity


class PostgresUnitOfWork:
    """Opens transactions, of which many write at once.

    Args:
        connections: to the database.
    """

    is_remote = True

    def __init__(self, connections: PooledConnections) -> None:
        self._connections = connections
        self._stored = StoredBytes()
        self.check = connections.check
        self.now = connections.now
        self.close = connections.close

    @contextmanager
    def read(self) -> Iterator[PostgresRepository]:
        with self._connections.take() as db:
            yield PostgresRepository(Statements(db), self._stored, holds=False)

    @contextmanager
    def write(self, *, lasting: bool = True, holding: bool = True) -> Iterator[PostgresRepository]:
        with self._connections.take_for_writing() as db:
            if not holding:
                yield OptimisticRepository(Statements(db), self._stored, lasting=lasting)
                return
            with transaction(db, lasting=lasting) as statements:
                yield PostgresRepository(statements, self._stored, holds=True)

    def listen(self, service: str, routes: Sequence[str], wake: Callable[[], None]) -> Callable[[], None]:
        topics = [topic_of(service, route) for route in routes]
        listener = WorkListener(self._connections.parameters, topics, wake)
        listener.start()
        return listener.close


def open_database(url: str, service: ServiceIdentity | None = None) -> PostgresUnitOfWork:
    """Return the unit of work of a database; one that does not work at the moment is opened when it does.

    Raises:
        ConfigurationError: the URL is none, psycopg is missing, or another service has the name.
    """
    return PostgresUnitOfWork(PooledConnections(url, service))
