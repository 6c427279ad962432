"""A replica's end of one web worker's connection: calls come in as frames, replies go out.

Knows the frames; how a call is answered is in `request`, how frames are received and sent in `frame_socket`.
"""

from __future__ import annotations

import socket
import weakref
from collections.abc import Callable, Sequence
from functools import partial

from aylien_model_serving.core.messages import Call, Reply
from aylien_model_serving.dispatch import values_answer
from aylien_model_serving.dispatch.pipeline import Endpoint
from aylien_model_serving.executors import STATUS
from aylien_model_serving.executors.queue import CallEngine
from aylien_model_serving.handlers.hinted_values import HintedValues
from aylien_model_serving.process import large_work
from aylien_model_serving.replicas.replica.frame_socket import FrameSocket, WantWrite
from aylien_model_serving.replicas.replica.input_items import InputItems
from aylien_model_serving.replicas.replica.request import OutcomeBuffer, ReplicaRequest
from aylien_model_serving.rpc import protocol
from aylien_model_serving.rpc.headers import VALUES


class WorkerConnection(FrameSocket):
    """Reads calls on the server's thread, and writes replies on whichever thread has them.

    Args:
        sock: the accepted socket, which does not block.
        endpoint: decodes the calls and encodes their replies.
        engine: runs the handler.
        outcomes: collects those of a batch until they are sent together.
        hints: returns what is made of the values that a method of the handler gets, by the method's name.
        want_write: called when the socket takes no more at the moment.
        get_status: returns the reply to a call for the replica's own status.
        wake: called when jobs may wait.
    """

    def __init__(
        self,
        sock: socket.socket,
        endpoint: Endpoint,
        engine: CallEngine,
        outcomes: OutcomeBuffer | None,
        hints: Callable[[str], HintedValues],
        want_write: WantWrite,
        get_status: Callable[[], Reply],
        wake: Callable[[], None],
    ) -> None:
        super().__init__(sock, want_write)
        self._endpoint = endpoint
        self._engine = engine
        self._outcomes = outcomes
        self._hints = hints
        self._get_status = get_status
        self._wake = wake
        self._calls: dict[int, ReplicaRequest] = {}
        self._inputs: weakref.WeakValueDictionary[int, InputItems] = weakref.WeakValueDictionary()

    def _dispatch(self, frame: protocol.Frame) -> None:
        if frame.kind == protocol.CALL:
            self._answer(frame)
        elif frame.kind == protocol.WAKE:
            self._wake()
        elif frame.number in self._calls:
            if frame.kind == protocol.CANCEL:
                self._calls.pop(frame.number).abandon()
            elif frame.kind == protocol.CREDIT:
                self._calls[frame.number].grant(frame.header)
        elif (items := self._inputs.get(frame.number)) is not None:
            items.receive(frame)

    def _answer(self, frame: protocol.Frame) -> None:
        if self.drains:
            self.put(protocol.encode_refused(frame.number))
            return
        call, suspect = protocol.decode_call(frame)
        if call.method == STATUS:
            self.put(protocol.encode_reply(frame.number, self._get_status()))
            return
        request = self._request(frame.number, call, suspect)
        self._calls[frame.number] = request
        is_large = len(call.body) > large_work.LARGE or call.content_coding is not None
        if is_large and call.method != VALUES:
            large_work.hand_over(request.submit_and_flush, self._engine, lambda: self.drains)
        else:
            request.submit(self._engine)

    def _request(self, number: int, call: Call, suspect: bool) -> ReplicaRequest:
        if call.method != VALUES:
            return ReplicaRequest(number, call, suspect, self._endpoint, self, self._outcomes)
        inputs: list[InputItems] = []
        steps = values_answer.answer(self._endpoint, self._hints, call, partial(self._open_input, inputs))
        request = ReplicaRequest(number, call, suspect, self._endpoint, self, self._outcomes, steps)
        request.method = call.path
        request.inputs = inputs
        return request

    def _open_input(self, inputs: list[InputItems], number: int) -> InputItems:
        """Return the items of a stream among the arguments of a call, and add them to the call's."""
        items = self._inputs[number] = InputItems(number, self._send)
        inputs.append(items)
        return items

    def _send(self, buffers: Sequence[protocol.Buffer]) -> None:
        self.put(buffers)
        self.flush()

    def forget(self, number: int) -> None:
        self._calls.pop(number, None)

    @property
    def is_idle(self) -> bool:
        """Whether every call has its reply, and every reply has been sent."""
        return not self._calls and self.is_sent

    def close(self) -> None:
        """Abandon the calls in flight, and close the socket."""
        for call in list(self._calls.values()):
            call.abandon()
        super().close()
