"""Passes calls from web workers on to a cluster, and the replies back: on one event loop.

Knows frames and messages; how a message is sent is the cluster's to say, which calls share one `gathering`'s.
A call whose replica was lost is sent once more, alone: it may be why.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, suppress
from typing import Protocol

from aylien_model_serving.core.messages import current_request_id
from aylien_model_serving.dispatch.error_responses import ErrorResponses
from aylien_model_serving.errors import HandlerFailed, Unavailable
from aylien_model_serving.replicas.gateway.gateway_call import GatewayCall
from aylien_model_serving.replicas.gateway.gathering import Gathering
from aylien_model_serving.rpc import cluster_messages, protocol
from aylien_model_serving.rpc.cluster_messages import ReplicaCounts

logger = logging.getLogger(__name__)

#: Seconds that a call which may be why a replica was lost has for itself, before the next one is sent.
_ALONE_SECONDS = 1.0

#: Losses of a replica after which a call is not sent again.
_MOST_LOSSES = 2


class ReplicaGone(Exception):
    """The replica that had a message was lost before it answered."""


class Cluster(Protocol):
    """Sends messages to replicas."""

    async def send(self, message: bytes) -> bytes:
        """Return the replies to a message's calls.

        Raises:
            ReplicaGone: the replica was lost.
            Unavailable: there is none, and none is to be expected.
        """

    def stream(self, message: bytes) -> AsyncIterator[bytes]:
        """Yield the replies to the one call of a message in parts; raises as `send` does."""


class Relay:
    """The calls that the gateway has.

    Args:
        cluster: has the replicas.
        gathering: makes messages of calls.
        streams: the methods that return streams.
        most: calls that may wait or be on their way.
        errors: makes replies of errors.
        on_counts: gets what replicas have done.
    """

    def __init__(
        self,
        cluster: Cluster,
        gathering: Gathering[GatewayCall],
        streams: tuple[str, ...],
        most: int,
        errors: ErrorResponses,
        on_counts: Callable[[ReplicaCounts], None],
    ) -> None:
        self._cluster = cluster
        self._gathering = gathering
        self._streams = frozenset(streams)
        self._most = most
        self._errors = errors
        self._on_counts = on_counts
        self._loop = asyncio.get_running_loop()
        self._taken: deque[GatewayCall] = deque()
        self._is_woken = False
        self._tasks: dict[asyncio.Task[None], list[GatewayCall]] = {}
        self._sent = 0
        self._timer: asyncio.TimerHandle | None = None
        self._suspects: asyncio.Lock = asyncio.Lock()
        self._grants = asyncio.Event()
        #: Why no call is sent at the moment; None where they are.
        self.refusal: str | None = None

    def __len__(self) -> int:
        return self.waiting + self._sent

    @property
    def waiting(self) -> int:
        """How many calls are not sent yet."""
        return len(self._taken) + self._gathering.waiting

    def take(self, call: GatewayCall) -> None:
        """Take a call; on any thread."""
        self._taken.append(call)
        if not self._is_woken:
            self._is_woken = True
            self._loop.call_soon_threadsafe(self._send_taken)

    def cancel(self, call: GatewayCall) -> None:
        """Take note that nobody waits for a call any more; on any thread."""
        call.abandoned = True
        with suppress(RuntimeError):  # the loop is closed: the process ends
            self._loop.call_soon_threadsafe(self._drop_abandoned)

    def grant(self, call: GatewayCall, items: int) -> None:
        """Take note that a client takes so many further items; on any thread."""
        self._loop.call_soon_threadsafe(self._grant, call, items)

    def _grant(self, call: GatewayCall, items: int) -> None:
        call.room += items
        self._grants.set()

    def _drop_abandoned(self) -> None:
        for task, calls in list(self._tasks.items()):
            if all(call.abandoned for call in calls):
                task.cancel()
        self._grants.set()

    def _send_taken(self) -> None:
        self._is_woken = False
        now = time.monotonic()
        for _ in range(len(self._taken)):
            call = self._taken.popleft()
            if call.abandoned:
                continue
            if self.refusal is not None:
                self._fail(call, Unavailable(self.refusal))
            elif self._gathering.waiting + self._sent >= self._most:
                self._fail(call, Unavailable("Too many requests wait for the model's cluster"))
            elif call.is_suspect:
                self._begin(self._send_suspect(call), [call])
            elif call.method in self._streams:
                self._begin(self._send_alone(call), [call])
            else:
                self._gathering.add(call, now)
        self._send_messages()

    def _send_messages(self) -> None:
        now = time.monotonic()
        while calls := self._gathering.next_message(now):
            self._begin(self._send_gathered(calls), calls)
        if self._gathering.due > now and self._timer is None:
            self._timer = self._loop.call_at(self._gathering.due, self._send_due)

    def _send_due(self) -> None:
        self._timer = None
        self._send_messages()

    def _begin(self, work: object, calls: list[GatewayCall]) -> None:
        task: asyncio.Task[None] = self._loop.create_task(work)  # type: ignore[arg-type]  # a coroutine
        self._tasks[task] = calls
        self._sent += len(calls)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        calls = self._tasks.pop(task)
        self._sent -= len(calls)
        if not task.cancelled() and task.exception() is not None:
            logger.error("Calls could not be passed on", exc_info=task.exception())
            for call in calls:
                self._fail(call, HandlerFailed())

    async def _send_gathered(self, calls: list[GatewayCall]) -> None:
        left = [call for call in calls if not call.abandoned]
        try:
            if left:
                await self._exchange(left)
        finally:
            self._gathering.ended(len(calls))
            self._send_messages()

    async def _send_suspect(self, call: GatewayCall) -> None:
        """Send a call while no other one is new that may be why a replica was lost."""
        async with self._suspects:
            if call.abandoned:
                return
            task = self._loop.create_task(self._send_alone(call))
            try:
                await asyncio.wait([task], timeout=_ALONE_SECONDS)
            except asyncio.CancelledError:
                task.cancel()
                raise
        try:
            await task
        except asyncio.CancelledError:
            task.cancel()
            raise

    async def _send_alone(self, call: GatewayCall) -> None:
        if call.method in self._streams:
            await self._pass_stream(call)
        else:
            await self._exchange([call])

    async def _exchange(self, calls: list[GatewayCall]) -> None:
        """Send calls in one message, and pass their replies on."""
        message = b"".join(call.message(place) for place, call in enumerate(calls))
        try:
            counts, frames = cluster_messages.decode_replies(await self._cluster.send(message))
        except ReplicaGone as gone:
            self._send_again(calls, gone)
            return
        except (Unavailable, HandlerFailed) as error:
            for call in calls:
                self._fail(call, error)
            return
        self._on_counts(counts)
        self._pass_on(calls, frames)

    def _pass_on(self, calls: list[GatewayCall], frames: memoryview) -> None:
        """Pass on the frames of replies, which name their calls by their places."""
        for piece in cluster_messages.pieces(frames):
            call = calls[piece.number]
            if not call.abandoned:
                call.send(piece.renumbered(call.frame.number))
        for call in calls:
            call.source.forget(call.frame.number)
        for source in {id(call.source): call.source for call in calls}.values():
            source.flush()

    def _send_again(self, calls: list[GatewayCall], gone: ReplicaGone) -> None:
        """Send calls whose replica was lost once more, each alone."""
        for call in calls:
            call.losses += 1
            if call.losses >= _MOST_LOSSES:
                logger.error("A call was lost with its replica twice: %s", gone)
                self._fail(call, HandlerFailed("The model's replica was lost twice with this request"))
            elif not call.abandoned:
                self._begin(self._send_suspect(call), [call])

    async def _pass_stream(self, call: GatewayCall) -> None:
        try:
            async with aclosing(self._cluster.stream(call.message(0))) as parts:  # type: ignore[type-var]  # a generator
                async for part in parts:
                    counts, frames = cluster_messages.decode_replies(part)
                    self._on_counts(counts)
                    for piece in cluster_messages.pieces(frames):
                        await self._pass_piece(call, piece)
        except ReplicaGone as gone:
            if not call.has_begun_stream:
                self._send_again([call], gone)
                return
            call.reply(protocol.encode_lost(call.frame.number))
        except (Unavailable, HandlerFailed) as error:
            if call.has_begun_stream:
                call.reply(protocol.encode_lost(call.frame.number))
            else:
                self._fail(call, error)
        call.source.forget(call.frame.number)

    async def _pass_piece(self, call: GatewayCall, piece: cluster_messages.MessagePart) -> None:
        """Pass a part of a stream on, once the client takes it."""
        while piece.kind == protocol.ITEM and call.room <= 0 and not call.abandoned:
            self._grants.clear()
            await self._grants.wait()
        if piece.kind == protocol.ITEM:
            call.room -= 1
        call.has_begun_stream = call.has_begun_stream or piece.kind == protocol.STREAM
        if not call.abandoned:
            call.send(piece.renumbered(call.frame.number))
            call.source.flush()

    def _fail(self, call: GatewayCall, error: Exception) -> None:
        request, _ = protocol.decode_call(call.frame)
        token = current_request_id.set(request.request_id)
        try:
            reply = self._errors.reply(error, request)
        finally:
            current_request_id.reset(token)
        call.reply(protocol.encode_reply(call.frame.number, reply))

    def refuse(self, why: str | None) -> None:
        """Answer calls with 503 from here on, until this is called without a reason."""
        self.refusal = why

    def give_up(self, why: str) -> None:
        """Answer what waits and what is on its way with 503."""
        for task, calls in list(self._tasks.items()):
            task.cancel()
            for call in calls:
                if call.has_begun_stream:
                    call.reply(protocol.encode_lost(call.frame.number))
                else:
                    self._fail(call, Unavailable(why))
        for call in self._gathering.clear():
            self._fail(call, Unavailable(why))
