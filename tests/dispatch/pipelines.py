"""One endpoint without any web framework, for the tests of the pipeline."""

import json
from collections.abc import Callable
from typing import Any

from aylien_model_serving import schemas
from aylien_model_serving.core.messages import Call, Reply
from aylien_model_serving.dispatch.cache import ReplyCache, SingleFlight
from aylien_model_serving.dispatch.error_responses import ErrorResponses
from aylien_model_serving.dispatch.pipeline import Endpoint, answer, run_steps
from aylien_model_serving.executors.inline import InlineExecutor
from aylien_model_serving.handlers.signatures import Signature
from aylien_model_serving.metrics.instruments import Instruments

TIMEOUT = 10.0  # seconds after which a test that waits has failed


class MemoryBackend:
    def __init__(self) -> None:
        self.entries: dict[str, Any] = {}

    def get(self, key: str) -> Any:
        return self.entries.get(key)

    def set(self, key: str, value: Any, timeout: float | None = None) -> None:
        self.entries[key] = value


class Service:
    """One endpoint, and what it counted."""

    def __init__(
        self,
        handler: Callable[..., Any],
        *,
        schema: Any = None,
        cached: bool = False,
        threads: int | None = None,
    ) -> None:
        signature = Signature.of(handler)
        instruments = Instruments()
        self.lookups: list[tuple[str, str]] = []
        self.faults: list[tuple[str, int]] = []
        instruments.count_cache = lambda *labels: self.lookups.append(labels)  # type: ignore[method-assign]
        self.backend = MemoryBackend()
        self.endpoint = Endpoint(
            name="p",
            identity="p",
            schema=schemas.choose(schema, handler, signature),
            executor=InlineExecutor(handler, signature, threads, instruments.of_handler("p")),
            instruments=instruments,
            error_responses=ErrorResponses(
                False, lambda method, status: self.faults.append((method, status))
            ),
            reply_cache=ReplyCache(self.backend, SingleFlight()) if cached else None,
        )

    def send(self, body: bytes, *, deadline: float | None = None, accept: str = "") -> Reply:
        return run_steps(answer(self.endpoint, call(body, deadline=deadline, accept=accept)))


def call(body: bytes, *, deadline: float | None = None, accept: str = "") -> Call:
    return Call("POST", "/p", "", {"accept": accept}, body, {}, "id-1", deadline)


def decoded(reply: Reply) -> Any:
    return json.loads(reply.body)
