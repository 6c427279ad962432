"""The RPCs that are routes: messages in and out, as bytes, and errors as gRPC has them."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import grpc
from grpc.aio import ServicerContext

from aylien_model_serving.codecs import message_items, streaming
from aylien_model_serving.codecs.protobuf import MEDIA_TYPE
from aylien_model_serving.dispatch.error_responses import PROBLEM_JSON
from aylien_model_serving.grpc.request_items import RequestItems
from aylien_model_serving.grpc.scopes import REQUEST_ID, RouteRequest, scope_of
from aylien_model_serving.grpc.status_codes import code_of
from aylien_model_serving.metrics.instruments import Instruments
from aylien_model_serving.service_definition.methods import Method
from aylien_model_serving.web.exchange import App, Exchange

#: What an RPC sends: a message, or a stream of them.
Sent = bytes | AsyncIterator[bytes]

#: What a client is counted as that gave up; nginx's number.
GONE = 499

#: Characters of an error's text that a status carries: HTTP/2's headers are bounded.
_MAX_DETAILS = 2000

#: What makes the handler of an RPC, by whether it takes a stream, and whether it returns one.
_MAKERS = {
    (False, False): grpc.unary_unary_rpc_method_handler,
    (False, True): grpc.unary_stream_rpc_method_handler,
    (True, False): grpc.stream_unary_rpc_method_handler,
    (True, True): grpc.stream_stream_rpc_method_handler,
}


class RouteCalls:
    """Answers RPCs of routes by the app.

    Args:
        app: the service, as an ASGI application.
        instruments: count the calls whose client has left; the app counts all others.
    """

    def __init__(self, app: App, instruments: Instruments) -> None:
        self._app = app
        self._instruments = instruments

    def handler(self, method: Method) -> grpc.RpcMethodHandler:
        """Return what answers a method; messages are bytes to it."""
        request = RouteRequest(
            method.route.endpoint,
            streaming.MESSAGES if method.takes_stream else MEDIA_TYPE,
            ", ".join((MEDIA_TYPE, streaming.MESSAGES, PROBLEM_JSON)),  # whose errors have their status
            method.http_method,
        )
        answering = self._streaming if method.streams else self._unary
        return _MAKERS[method.takes_stream, method.streams](answering(request, method.route.name))

    def _unary(self, request: RouteRequest, name: str) -> Callable[[Sent, ServicerContext], Awaitable[bytes]]:
        async def answer(sent: Sent, context: ServicerContext) -> bytes:
            exchange = Exchange(b"" if not isinstance(sent, bytes) else sent)
            await self._run(exchange, request, sent, context, name)
            return exchange.body

        return answer

    def _streaming(
        self, request: RouteRequest, name: str
    ) -> Callable[[Sent, ServicerContext], Awaitable[None]]:
        async def answer(sent: Sent, context: ServicerContext) -> None:
            errors: list[dict[str, Any]] = []
            frames = Frames()

            async def take(piece: bytes) -> None:
                for message, is_error in frames.feed(piece):
                    if is_error:
                        errors.append(json.loads(message))
                    else:
                        await context.write(message)

            exchange = Exchange(b"" if not isinstance(sent, bytes) else sent, take)
            await self._run(exchange, request, sent, context, name)
            if errors:
                await abort(context, exchange, errors[0].get("status", 500), errors[0])

        return answer

    async def _run(
        self, exchange: Exchange, request: RouteRequest, sent: Sent, context: ServicerContext, name: str
    ) -> None:
        """Have the app answer, and raise what ends the RPC where that is an error."""
        start = time.perf_counter()
        try:
            with _items_of(sent):
                await exchange.run(self._app, scope_of(request, context))
        except asyncio.CancelledError:
            self._instruments.count_request(request.method, GONE, name, time.perf_counter() - start)
            raise
        if exchange.status >= 300:
            await abort(context, exchange, exchange.status, told(exchange))
        context.set_trailing_metadata(metadata(exchange, {}))


@contextmanager
def _items_of(sent: Sent) -> Iterator[None]:
    """Have the handler find what an RPC sends as a stream, until its answer is complete."""
    if isinstance(sent, bytes):
        yield
        return
    items = RequestItems(sent)
    token = message_items.current.set(items)
    try:
        yield
    finally:
        message_items.current.reset(token)
        items.close()


class Frames:
    """The frames of a stream's body, whose pieces middleware may have cut anywhere."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, piece: bytes) -> Iterator[tuple[bytes, bool]]:
        """Yield each message that is complete, and whether it is an error."""
        piece, at, prefix = self._rest + piece, 0, streaming.PREFIX
        while len(piece) - at >= prefix.size:
            flags, length = prefix.unpack_from(piece, at)
            end = at + prefix.size + length
            if end > len(piece):
                break
            yield piece[end - length : end], bool(flags & streaming.ERROR_FLAG)
            at = end
        self._rest = piece[at:]


def told(exchange: Exchange) -> dict[str, Any]:
    """Return what the body of an error says: JSON, unless something other than the service has made it."""
    try:
        told = json.loads(exchange.body)
    except ValueError:
        told = None
    return told if isinstance(told, dict) else {}


async def abort(context: ServicerContext, exchange: Exchange, status: int, told: dict[str, Any]) -> NoReturn:
    """End an RPC with the error that the body of a response tells."""
    message = str(told.get("error") or f"The service answered with status {status}")
    await context.abort(code_of(status), message[:_MAX_DETAILS], metadata(exchange, told))
    raise AssertionError("an aborted RPC goes on")


def metadata(exchange: Exchange, told: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return the trailing metadata: the request's id, the error's code, and when to try again."""
    found = {
        REQUEST_ID: exchange.headers.get(REQUEST_ID),
        "error-code": told.get("code"),
        "retry-after": exchange.headers.get("retry-after"),
    }
    return tuple((name, str(value)) for name, value in found.items() if value)
