"""The pipeline's story of a call as a job of the engine: opened where it is read, ended with its run."""

from __future__ import annotations

from typing import Any

from aylien_model_serving.core.messages import Call, Reply, current_request_id
from aylien_model_serving.dispatch.pipeline import Endpoint, Execute, answer
from aylien_model_serving.executors.engine import QueuedCall
from aylien_model_serving.executors.generators import STREAMS, GeneratorItems
from aylien_model_serving.executors.queue import FinishCallback


class EngineCall(QueuedCall):
    """A call whose handler the engine runs. All that is told of it is logged under its request's id.

    Args:
        call: what was asked.
        endpoint: who answers.
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

    def open(self) -> Reply | None:
        """Read the fields into `arguments`; return the reply, where they can't be read."""
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
        """Return the reply to a call that will not run, and why."""
        self.drop()
        token = current_request_id.set(self.request_id)
        try:
            return self.endpoint.error_responses.reply(error, self.call)
        finally:
            current_request_id.reset(token)

    def drop(self) -> None:
        """Tell nothing further."""
        self._steps.close()

    def end(self, result: Any, error: Exception | None) -> Reply:
        """Return the reply to what the handler returned or raised."""
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
        raise AssertionError("a story ends after its run")


def _nothing() -> None:
    """The engine itself gives a stream's slot back, when `finish` returns."""
