"""The stores that every test of the contract runs against."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from aylien_model_serving.jobs.opening import open_store
from aylien_model_serving.jobs.store import Store
from tests.services.postgres_server import PostgresServer, postgres_server


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "kept" / "jobs.db"


@pytest.fixture
def file_store(path: Path) -> Iterator[Store]:
    store = open_store(str(path))
    yield store
    store.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with postgres_server(fsync="off") as server:
        yield server


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> str:
    return postgres.new_database()


@pytest.fixture(params=["sqlite", "postgres"])
def shared_url(request: pytest.FixtureRequest, path: Path) -> str:
    """Return the URL of a store that processes share."""
    return f"sqlite:///{path}" if request.param == "sqlite" else request.getfixturevalue("postgres_url")


@pytest.fixture
def shared_store(shared_url: str) -> Iterator[Store]:
    store = open_store(shared_url)
    yield store
    store.close()


@pytest.fixture(params=["sqlite", "memory", "postgres"])
def store(request: pytest.FixtureRequest, path: Path) -> Iterator[Store]:
    urls = {"memory": lambda: "memory://", "sqlite": lambda: f"sqlite:///{path}"}
    url = urls.get(request.param, lambda: request.getfixturevalue("postgres_url"))()
    store = open_store(url)
    yield store
    store.close()
