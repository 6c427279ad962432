"""The request pipeline: decode, validate, look up the cache, execute, encode.

Knows routes, codecs, schemas and executors, and nothing of Flask, sockets or threads. `answer` is a
generator: it yields each step that may have to wait and is sent that step's outcome, so that a blocking
loop and an asyncio loop run the same pipeline.
"""

from __future__ import annotations

import contextvars
import time
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from aylien_model_serving import codecs
from aylien_model_serving.background.pool import BackgroundBatch
from aylien_model_serving.background.tasks import TaskResponse, without_tasks
from aylien_model_serving.codecs import content_codings, streaming
from aylien_model_serving.core import reads
from aylien_model_serving.core.messages import Call, Reply
from aylien_model_serving.dispatch import answers, page_policy, query_values
from aylien_model_serving.dispatch.body_limit import BY_CONFIGURATION, BodyLimit
from aylien_model_serving.dispatch.cache import CACHE_HEADER, FlightEnd, Personal, ReplyCache
from aylien_model_serving.dispatch.cache_keys import NO_NAMES, Variant, cache_key, varied_key, with_caller
from aylien_model_serving.dispatch.error_responses import ErrorResponses
from aylien_model_serving.dispatch.steps import Execute, FlightWait, OtherProtocol, Step, Steps
from aylien_model_serving.errors import DeadlineExceeded, Unavailable
from aylien_model_serving.executors import Executor
from aylien_model_serving.executors.generators import DATA, GeneratorItems
from aylien_model_serving.executors.waiters import Waiters
from aylien_model_serving.limiting.limiter import Limiter
from aylien_model_serving.metrics.instruments import Instruments
from aylien_model_serving.process import collector, large_work
from aylien_model_serving.process.large_work import LARGE
from aylien_model_serving.schemas import Schema


@dataclass(frozen=True)
class Endpoint:
    """A bare handler with all that is needed to answer calls of it.

    Args:
        name: the route's name, its label in the metrics.
        identity: identifies route, callable and schema among all others, for cache keys.
        schema: validates both ways.
        executor: runs the handler.
        reply_cache: the cache of its replies, if the route caches.
        timeout: seconds that a call may take, if the route limits it.
        remote: whether the executor's own process runs the whole pipeline, from the body to the reply.
        instruments: the metrics of this service.
        error_responses: makes the reply of an error.
        limiter: refuses calls beyond the route's limit, if it has one; it is asked before a body is read.
        waiters: the places of those whom a reply is streamed to.
        content_policy: the Content-Security-Policy of pages that the handler answers with.
        body_limit: the largest body that it accepts.
        protocol: answers the calls of another protocol, if the route is offered by one.
    """

    name: str
    identity: str
    schema: Schema
    executor: Executor
    instruments: Instruments
    error_responses: ErrorResponses
    waiters: Waiters = field(default_factory=Waiters)
    reply_cache: ReplyCache | None = None
    timeout: float | None = None
    remote: bool = False
    limiter: Limiter | None = None
    content_policy: str | None = None
    body_limit: BodyLimit = BY_CONFIGURATION
    protocol: OtherProtocol | None = None


def answer(endpoint: Endpoint, call: Call) -> Steps:
    """Decode a call, validate its fields, look up the cache, execute the handler, encode what it returned.

    Whatever fails becomes an error reply.
    """
    try:
        if endpoint.protocol is not None and endpoint.protocol.understands(call):
            return (yield from endpoint.protocol.answer(endpoint, call))
        if endpoint.remote:
            call = with_parameters(call, endpoint.schema)
            reply: Reply = yield Execute(endpoint.executor, {}, call, endpoint.schema)
            return page_policy.apply(endpoint.content_policy, reply)
        if call.content_coding is not None:
            call = without_coding(call, call.content_coding)
        if len(call.body) > LARGE:
            arguments = _large_arguments(endpoint.schema, call)
            encoder = endpoint.schema.encoder(call.headers.get("accept", "")).in_parts()
        else:
            fields = codecs.decode(call, endpoint.schema.decoders)
            arguments = endpoint.schema.arguments(
                fields,
                query_values.beside_body(call, endpoint.schema, fields) if call.query else call.path_values,
            )
            encoder = endpoint.schema.encoder(call.headers.get("accept", ""))
        if endpoint.schema.parameters is not None:
            call = with_parameters(call, endpoint.schema)
            arguments |= endpoint.schema.parameters.values(call.parameters or {})
        if call.deadline is not None:
            endpoint.schema.set_deadline(arguments, call.deadline)
        if endpoint.reply_cache is not None:
            return (yield from answer_from_cache(endpoint, endpoint.reply_cache, call, arguments, encoder))
        result = yield Execute(endpoint.executor, arguments, call, endpoint.schema)
        return encode(endpoint, call, encoder, result)
    except Exception as error:
        return endpoint.error_responses.reply(error, call)


def with_parameters(call: Call, schema: Schema) -> Call:
    """Return a call with the texts of the headers and cookies that its handler takes.

    One that comes from another process has them already, and no other headers.
    """
    if schema.parameters is None or call.parameters is not None:
        return call
    return replace(call, parameters=schema.parameters.texts(call.headers))


def without_coding(call: Call, coding: str) -> Call:
    """Return a call whose body is unpacked; who reads the request itself finds it as it was sent."""
    body = content_codings.unpacked(call.body, coding, call.body_limit) if call.body else b""
    return replace(call, body=body, content_coding=None)


@contextmanager
def large_turn(call: Call) -> Iterator[None]:
    """Have a large body read within the block, few at once where greenlets take turns.

    Raises:
        Unavailable: it was no call's turn until its deadline.
    """
    left = _LONGEST_TURN if call.deadline is None else call.deadline - time.monotonic()
    with large_work.turn(max(0.0, left)) as has_turn, collector.resting():
        if not has_turn:
            raise Unavailable("Too many large bodies are read at the moment")
        yield


def _large_arguments(schema: Schema, call: Call) -> dict[str, Any]:
    """Decode and validate the fields of a large body."""
    with large_turn(call):
        fields = codecs.decode(call, schema.decoders)
        beside = query_values.beside_body(call, schema, fields) if call.query else call.path_values
        return schema.large_arguments(fields, beside)


#: Seconds that a large body waits for those before it, where its call has no deadline.
_LONGEST_TURN = 30.0


def encode(endpoint: Endpoint, call: Call, encoder: codecs.Encoder, result: Any) -> Reply:
    """Check what the handler returned, and encode it."""
    if type(result) in DATA:
        return encoder.reply(endpoint.schema.check_result(result))
    return _encode_any(endpoint, call, encoder, result)


def _encode_any(endpoint: Endpoint, call: Call, encoder: codecs.Encoder, result: Any) -> Reply:
    """Return the reply of a result that may be a stream or a response, or come with background tasks."""
    if isinstance(result, GeneratorItems):
        return _stream(endpoint, call, encoder, result)
    if isinstance(result, TaskResponse):
        reply = encode(endpoint, call, encoder, result.result)
        reply.after = BackgroundBatch(result.tasks, call.request_id)
        return reply
    made = answers.reply_of(result, endpoint.schema, encoder, call.request_id)
    if made is None:
        return encoder.reply(endpoint.schema.check_result(result))
    return page_policy.apply(endpoint.content_policy, made)


def _stream(endpoint: Endpoint, call: Call, encoder: codecs.Encoder, items: GeneratorItems) -> Reply:
    """Reply with the items of a generator as they are made."""
    framing = streaming.choose_framing(call.headers.get("accept", ""), encoder)
    encode = encoder.encode if framing is streaming.MESSAGE_FRAMES else codecs.JSON.encode
    context = contextvars.copy_context()
    chunks = streaming.StreamBody(
        items,
        framing,
        encode=lambda item: encode(endpoint.schema.check_result(item)),
        encode_error=lambda error: context.run(endpoint.error_responses.reply, error, call).body,
    )
    return Reply(200, b"", framing.media_type, list(streaming.HEADERS), chunks)


def check_result(schema: Schema, result: Any) -> None:
    """Raise what is wrong with a warm-up call's result; of a stream the first item is checked."""
    if isinstance(result, GeneratorItems):
        with closing(result):
            result = next(result, None)
    result = without_tasks(result)
    reply = answers.reply_of(result, schema, codecs.JSON, "")
    if reply is None:
        schema.check_result(result)
    elif reply.chunks is not None:
        reply.chunks.close()


def answer_from_cache(
    endpoint: Endpoint, cache: ReplyCache, call: Call, arguments: dict[str, Any], encoder: codecs.Encoder
) -> Steps:
    """Answer from the cache; of equal requests that miss together, one runs the handler for all."""
    key, known = cache_key(endpoint.identity, call, arguments, encoder.media_type), NO_NAMES
    if read := reads.current.get():  # by hooks or a view, before there were fields
        known = with_caller(read, call)
        key = varied_key(key, known, call)
    alone = None
    while True:
        cached = cache.get(key)
        if not isinstance(cached, Reply):
            variant, cached = cache.variant(key, known, cached, call)
        if cached is None:
            flight = None if variant.own == alone else cache.single_flight.join(variant.own)
            if flight is None:
                leads = variant.own != alone
                reply = yield from _run_for_cache(endpoint, cache, variant, call, arguments, encoder, leads)
                if reply is None:
                    continue
                return reply
            end = yield FlightWait(flight, call.deadline)
            if isinstance(end, Reply):
                cached = end
            elif end is not None:
                alone = variant.own
        if cached is not None:
            endpoint.instruments.count_cache(endpoint.name, "hit")
            return _with_cache_header(cached, "hit")


def _run_for_cache(
    endpoint: Endpoint,
    cache: ReplyCache,
    variant: Variant,
    call: Call,
    arguments: dict[str, Any],
    encoder: codecs.Encoder,
    leads: bool,
) -> Generator[Step, Any, Reply | None]:
    """Run the handler; one that leads runs it for all requests that wait for the same reply.

    An error of the handler goes to all of them, unless more was read than they have in common. When this call
    alone gives up, or its reply is for its client only, the others try again. None is returned where the
    cache is to be asked again.
    """
    outcome: FlightEnd | Exception = None
    before = reads.current.get()
    read = set() if before is None else before
    try:
        if leads:
            kept = cache.get(variant.own)  # stored between this call's first look-up and its `join`
            if kept is not None:
                outcome = kept if isinstance(kept, Reply) else None
                return None
        result = yield Execute(endpoint.executor, arguments, call, endpoint.schema, read)
        reply = encode(endpoint, call, encoder, result)
        outcome = cache.keep(variant, reply, read, call)
        if reply.chunks is not None or reply.status >= 400:
            return reply
        endpoint.instruments.count_cache(endpoint.name, "miss")
        own = _with_cache_header(reply, "miss")
        own.after = reply.after
        return own
    except DeadlineExceeded:
        raise
    except Exception as error:
        outcome = Personal.REPLY if variant.is_varied_by(read, call) else error
        raise
    finally:
        if leads:
            cache.single_flight.complete(variant.own, outcome)


def _with_cache_header(reply: Reply, found: str) -> Reply:
    return Reply(reply.status, reply.body, reply.media_type, [*reply.headers, (CACHE_HEADER, found)])


def run_steps(steps: Steps) -> Reply:
    """Run the steps of a call to its reply on the calling thread, which waits where a step waits."""
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
