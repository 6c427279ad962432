"""A replica's end of a web worker's connection: what becomes of the worker's calls."""

import gc
import socket
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from aylien_model_serving import codecs
from aylien_model_serving.core.messages import Call
from aylien_model_serving.errors import Unavailable
from aylien_model_serving.handlers.hinted_values import HintedValues
from aylien_model_serving.models import hosting
from aylien_model_serving.models.calls import prepare
from aylien_model_serving.process import native_threads
from aylien_model_serving.process.large_work import LARGE
from aylien_model_serving.replicas.replica.request import ReplicaRequest
from aylien_model_serving.replicas.replica.worker_connection import WorkerConnection
from aylien_model_serving.rpc import protocol
from tests.dispatch.pipelines import TIMEOUT, Service, call


def double(n: int) -> int:
    return 2 * n


class Submitted:
    """Stands in for an engine that is busy: calls stay in its queue."""

    def __init__(self) -> None:
        self.calls: list[ReplicaRequest] = []
        self.submit: Callable[[ReplicaRequest], None] = self.calls.append

    def check_room(self) -> None:
        """Have room for every call."""


class Scene:
    """A connection with two calls that wait in the engine's queue."""

    def __init__(self, worker: socket.socket, replica: socket.socket) -> None:
        self.worker = worker
        self.engine = Submitted()
        endpoint, hints = Service(double).endpoint, lambda method: HintedValues(double)
        self.connection = WorkerConnection(
            replica, endpoint, self.engine, None, hints, lambda _: None, lambda: None, lambda: None
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


def test_a_call_that_has_its_reply_is_gone_without_the_collector(scene: Scene) -> None:
    steps = [weakref.ref(each._steps) for each in scene.engine.calls]

    gc.disable()
    try:
        while scene.engine.calls:
            scene.engine.calls.pop().finish({"n": 2}, None)
        left = [step() for step in steps]
    finally:
        gc.enable()

    assert left == [None, None]


@pytest.fixture
def decoding(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Lets large bodies be decoded once it is set; `codecs.decode` waits for it."""
    may_go = threading.Event()
    decode = codecs.decode

    def wait(call: Call, decoders: Any) -> Any:
        if len(call.body) > LARGE:
            assert may_go.wait(TIMEOUT)
        return decode(call, decoders)

    monkeypatch.setattr(codecs, "decode", wait)
    yield may_go
    may_go.set()


LARGE_BODY = b'{"n": 1' + b" " * LARGE + b"}"


def received(scene: Scene, number: int, body: bytes) -> None:
    """Send a call, and have the connection receive it."""
    threading.Thread(
        target=scene.worker.sendmsg, args=(protocol.encode_call(number, call(body), False),)
    ).start()
    before = len(scene.connection._calls)
    until = time.monotonic() + TIMEOUT
    while len(scene.connection._calls) == before:
        assert time.monotonic() < until
        assert scene.connection.receive()


def wait_until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.005)


@pytest.mark.skipif(native_threads.is_patched(), reason="gevent never patches a replica")
def test_others_are_read_and_answered_while_a_large_body_is_decoded(
    scene: Scene, decoding: threading.Event
) -> None:
    received(scene, 3, LARGE_BODY)
    received(scene, 4, b'{"n": 4}')

    assert [each.number for each in scene.engine.calls] == [1, 2, 4]
    decoding.set()
    wait_until(lambda: [each.number for each in scene.engine.calls] == [1, 2, 4, 3])


@pytest.mark.skipif(native_threads.is_patched(), reason="gevent never patches a replica")
def test_a_call_that_is_cancelled_while_it_is_decoded_is_abandoned(
    scene: Scene, decoding: threading.Event
) -> None:
    received(scene, 3, LARGE_BODY)
    scene.worker.sendmsg(protocol.encode_cancel(3))
    assert scene.connection.receive()
    decoding.set()

    wait_until(lambda: len(scene.engine.calls) == 3)
    assert scene.abandoned() == [False, False, True]


@pytest.mark.skipif(native_threads.is_patched(), reason="gevent never patches a replica")
def test_a_call_that_was_decoded_for_a_replica_that_drains_is_passed_on(
    scene: Scene, decoding: threading.Event
) -> None:
    def refuse(_: ReplicaRequest) -> None:
        raise Unavailable

    received(scene, 3, LARGE_BODY)
    scene.connection.drains = True
    scene.engine.submit = refuse  # as an engine that is closed
    decoding.set()

    scene.worker.settimeout(TIMEOUT)
    frame = protocol.decode_frame(scene.worker.recv(65536))
    assert (frame.kind, frame.number) == (protocol.REFUSED, 3)


def test_a_model_without_room_refuses_a_handlers_call_with_its_name(scene: Scene) -> None:
    def refuse(_: ReplicaRequest) -> None:
        raise Unavailable("256 requests wait already, and no more may", 7)

    scene.engine.submit = refuse
    route = hosting.route_of(double, runner=True)
    made = prepare(route, hosting.Signatures(route), "", (1,), {})

    scene.worker.sendmsg(protocol.encode_call(3, made, False))
    assert scene.connection.receive()

    refusal = scene.worker.recv(1 << 16)
    assert f"The model {scene.engine.calls[0].endpoint.name} is busy: 256 requests wait".encode() in refusal


def test_what_is_put_while_a_write_is_prepared_disturbs_nobody(scene: Scene) -> None:
    sent: list[int] = []

    def put_another(phase: str, info: dict[str, int]) -> None:
        if len(sent) < 100:
            sent.append(len(sent) + 1)
            scene.connection.put(protocol.encode_end(sent[-1]))

    thresholds = gc.get_threshold()
    put_another("start", {})
    gc.callbacks.append(put_another)  # as another thread may, while the collector runs code
    try:
        gc.enable()  # it may rest from the large body of another test
        gc.set_threshold(1)
        for made in range(20):
            kept: list[list[int]] = [[] for _ in range(made)]  # so that the collector runs at another moment
            scene.connection.flush()
            del kept
    finally:
        gc.set_threshold(*thresholds)
        gc.callbacks.remove(put_another)
    scene.connection.flush()

    decoder, ended = protocol.FrameDecoder(), list[int]()
    while len(ended) < len(sent):
        received = scene.worker.recv_into(decoder.get_buffer())
        ended += [frame.number for frame in decoder.buffer_updated(received)]
    assert ended == sent
