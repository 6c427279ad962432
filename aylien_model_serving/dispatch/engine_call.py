"""A call that the engine executes: the pipeline's steps before the run and after it.

A replica and a job worker have an engine whose threads run the handler, so that no thread of theirs runs
the pipeline from its first step to its last.
"""

from __future__ import annotations

from typing import Any

from aylien_model_serving.core.messages import Call, Reply, current_request_id
from aylien_model_serving.dispatch.pipeline import Endpoint, Execute, answer
from aylien_model_serving.executors.engine import QueuedCall
from aylien_model_serving.executors.generators import STREAMS, GeneratorItems
from aylien_model_serving.executors.queue import FinishCallback


class EngineCall(QueuedCall):
    """A call whose handler the engine runs. Whatever is logged about it carries its request's id.

    Args:
        call: the request.
        endpoint: answers it.
        deadline: `time.monotonic()` seconds after which nobody waits for the result.
        finish: see `QueuedCall`.
        suspect: whether a process died while it ran this call.
    """

    __slots__ = ("_steps", "call", "endpoint")

    def __init__(
        self,
        call: Call,
        endpoint: Endpoint,
        deadline: float | None,
        finish: FinishCallback,
        *,
        suspect: bool = False,
    ) -> None:
        super().__init__({}, deadline, call.request_id, finish=finish, suspect=suspect)
        self.call = call
        self.endpoint = endpoint
        self._steps = answer(endpoint, call)

    def prepare(self) -> Reply | None:
        """Decode and validate the fields into `arguments`; return the error reply, where that fails."""
        token = current_request_id.set(self.request_id)
        try:
            step = self._steps.send(None)
        except StopIteration as end:
            refusal: Reply = end.value
            return refusal
        finally:
            current_request_id.reset(token)
        assert isinstance(step, Execute)
        self.arguments = step.arguments
        return None

    def refuse(self, error: Exception) -> Reply:
        """Return the error reply of a call that will not run."""
        self.discard()
        token = current_request_id.set(self.request_id)
        try:
            return self.endpoint.error_responses.reply(error, self.call)
        finally:
            current_request_id.reset(token)

    def discard(self) -> None:
        """Run no further step."""
        self._steps.close()

    def encode(self, result: Any, error: Exception | None) -> Reply:
        """Return the reply for what the handler returned or raised."""
        if type(result) in STREAMS:
            result = GeneratorItems(result, _nothing, in_native_thread=False)
        token = current_request_id.set(self.request_id)
        try:
            self._steps.send(result) if error is None else self._steps.throw(error)
        except StopIteration as end:
            reply: Reply = end.value
            return reply
        finally:
            current_request_id.reset(token)
        raise AssertionError("the run is the last step that waits")


def _nothing() -> None:
    """The engine itself gives a stream's slot back, when `finish` returns."""
