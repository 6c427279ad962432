"""The gateway's relay, between web workers and a cluster that a test answers for."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

from aylien_model_serving.core.messages import Call, Reply
from aylien_model_serving.dispatch.error_responses import ErrorResponses
from aylien_model_serving.errors import Unavailable
from aylien_model_serving.replicas.gateway.gateway_call import GatewayCall
from aylien_model_serving.replicas.gateway.gathering import Gathering
from aylien_model_serving.replicas.gateway.relay import Relay, ReplicaGone
from aylien_model_serving.rpc import cluster_messages, protocol
from aylien_model_serving.rpc.cluster_messages import ReplicaCounts
from tests.web.asgi_client import NEEDS_A_LOOP

pytestmark = NEEDS_A_LOOP

Answer = Callable[[list[protocol.Frame]], Awaitable[list[protocol.Buffer]]]


class Worker:
    """Stands in for a web worker's connection."""

    def __init__(self) -> None:
        self.frames: list[protocol.Frame] = []
        self.forgotten: list[int] = []

    def put(self, buffers: Sequence[protocol.Buffer]) -> None:
        self.frames.append(protocol.decode_frame(b"".join(buffers)))

    def flush(self) -> None:
        """All is there."""

    def forget(self, number: int) -> None:
        self.forgotten.append(number)

    def statuses(self) -> dict[int, int]:
        return {frame.number: frame.header.status for frame in self.frames if frame.header is not None}


class StubCluster:
    """Answers messages as a test says, and keeps them."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.messages: list[list[protocol.Frame]] = []
        self.cancelled = 0

    async def send(self, message: bytes) -> bytes:
        frames = cluster_messages.decode_calls(message)
        self.messages.append(frames)
        try:
            return cluster_messages.encode_replies(ReplicaCounts("a", [0.5]), await self._answer(frames))
        except asyncio.CancelledError:
            self.cancelled += 1
            raise

    async def stream(self, message: bytes) -> AsyncIterator[bytes]:
        frames = cluster_messages.decode_calls(message)
        self.messages.append(frames)
        begin = protocol.encode_reply(0, Reply(200, b""), stream=True)
        yield cluster_messages.encode_replies(ReplicaCounts(), begin)
        for _ in range(100):
            yield cluster_messages.encode_replies(ReplicaCounts(), protocol.encode_item(0, b"item"))
        await self._answer(frames)
        yield cluster_messages.encode_replies(ReplicaCounts(), protocol.encode_end(0))


class Scene:
    """A relay with a cluster, made on a running loop."""

    def __init__(
        self, answer: Answer, *, size: int = 4, streams: tuple[str, ...] = (), most: int = 100
    ) -> None:
        self.worker = Worker()
        self.cluster = StubCluster(answer)
        self.counts: list[ReplicaCounts] = []
        errors = ErrorResponses(False, lambda method, status: None)
        gathering: Gathering[GatewayCall] = Gathering(size, 8, 2)
        self.relay = Relay(self.cluster, gathering, streams, most, errors, self.counts.append)

    def call(self, number: int, **fields: Any) -> GatewayCall:
        request = Call("POST", "/p", "", {}, b"%d" % number, {}, f"id-{number}", **fields)
        frame = protocol.decode_frame(b"".join(protocol.encode_call(number, request, False)))
        call = GatewayCall(frame, self.worker)
        self.relay.take(call)
        return call

    async def until(self, condition: Callable[[], Any]) -> None:
        deadline = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < deadline
            await asyncio.sleep(0.005)


async def echo(frames: list[protocol.Frame]) -> list[protocol.Buffer]:
    return [
        buffer for frame in frames for buffer in protocol.encode_reply(frame.number, Reply(200, frame.body))
    ]


async def never(frames: list[protocol.Frame]) -> list[protocol.Buffer]:
    await asyncio.Event().wait()
    return []


def test_replies_come_back_under_the_numbers_of_their_calls() -> None:
    async def run() -> Scene:
        scene = Scene(echo)
        for number in range(70, 80):
            scene.call(number)
        await scene.until(lambda: len(scene.worker.forgotten) == 10)
        return scene

    scene = asyncio.run(run())

    assert {frame.number: frame.body for frame in scene.worker.frames} == {
        number: b"%d" % number for number in range(70, 80)
    }
    assert max(map(len, scene.cluster.messages)) == 4
    assert len(scene.relay) == 0
    assert sum(len(counts.waits) for counts in scene.counts) == len(scene.cluster.messages)


def test_calls_of_a_lost_replica_are_sent_once_more_each_alone() -> None:
    async def lose_some(frames: list[protocol.Frame]) -> list[protocol.Buffer]:
        if not frames[0].header.suspect:
            raise ReplicaGone
        return await echo(frames)

    async def run() -> Scene:
        scene = Scene(lose_some)
        for number in range(6):
            scene.call(number)
        await scene.until(lambda: len(scene.worker.forgotten) == 6)
        return scene

    scene = asyncio.run(run())

    assert scene.worker.statuses() == dict.fromkeys(range(6), 200)
    again = [message for message in scene.cluster.messages if message[0].header.suspect]
    assert sorted(map(len, again)) == [1] * 6


def test_a_call_that_loses_two_replicas_is_not_sent_a_third_time() -> None:
    async def lose(frames: list[protocol.Frame]) -> list[protocol.Buffer]:
        raise ReplicaGone

    async def run() -> Scene:
        scene = Scene(lose)
        scene.call(1)
        await scene.until(lambda: scene.worker.frames)
        return scene

    scene = asyncio.run(run())

    assert (scene.worker.statuses(), len(scene.cluster.messages)) == ({1: 500}, 2)


def test_a_message_is_cancelled_when_nobody_waits_for_any_of_its_calls() -> None:
    async def run() -> Scene:
        scene = Scene(never, size=4)
        calls = [scene.call(number) for number in range(4)]
        await scene.until(lambda: scene.cluster.messages)
        first = len(scene.cluster.messages[0])
        for call in calls[: first - 1]:
            scene.relay.cancel(call)
        await asyncio.sleep(0.02)
        assert scene.cluster.cancelled == 0
        for call in calls:
            scene.relay.cancel(call)
        await scene.until(lambda: len(scene.relay) == 0)
        return scene

    scene = asyncio.run(run())

    assert scene.cluster.cancelled == len(scene.cluster.messages)
    assert scene.worker.frames == []


def test_while_the_cluster_is_gone_calls_are_refused_and_those_on_their_way_given_up() -> None:
    async def run() -> Scene:
        scene = Scene(never, size=1)
        scene.call(1)
        await scene.until(lambda: scene.cluster.messages)
        scene.relay.refuse("gone")
        scene.call(2)
        scene.relay.give_up("gone")
        await scene.until(lambda: len(scene.worker.frames) == 2 and not len(scene.relay))
        return scene

    scene = asyncio.run(run())

    assert scene.worker.statuses() == {1: 503, 2: 503}
    assert all(("Retry-After", "1") in frame.header.headers for frame in scene.worker.frames)


def test_more_calls_than_may_wait_are_refused() -> None:
    async def run() -> Scene:
        scene = Scene(never, most=3)
        for number in range(5):
            scene.call(number)
        await scene.until(lambda: len(scene.worker.frames) == 2)
        return scene

    assert asyncio.run(run()).worker.statuses() == {3: 503, 4: 503}


def test_what_the_cluster_refuses_is_a_503() -> None:
    async def refuse(frames: list[protocol.Frame]) -> list[protocol.Buffer]:
        raise Unavailable("no replica")

    async def run() -> Scene:
        scene = Scene(refuse)
        scene.call(1)
        await scene.until(lambda: scene.worker.frames)
        return scene

    assert asyncio.run(run()).worker.statuses() == {1: 503}


def test_a_stream_goes_on_as_its_client_takes_it() -> None:
    async def run() -> tuple[int, Scene]:
        scene = Scene(echo, streams=("",))
        call = scene.call(1)
        await scene.until(lambda: len(scene.worker.frames) == 1 + protocol.STREAM_CREDIT)
        await asyncio.sleep(0.02)
        before = len(scene.worker.frames)
        scene.relay.grant(call, 200)
        await scene.until(lambda: scene.worker.forgotten)
        return before, scene

    before, scene = asyncio.run(run())

    assert before == 1 + protocol.STREAM_CREDIT
    assert [frame.kind for frame in scene.worker.frames[-2:]] == [protocol.ITEM, protocol.END]
    assert len(scene.worker.frames) == 102


def test_a_stream_whose_replica_is_lost_ends_as_lost() -> None:
    async def lose(frames: list[protocol.Frame]) -> list[protocol.Buffer]:
        raise ReplicaGone

    async def run() -> Scene:
        scene = Scene(lose, streams=("",))
        scene.relay.grant(scene.call(1), 200)
        await scene.until(lambda: scene.worker.forgotten)
        return scene

    assert asyncio.run(run()).worker.frames[-1].kind == protocol.LOST
