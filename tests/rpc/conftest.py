"""What the tests of the blocking connection share."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from aylien_model_serving.rpc.connection import Connection
from tests.rpc.stub_replica import StubReplica


@pytest.fixture
def replica() -> Iterator[StubReplica]:
    with closing(StubReplica()) as replica:
        yield replica


@pytest.fixture
def connection(replica: StubReplica) -> Iterator[Connection]:
    with closing(Connection(replica.path)) as connection:
        yield connection
