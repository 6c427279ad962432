"""What the tests of this folder share."""

from collections.abc import Iterator

import pytest

from tests.replicas.stub_service import Fleet, WebWorker, fleet_of_stubs


@pytest.fixture
def fleet() -> Iterator[Fleet]:
    with fleet_of_stubs() as fleet:
        yield fleet


@pytest.fixture
def worker(fleet: Fleet) -> WebWorker:
    return fleet.worker()
