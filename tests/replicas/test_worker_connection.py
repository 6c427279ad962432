"""A replica's end of a web worker's connection: what becomes of the worker's calls."""

import socket
from collections.abc import Iterator

import pytest

from aylien_model_serving.replicas.replica.request import ReplicaRequest
from aylien_model_serving.replicas.replica.worker_connection import WorkerConnection
from aylien_model_serving.rpc import protocol
from tests.dispatch.pipelines import Service, call


def double(n: int) -> int:
    return 2 * n


class Submitted:
    """Stands in for an engine that is busy: calls stay in its queue."""

    def __init__(self) -> None:
        self.calls: list[ReplicaRequest] = []
        self.submit = self.calls.append

    def check_room(self) -> None:
        """Have room for every call."""


class Scene:
    """A connection with two calls that wait in the engine's queue."""

    def __init__(self, worker: socket.socket, replica: socket.socket) -> None:
        self.worker = worker
        self.engine = Submitted()
        endpoint = Service(double).endpoint
        self.connection = WorkerConnection(
            replica, endpoint, self.engine, None, lambda _: None, lambda: None, lambda: None
        )
        for number in (1, 2):
            worker.sendmsg(protocol.encode_call(number, call(b'{"n": 1}'), False))
        assert self.connection.receive()

    def abandoned(self) -> list[bool]:
        return [each.abandoned for each in self.engine.calls]


@pytest.fixture
def scene() -> Iterator[Scene]:
    worker, replica = socket.socketpair()
    replica.setblocking(False)
    with worker, replica:
        yield Scene(worker, replica)


def test_a_queued_call_that_its_worker_cancels_is_abandoned(scene: Scene) -> None:
    scene.worker.sendmsg(protocol.encode_cancel(1))

    assert scene.connection.receive()
    assert scene.abandoned() == [True, False]


def test_the_queued_calls_of_a_worker_that_is_gone_are_abandoned(scene: Scene) -> None:
    scene.worker.close()

    assert not scene.connection.receive()
    scene.connection.close()
    assert scene.abandoned() == [True, True]
