"""One call in a replica: the pipeline's story, told between a connection and the engine.

The story begins where the call is read, waits while the engine runs the handler, and ends where its outcome
is known; its reply goes back the way the call came.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

from aylien_model_serving.core.messages import Call, Chunks, Reply
from aylien_model_serving.dispatch.engine_call import EngineCall
from aylien_model_serving.dispatch.pipeline import Endpoint
from aylien_model_serving.errors import InvalidAnswer, ServingError
from aylien_model_serving.executors.engine import Engine
from aylien_model_serving.rpc import protocol

Buffers = Sequence[protocol.Buffer]
AfterSend = Callable[[], None]


class ReplySink(Protocol):
    """Where a call's reply goes."""

    def put(self, buffers: Buffers) -> None:
        """Add to what the next flush sends."""

    def flush(self) -> None:
        """Send what was put."""

    def done(self, number: int) -> None:
        """Forget a call that has been answered."""


class ReplicaRequest(EngineCall):
    """A call on its way to its reply.

    Args:
        number: tells it from all other calls.
        call: what was asked.
        suspect: whether a replica died while it ran this call.
        endpoint: who answers.
        outlet: where the reply goes.
        outcomes: where the end of its run is kept until the whole batch is told; None to tell it at once.
    """

    __slots__ = ("_credit", "number", "sink")

    def __init__(
        self,
        number: int,
        call: Call,
        suspect: bool,
        endpoint: Endpoint,
        sink: ReplySink,
        outcomes: OutcomeBuffer | None,
    ) -> None:
        finish = self.finished if outcomes is None else partial(outcomes.add, self)
        super().__init__(call, endpoint, call.deadline, finish, suspect=suspect)
        self.number = number
        self.sink = sink
        self._credit: StreamCredit | None = None

    def begin(self, engine: Engine) -> None:
        """Read the call's fields and hand them to the engine; what can't be read is answered here."""
        try:
            engine.check_room()
            refusal = self.prepare()
            if refusal is None:
                engine.submit(self)
        except ServingError as error:
            refusal = self.refuse(error)
        if refusal is not None:
            self._reply(refusal)

    def finished(self, result: Any, error: Exception | None) -> None:
        """Tell the rest of the story, with what the handler returned or raised, and send the reply."""
        after = self.tell(result, error)
        self.sink.flush()
        if after is not None:
            after()

    def tell(self, result: Any, error: Exception | None) -> AfterSend | None:
        """Tell the rest of the story; the reply waits for a flush, after which what is returned is called."""
        return self._reply(self.encode(result, error))

    def _reply(self, reply: Reply) -> AfterSend | None:
        if self.abandoned:
            if reply.chunks is not None:
                reply.chunks.close()
        elif reply.chunks is not None:
            self._stream(reply, reply.chunks)
        else:
            self.sink.put(self._encoded(reply))
        self.sink.done(self.number)
        return reply.after

    def _encoded(self, reply: Reply) -> Buffers:
        try:
            return protocol.encode_reply(self.number, reply)
        except protocol.WireError as error:
            told = InvalidAnswer(str(error))
            return protocol.encode_reply(self.number, self.refuse(told))

    def _stream(self, reply: Reply, chunks: Chunks) -> None:
        """Send a body as it is made, no faster than the client takes it, until it ends or nobody listens."""
        credit = self._credit = StreamCredit()
        self.sink.put(protocol.encode_reply(self.number, reply, stream=True))
        self.sink.flush()
        try:
            for chunk in chunks:
                if not credit.take() or self.abandoned:
                    return
                self.sink.put(protocol.encode_item(self.number, chunk))
                self.sink.flush()
        finally:
            chunks.close()
            self.sink.put(protocol.encode_end(self.number))

    def grant(self, items: int) -> None:
        """Let so many more items of the stream be sent."""
        if self._credit is not None:
            self._credit.grant(items)

    def abandon(self) -> None:
        """Stop what nobody waits for: before the handler, or at the next item of its stream."""
        self.abandoned = True
        if self._credit is not None:
            self._credit.end()


class OutcomeBuffer:
    """The outcomes of a batch, told together by one thread, while the handler is at the next batch."""

    def __init__(self) -> None:
        self._outcomes: deque[tuple[ReplicaRequest, Any, Exception | None]] = deque()

    def add(self, request: ReplicaRequest, result: Any, error: Exception | None) -> None:
        """Keep one outcome until it is told."""
        self._outcomes.append((request, result, error))

    def tell(self) -> None:
        """Tell all that is kept; the replies of one connection share a write."""
        sinks, afters = set(), []
        for _ in range(len(self._outcomes)):
            request, result, error = self._outcomes.popleft()
            after = request.tell(result, error)
            if after is not None:
                afters.append(after)
            sinks.add(request.sink)
        for sink in sinks:
            sink.flush()
        for after in afters:
            after()


class StreamCredit:
    """How many items a client still takes."""

    def __init__(self) -> None:
        self._left = protocol.STREAM_CREDIT
        self._ended = False
        self._changed = threading.Condition()

    def take(self) -> bool:
        """Wait for the right to send one item, and tell whether it came."""
        with self._changed:
            self._changed.wait_for(lambda: self._left > 0 or self._ended)
            self._left -= 1
            return not self._ended

    def grant(self, items: int) -> None:
        with self._changed:
            self._left += items
            self._changed.notify()

    def end(self) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify()
