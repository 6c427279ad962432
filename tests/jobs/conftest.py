"""The two stores that every test of the contract runs against."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from aylien_model_serving.jobs.store import Store, open_store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "kept" / "jobs.db"


@pytest.fixture
def file_store(path: Path) -> Iterator[Store]:
    store = open_store(str(path))
    yield store
    store.close()


@pytest.fixture(params=["sqlite", "memory"])
def store(request: pytest.FixtureRequest, path: Path) -> Iterator[Store]:
    store = open_store("memory://" if request.param == "memory" else f"sqlite:///{path}")
    yield store
    store.close()
