"""The steps of the pipeline that may have to wait: a run of the handler, or the end of an equal request's."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Generator, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

from aylien_model_serving.core import call_scope, reads
from aylien_model_serving.core.messages import Call, Reply
from aylien_model_serving.dispatch.cache import FlightEnd
from aylien_model_serving.errors import DeadlineExceeded
from aylien_model_serving.executors import Executor
from aylien_model_serving.process.large_work import LARGE
from aylien_model_serving.schemas import Schema


@dataclass(slots=True)
class Execute:
    """The step that runs the handler.

    Args:
        executor: runs it.
        arguments: its fields.
        call: the request.
        schema: of the fields.
        read: gets the names of what the handler reads beside its fields; None where nobody wants to know.
    """

    executor: Executor
    arguments: dict[str, Any]
    call: Call
    schema: Schema
    read: set[str] | None = None

    def wait(self) -> Any:
        if self.read is None and self.call.deadline is None:
            return self.executor.run(self.arguments, self.call)
        with self._scope():
            return self.executor.run(self.arguments, self.call)

    @contextmanager
    def _scope(self) -> Iterator[None]:
        recorded = nullcontext() if self.read is None else reads.recorded(self.read)
        with recorded, call_scope.until(self.call.deadline):
            yield

    def is_immediate(self) -> bool:
        return self.executor.is_immediate() and not self.schema.may_wait(self.arguments)

    async def wait_async(self) -> Any:
        beside_loop = len(self.call.body) > LARGE or self.schema.may_wait(self.arguments)
        if self.read is None and self.call.deadline is None:
            return await self.executor.run_async(self.arguments, self.call, beside_loop=beside_loop)
        with self._scope():
            return await self.executor.run_async(self.arguments, self.call, beside_loop=beside_loop)


@dataclass(slots=True)
class FlightWait:
    """The step that waits for the reply of an equal request which is under way (single flight)."""

    flight: Future[FlightEnd]
    deadline: float | None

    def wait(self) -> FlightEnd:
        left = None if self.deadline is None else max(0.0, self.deadline - time.monotonic())
        try:
            return self.flight.result(left)
        except FutureTimeout:
            if self.flight.done():
                raise  # the handler's own
            raise DeadlineExceeded from None

    def is_immediate(self) -> bool:
        return self.flight.done()

    async def wait_async(self) -> FlightEnd:
        left = None if self.deadline is None else max(0.0, self.deadline - time.monotonic())
        shared = asyncio.shield(asyncio.wrap_future(self.flight))
        try:
            return await asyncio.wait_for(shared, left)
        except asyncio.TimeoutError:
            if self.flight.done():
                raise  # the handler's own
            raise DeadlineExceeded from None


Step = Execute | FlightWait
Steps = Generator[Step, Any, Reply]


class OtherProtocol(Protocol):
    """Reads the calls, and writes the replies, of a protocol that is not the service's own HTTP."""

    def understands(self, call: Call) -> bool:
        """Return whether a call is this protocol's."""

    def answer(self, endpoint: Any, call: Call) -> Steps:
        """Answer a call, as the pipeline does.

        Args:
            endpoint: the handler's.
            call: the request.
        """
