"""A call that the engine executes: the pipeline's steps before the run and after it.

A replica and a job worker have an engine whose threads run the handler, so that no thread of theirs runs
the pipeline from its first step to its last.
"""

from __future__ import annotations

from contextvars import Token
from typing import Any

from aylien_model_serving.core import call_scope, callers
from aylien_model_serving.core.call_scope import CallScope
from aylien_model_serving.core.callers import Caller
from aylien_model_serving.core.messages import Call, Reply, current_request_id
from aylien_model_serving.dispatch.pipeline import Endpoint, answer
from aylien_model_serving.dispatch.steps import Execute, Steps
from aylien_model_serving.executors.engine import QueuedCall
from aylien_model_serving.executors.generators import DATA, GeneratorItems, is_stream


class EngineCall(QueuedCall):
    """A call whose handler the engine runs; what becomes of the outcome, a subclass's `finish` says.

    Whatever is logged about it carries its request's id.

    Args:
        call: the request.
        endpoint: answers it.
        deadline: `time.monotonic()` seconds after which nobody waits for the result.
        suspect: whether a process died while it ran this call.
        steps: of the pipeline, where they are not those of a request.
    """

    __slots__ = ("_steps", "call", "endpoint")

    def __init__(
        self,
        call: Call,
        endpoint: Endpoint,
        deadline: float | None,
        *,
        suspect: bool = False,
        steps: Steps | None = None,
    ) -> None:
        super().__init__({}, deadline, call.request_id, suspect=suspect)
        self.caller = callers.named(call.caller)
        self.read = None if self.caller is callers.NOBODY else set()
        self.call = call
        self.endpoint = endpoint
        self.models = (endpoint.name,) if call.inner is None else (*call.inner.models, endpoint.name)
        self._steps = answer(endpoint, call) if steps is None else steps

    def _enter(self) -> tuple[Token[str], Token[Caller]]:
        """Have log lines belong to this call, until `_leave`."""
        return current_request_id.set(self.request_id), callers.current.set(self.caller)

    def prepare(self) -> Reply | None:
        """Decode and validate the fields into `arguments`; return the error reply, where that fails."""
        tokens = self._enter()
        try:
            step = self._steps.send(None)
        except StopIteration as end:
            refusal: Reply = end.value
            return refusal
        finally:
            _leave(*tokens)
        assert isinstance(step, Execute)
        self.arguments = step.arguments
        return None

    def refuse(self, error: Exception) -> Reply:
        """Return the error reply of a call that will not run."""
        self.discard()
        tokens = self._enter()
        try:
            return self.endpoint.error_responses.reply(error, self.call)
        finally:
            _leave(*tokens)

    def discard(self) -> None:
        """Run no further step."""
        self._steps.close()

    def encode(self, result: Any, error: Exception | None) -> Reply:
        """Return the reply for what the handler returned or raised."""
        if type(result) not in DATA and is_stream(result):
            with call_scope.within(CallScope(self.deadline, self.models, (self,))):
                result = GeneratorItems(result, _nothing, in_native_thread=False)
        tokens = self._enter()
        try:
            self._steps.send(result) if error is None else self._steps.throw(error)
        except StopIteration as end:
            reply: Reply = end.value
            if self.read:
                reply.varies_by = tuple(sorted(self.read))
            return reply
        finally:
            _leave(*tokens)
        raise AssertionError("the run is the last step that waits")


def _leave(request_id: Token[str], caller: Token[Caller]) -> None:
    current_request_id.reset(request_id)
    callers.current.reset(caller)


def _nothing() -> None:
    """The engine itself gives a stream's slot back, when `finish` returns."""
