"""What is deployed on a Ray cluster: the engine and the pipeline of a replica, behind messages of frames.

Ray Serve makes an object of this class in a process of its own on one of its nodes. Nothing here imports Ray,
which finds the methods by their names.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import shutil
import tempfile
import threading
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from aylien_model_serving.core import logging as logs
from aylien_model_serving.core.settings import Settings
from aylien_model_serving.dispatch import values_answer
from aylien_model_serving.errors import HandlerFailed, InvalidRequest
from aylien_model_serving.process import large_work, lifecycle
from aylien_model_serving.replicas.cluster.applications import restored
from aylien_model_serving.replicas.cluster.counting import CountingInstruments
from aylien_model_serving.replicas.cluster.message_request import (
    MessageRequest,
    MessageSink,
    StreamedMessage,
    WholeMessage,
)
from aylien_model_serving.replicas.replica.hosted_engine import HostedEngine
from aylien_model_serving.rpc import cluster_messages, protocol
from aylien_model_serving.rpc.headers import VALUES

logger = logging.getLogger(__name__)

#: Bytes of random names by which replicas are told apart.
_NAME_BYTES = 6


class HostedModel:
    """A handler, built and warmed up, that answers messages of calls.

    Args:
        spec: what it is, as `applications.portable` encoded it.

    Raises:
        Exception: it can't be built.
    """

    def __init__(self, spec: bytes) -> None:
        lifecycle.is_replica = True
        settings = Settings.load()
        logs.configure(settings)
        self._spec = restored(spec)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._unhealthy = ""
        self._home = Path(tempfile.mkdtemp(prefix="model-serving-ray-"))
        self._counts = CountingInstruments(secrets.token_hex(_NAME_BYTES))
        uses_gpu = self._spec.ray is not None and self._spec.ray.num_gpus > 0
        self._hosted = HostedEngine(
            self._spec,
            settings,
            "cuda:0" if uses_gpu else "cpu",
            self._home,
            str(self._home / "record"),
            self._settled,
            self._report_exhausted,
            self._counts,
        )
        for _ in range(self._spec.threads):
            threading.Thread(
                target=self._hosted.engine.work, name="model-serving-handler", daemon=True
            ).start()
        self._hosted.warm_up()
        if self._hosted.health is not None:
            self._hosted.health.start(self._report_unhealthy)
        lifecycle.loaded()

    async def __call__(self, message: bytes) -> bytes:
        """Answer all calls of a message, when the last of them has its reply."""
        loop = self._loop = asyncio.get_running_loop()
        frames = cluster_messages.decode_calls(message)
        done: asyncio.Future[None] = loop.create_future()
        sink = WholeMessage(len(frames), partial(_settle_soon, loop, done))
        requests = [self._request(frame, sink) for frame in frames]
        try:
            for request in requests:
                self._submit(request)
            await done
        except asyncio.CancelledError:
            for request in requests:
                request.abandon()
            raise
        return cluster_messages.encode_replies(self._counts.take(), sink.frames)

    async def stream(self, message: bytes) -> AsyncIterator[bytes]:
        """Answer the one call of a message, in parts as they are made."""
        loop = self._loop = asyncio.get_running_loop()
        [frame] = cluster_messages.decode_calls(message)
        sink = StreamedMessage(loop)
        request = self._request(frame, sink)
        try:
            self._submit(request)
            async for frames in sink.parts():
                yield cluster_messages.encode_replies(self._counts.take(), frames)
        finally:
            request.abandon()
            sink.close()

    def check_health(self) -> None:
        """Fail where the handler has not been well for too long: Ray replaces its replica.

        Raises:
            HandlerFailed: it has not.
        """
        if self._unhealthy:
            raise HandlerFailed(self._unhealthy)

    def __del__(self) -> None:
        """End: Ray calls this when it has no calls left."""
        if hasattr(self, "_hosted"):
            self._hosted.engine.close(None)
            self._hosted.close_senders()
            self._hosted.close_handler()
        if hasattr(self, "_home"):
            shutil.rmtree(self._home, ignore_errors=True)

    def _request(self, frame: protocol.Frame, sink: MessageSink) -> MessageRequest:
        call, suspect = protocol.decode_call(frame)
        hosted = self._hosted
        if call.method != VALUES:
            return MessageRequest(frame.number, call, suspect, hosted.endpoint, sink, hosted.outcomes)
        steps = values_answer.answer(hosted.endpoint, hosted.hints, call, _refuse_stream)
        request = MessageRequest(frame.number, call, suspect, hosted.endpoint, sink, hosted.outcomes, steps)
        request.method = call.path
        return request

    def _submit(self, request: MessageRequest) -> None:
        call = request.call
        is_large = len(call.body) > large_work.LARGE or call.content_coding is not None
        if is_large and call.method != VALUES:
            large_work.hand_over(request.submit_and_flush, self._hosted.engine, bool)
        else:
            request.submit(self._hosted.engine)

    def _settled(self) -> None:
        """Have the replies of a batch made beside the handler, which runs the next one."""
        outcomes = self._hosted.outcomes
        if outcomes is None:
            return
        send: Callable[[], Any] = outcomes.send_replies
        if outcomes.take_has_large() or self._loop is None:
            large_work.hand_over(send)
        else:
            with contextlib.suppress(RuntimeError):  # the loop is closed: the replica ends
                self._loop.call_soon_threadsafe(send)

    def _report_unhealthy(self, reason: str) -> None:
        logger.error("%s is not well: %s", self._spec.name, reason)
        self._unhealthy = reason

    def _report_exhausted(self) -> None:
        self._report_unhealthy("its GPU's memory ran out several times within a minute")


def _settle_soon(loop: asyncio.AbstractEventLoop, done: asyncio.Future[None]) -> None:
    with contextlib.suppress(RuntimeError):  # the loop is closed: the replica ends
        loop.call_soon_threadsafe(_settle, done)


def _settle(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_result(None)


def _refuse_stream(number: int) -> NoReturn:
    """Refuse an argument that is an iterator, whose items would have to follow their call to its replica.

    Raises:
        InvalidRequest: always.
    """
    raise InvalidRequest("A model on Ray takes no iterator as an argument: send a list")
