"""Fixtures of the replicas' tests."""

from collections.abc import Iterator

import pytest

from tests.replicas.stub_service import StubService, StubWorker, stub_service


@pytest.fixture
def service() -> Iterator[StubService]:
    with stub_service() as service:
        yield service


@pytest.fixture
def worker(service: StubService) -> StubWorker:
    return service.worker()
