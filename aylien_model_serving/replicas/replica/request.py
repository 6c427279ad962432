"""One call in a replica: the pipeline's steps, run between a connection and the engine.

The steps start where the call is read, wait while the engine runs the handler, and end where its outcome is
known; its reply goes back over the connection that the call came by. Knows frames, and no sockets.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from aylien_model_serving.core.messages import Call, Chunks, Reply
from aylien_model_serving.dispatch.engine_call import EngineCall
from aylien_model_serving.dispatch.pipeline import Endpoint
from aylien_model_serving.dispatch.steps import Steps
from aylien_model_serving.errors import InvalidAnswer, ServingError, Unavailable
from aylien_model_serving.executors.queue import CallEngine
from aylien_model_serving.process import large_work
from aylien_model_serving.replicas.replica.input_items import InputItems
from aylien_model_serving.rpc import protocol
from aylien_model_serving.rpc.headers import VALUES
from aylien_model_serving.rpc.stream_credit import StreamCredit

Buffers = Sequence[protocol.Buffer]
AfterSend = Callable[[], None]


class ReplySink(Protocol):
    """What takes a call's reply: the connection that the call came by."""

    def put(self, buffers: Buffers) -> None:
        """Add to what the next flush sends."""

    def flush(self) -> None:
        """Send what was put."""

    def forget(self, number: int) -> None:
        """Drop a call that has its reply."""


class ReplicaRequest(EngineCall):
    """A call and what becomes of it, up to its reply.

    Args:
        number: identifies the call.
        call: the call.
        suspect: whether a replica died while it ran this call.
        endpoint: decodes the call and encodes its reply.
        sink: takes the reply.
        outcomes: collects its outcome until those of the whole batch are sent; None to send it at once.
        steps: of the pipeline, where they are not those of a request.
    """

    __slots__ = ("_credit", "_outcomes", "inputs", "number", "sink")

    def __init__(
        self,
        number: int,
        call: Call,
        suspect: bool,
        endpoint: Endpoint,
        sink: ReplySink,
        outcomes: OutcomeBuffer | None,
        steps: Steps | None = None,
    ) -> None:
        super().__init__(call, endpoint, call.deadline, suspect=suspect, steps=steps)
        self.number = number
        self.sink = sink
        self.inputs: list[InputItems] = []
        self._credit: StreamCredit | None = None
        self._outcomes = outcomes

    def finish(self, result: Any, error: Exception | None) -> None:
        """Send the reply for what the handler returned or raised, or keep that until its batch is sent."""
        if self._outcomes is None:
            self._respond_and_flush(result, error)
        else:
            self._outcomes.add(self, result, error)

    def submit(self, engine: CallEngine, drains: Callable[[], bool] = bool) -> None:
        """Decode the call's fields and submit them to the engine; an error is the reply at once.

        Args:
            engine: runs the handler.
            drains: whether the replica has begun to drain.
        """
        try:
            engine.check_room()
            refusal = self.prepare()
            if refusal is None:
                engine.submit(self)
                return
        except ServingError as error:
            if drains():  # since it was read; another replica takes it
                self._pass_on()
                return
            refusal = self.refuse(self._named(error))
        self._reply(refusal)

    def _named(self, error: ServingError) -> ServingError:
        """Return an error with the model's name, for a handler that may call several."""
        if self.call.method != VALUES or not isinstance(error, Unavailable):
            return error
        return Unavailable(f"The model {self.endpoint.name} is busy: {error}", error.retry_after)

    def _pass_on(self) -> None:
        self.discard()
        self.sink.put(protocol.encode_refused(self.number))
        self.sink.forget(self.number)

    def submit_and_flush(self, engine: CallEngine, drains: Callable[[], bool]) -> None:
        """Do so on another thread than the one that reads calls, and flushes what they put."""
        self.submit(engine, drains)
        self.sink.flush()

    def _respond_and_flush(self, result: Any, error: Exception | None) -> None:
        """Run the rest of the steps, with what the handler returned or raised, and send the reply."""
        after = self.respond(result, error)
        self.sink.flush()
        if after is not None:
            after()

    def respond(self, result: Any, error: Exception | None) -> AfterSend | None:
        """Run the rest of the steps; the reply waits for a flush, after which what is returned is called."""
        return self._reply(self.encode(result, error))

    def _reply(self, reply: Reply) -> AfterSend | None:
        if self.abandoned:
            if reply.chunks is not None:
                reply.chunks.close()
        elif reply.chunks is not None:
            self._stream(reply, reply.chunks)
        else:
            self.sink.put(self._encoded(reply))
        for items in self.inputs:
            items.close()
        self.sink.forget(self.number)
        return reply.after

    def _encoded(self, reply: Reply) -> Buffers:
        try:
            return protocol.encode_reply(self.number, reply)
        except protocol.WireError as error:
            return protocol.encode_reply(self.number, self.refuse(InvalidAnswer(str(error))))

    def _stream(self, reply: Reply, chunks: Chunks) -> None:
        """Send a body as it is made, no faster than the client takes it, until it ends or is abandoned."""
        credit = self._credit = StreamCredit(protocol.STREAM_CREDIT)
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
        """Grant so many further items of the stream."""
        if self._credit is not None:
            self._credit.grant(items)

    def abandon(self) -> None:
        """Stop a cancelled call: before the handler, or at the next item of its stream."""
        super().abandon()
        for items in self.inputs:
            items.abandon()
        if self._credit is not None:
            self._credit.end()


class OutcomeBuffer:
    """The outcomes of a batch, whose replies one thread sends while the handler runs the next batch."""

    def __init__(self) -> None:
        self._outcomes: deque[tuple[ReplicaRequest, Any, Exception | None]] = deque()
        self._has_large = False

    def add(self, request: ReplicaRequest, result: Any, error: Exception | None) -> None:
        """Add one outcome."""
        self._has_large = self._has_large or large_work.is_large(result)
        self._outcomes.append((request, result, error))

    def take_has_large(self) -> bool:
        """Return whether an outcome since the last call takes long to write down."""
        has_large, self._has_large = self._has_large, False
        return has_large

    def send_replies(self) -> None:
        """Send the replies of all outcomes; those of one connection share a write."""
        sinks, afters = set(), []
        while (outcome := self._pop()) is not None:
            request, result, error = outcome
            after = request.respond(result, error)
            if after is not None:
                afters.append(after)
            sinks.add(request.sink)
        for sink in sinks:
            sink.flush()
        for after in afters:
            after()

    def _pop(self) -> tuple[ReplicaRequest, Any, Exception | None] | None:
        """Return the next outcome, if another thread has not been quicker."""
        try:
            return self._outcomes.popleft()
        except IndexError:
            return None
