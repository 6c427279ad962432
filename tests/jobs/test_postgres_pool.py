"""The pool of connections to PostgreSQL, while the database is away for long."""

import time
from contextlib import closing

import pytest

from aylien_model_serving.jobs.errors import StoreUnavailable
from aylien_model_serving.jobs.postgres import pool
from aylien_model_serving.jobs.postgres.connections import PATIENCE, PooledConnections
from tests.services.hosts import wait_until
from tests.services.postgres_server import postgres_server

#: Seconds after which the pool, which nobody can ask for more, tries to connect no longer.
GIVES_UP_SECONDS = 2 * PATIENCE


def is_answered(connections: PooledConnections) -> bool:
    try:
        with connections.take_for_writing() as db:
            return db.execute("SELECT 1").fetchone() == (1,)
    except StoreUnavailable:
        return False


def test_a_database_comes_back_for_however_many_have_given_up_waiting_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pool, "MAX_WAITING", 10)
    with postgres_server(fsync="off") as server, closing(PooledConnections(server.new_database())) as store:
        assert is_answered(store)
        server.stop()
        given_up = time.monotonic() + GIVES_UP_SECONDS
        while time.monotonic() < given_up:
            assert not is_answered(store)
        server.start()

        wait_until(lambda: is_answered(store))
