"""The way of a request, from fields to answer.

Knows routes, codecs, schemas and runners, and nothing of Flask, sockets or threads. `answer` is a
generator: it yields the one thing that takes time and is sent its outcome, so that a blocking and an asyncio
driver tell the same story.
"""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections.abc import Awaitable, Callable, Generator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from aylien_model_serving import codecs
from aylien_model_serving.background.pool import BackgroundBatch
from aylien_model_serving.background.tasks import TaskResponse, without_tasks
from aylien_model_serving.codecs import streaming
from aylien_model_serving.core.messages import Call, Reply
from aylien_model_serving.dispatch.cache import CACHE_HEADER, ReplyCache, cache_key, is_personal
from aylien_model_serving.dispatch.error_responses import ErrorResponses
from aylien_model_serving.errors import DeadlineExceeded
from aylien_model_serving.executors import Executor
from aylien_model_serving.executors.generators import GeneratorItems
from aylien_model_serving.metrics.instruments import Instruments
from aylien_model_serving.schemas import Schema


@dataclass(frozen=True)
class Endpoint:
    """A bare handler with all that is needed to answer calls for it.

    Args:
        name: the route's name, its label in the metrics.
        identity: tells this route, callable and schema from all others, for cache keys.
        schema: validates both ways.
        runner: runs the handler.
        answers: kept answers, if the route caches.
        timeout: seconds that a call may take, if the route limits it.
        remote: whether the runner's own process tells the whole story, from the body to the reply.
        instruments: where this service counts.
        failures: how this service tells an error.
    """

    name: str
    identity: str
    schema: Schema
    executor: Executor
    instruments: Instruments
    error_responses: ErrorResponses
    reply_cache: ReplyCache | None = None
    timeout: float | None = None
    remote: bool = False


@dataclass(slots=True)
class Execute:
    """A run of a handler: the thing that takes time."""

    executor: Executor
    arguments: dict[str, Any]
    call: Call
    schema: Schema

    def wait(self) -> Any:
        return self.executor.run(self.arguments, self.call)

    def is_immediate(self) -> bool:
        return self.executor.is_immediate() and not self.schema.may_wait(self.arguments)

    async def wait_async(self) -> Any:
        return await self.executor.run_async(self.arguments, self.call)


@dataclass(slots=True)
class FlightWait:
    """The end of an equal request's run."""

    flight: Future[Reply | None]
    deadline: float | None

    def wait(self) -> Reply | None:
        left = None if self.deadline is None else max(0.0, self.deadline - time.monotonic())
        try:
            return self.flight.result(left)
        except FutureTimeout:
            if self.flight.done():
                raise  # the handler's own
            raise DeadlineExceeded from None

    def is_immediate(self) -> bool:
        return self.flight.done()

    async def wait_async(self) -> Reply | None:
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


def answer(endpoint: Endpoint, call: Call) -> Steps:
    """Tell how a call is answered; whatever fails becomes an error reply."""
    try:
        if endpoint.remote:
            told: Reply = yield Execute(endpoint.executor, {}, call, endpoint.schema)
            return told
        fields = codecs.decode(call, endpoint.schema.decoders)
        arguments = endpoint.schema.arguments(fields, call.path_values)
        encoder = endpoint.schema.encoder(call.headers.get("accept", ""))
        if endpoint.reply_cache is None:
            return (yield from _produce(endpoint, call, arguments, encoder))
        return (yield from _look_up(endpoint, endpoint.reply_cache, call, arguments, encoder))
    except Exception as error:
        return endpoint.error_responses.reply(error, call)


def _produce(endpoint: Endpoint, call: Call, arguments: dict[str, Any], encoder: codecs.Encoder) -> Steps:
    """Run the handler, check what it returns and encode it."""
    result = yield Execute(endpoint.executor, arguments, call, endpoint.schema)
    if isinstance(result, _UNUSUAL):
        return _reply_of(endpoint, call, encoder, result)
    return encoder.reply(endpoint.schema.answer(result))


_UNUSUAL = (Reply, GeneratorItems, TaskResponse)


def _reply_of(endpoint: Endpoint, call: Call, encoder: codecs.Encoder, result: Any) -> Reply:
    """Return the reply to any result: also one that is a reply, is a stream, or has tasks beside it."""
    if isinstance(result, Reply):
        return result
    if isinstance(result, GeneratorItems):
        return _stream(endpoint, call, result)
    if isinstance(result, TaskResponse):
        reply = _reply_of(endpoint, call, encoder, result.result)
        reply.after = BackgroundBatch(result.tasks, call.request_id)
        return reply
    return encoder.reply(endpoint.schema.answer(result))


def _stream(endpoint: Endpoint, call: Call, items: GeneratorItems) -> Reply:
    """Answer with the items of a generator as they are made."""
    framing = streaming.choose_framing(call.headers.get("accept", ""))
    context = contextvars.copy_context()
    chunks = streaming.ItemChunks(
        items,
        framing,
        encode=lambda item: codecs.JSON.encode(endpoint.schema.answer(item)),
        tell=lambda error: context.run(endpoint.error_responses.reply, error, call).body,
    )
    return Reply(200, b"", framing.media_type, list(streaming.HEADERS), chunks)


def check_result(schema: Schema, result: Any) -> None:
    """Raise what is wrong with a handler's result that nobody is sent; of a stream with its first item."""
    if isinstance(result, GeneratorItems):
        with closing(result):
            result = next(result, None)
    schema.answer(without_tasks(result))


def _look_up(
    endpoint: Endpoint,
    reply_cache: ReplyCache,
    call: Call,
    arguments: dict[str, Any],
    encoder: codecs.Encoder,
) -> Steps:
    """Answer from the cache; of equal requests that miss together, one runs the handler for all."""
    key = cache_key(endpoint.identity, call, arguments, encoder.media_type)
    while True:
        kept = reply_cache.get(key)
        if kept is None:
            flight = reply_cache.single_flight.join(key)
            if flight is None:
                return (yield from _run_as_leader(endpoint, reply_cache, key, call, arguments, encoder))
            kept = yield FlightWait(flight, call.deadline)
        if kept is not None:
            endpoint.instruments.count_cache(endpoint.name, "hit")
            return _marked(kept, "hit")


def _run_as_leader(
    endpoint: Endpoint,
    reply_cache: ReplyCache,
    key: str,
    call: Call,
    arguments: dict[str, Any],
    encoder: codecs.Encoder,
) -> Steps:
    """Run the handler for all who wait for the same answer.

    An error of the handler is everybody's; when this call alone gives up, or its answer is its client's own,
    the others try again.
    """
    outcome: Reply | Exception | None = None
    try:
        kept = reply_cache.get(key)  # landed between this call's look and its boarding
        outcome = kept if kept is not None else (yield from _produce(endpoint, call, arguments, encoder))
        if outcome.chunks is not None or outcome.status >= 400:
            passing, outcome = outcome, None
            return passing
        endpoint.instruments.count_cache(endpoint.name, "miss" if kept is None else "hit")
        if kept is None:
            reply_cache.put(key, outcome)
        reply = outcome
        if is_personal(reply):
            outcome = None
        mine = _marked(reply, "miss" if kept is None else "hit")
        mine.after = reply.after
        return mine
    except DeadlineExceeded:
        raise
    except Exception as error:
        outcome = error
        raise
    finally:
        reply_cache.single_flight.complete(key, outcome)


def _marked(reply: Reply, found: str) -> Reply:
    return Reply(reply.status, reply.body, reply.media_type, [*reply.headers, (CACHE_HEADER, found)])


def run_steps(steps: Steps) -> Reply:
    """Tell a story to its end on the calling thread, waiting where it waits."""
    try:
        step = next(steps)
        while True:
            try:
                outcome = step.wait()
            except Exception as error:
                step = steps.throw(error)
            else:
                step = steps.send(outcome)
    except StopIteration as end:
        reply: Reply = end.value
        return reply


async def run_steps_async(steps: Steps, watched: Callable[[Awaitable[Any]], Awaitable[Any]]) -> Reply:
    """Tell a story to its end on an event loop; a cancelled driver abandons it where it waits.

    Args:
        story: what `answer` returned.
        watched: waits for what takes longer, and raises to abandon it.
    """
    try:
        step = next(steps)
        while True:
            try:
                outcome = step.wait() if step.is_immediate() else await watched(step.wait_async())
            except Exception as error:
                step = steps.throw(error)
            else:
                step = steps.send(outcome)
    except StopIteration as end:
        reply: Reply = end.value
        return reply
    finally:
        steps.close()
