"""The Open Inference Protocol's service: each method is a request to the path of its REST form.

So metadata, keys, limits and errors are those of REST; a request to infer is passed on as it is.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

import grpc
from google.protobuf.json_format import ParseDict
from google.protobuf.message import DecodeError
from grpc.aio import ServicerContext

from aylien_model_serving.dispatch.error_responses import PROBLEM_JSON
from aylien_model_serving.grpc.routes import GONE, abort, metadata, told
from aylien_model_serving.grpc.scopes import RouteRequest, scope_of
from aylien_model_serving.metrics.instruments import UNMATCHED, Instruments
from aylien_model_serving.open_inference import messages
from aylien_model_serving.open_inference.answering import GRPC_TYPE
from aylien_model_serving.web.exchange import App, Exchange

#: What tells that something is not ready, where a client asks whether it is.
_NOT_READY = 503

_Unary = Callable[[bytes, ServicerContext], Awaitable[bytes]]


def handlers(app: App, instruments: Instruments) -> dict[str, grpc.RpcMethodHandler]:
    """Return what answers the methods, by their paths.

    Args:
        app: the service, as an ASGI application.
        instruments: count the requests whose client has left; the app counts all others.
    """
    calls = _Calls(app, instruments)
    found = {
        name: grpc.unary_unary_rpc_method_handler(partial(calls.ask, name))
        for name in messages.METHODS
        if name not in ("ModelInfer", messages.STREAM_METHOD)
    }
    found["ModelInfer"] = grpc.unary_unary_rpc_method_handler(calls.infer)
    found[messages.STREAM_METHOD] = grpc.stream_stream_rpc_method_handler(calls.infer_stream)
    return {f"/{messages.SERVICE}/{name}": handler for name, handler in found.items()}


class _Calls:
    """Answers the methods.

    Args:
        app: the service.
        instruments: see `handlers`.
    """

    def __init__(self, app: App, instruments: Instruments) -> None:
        self._app = app
        self._instruments = instruments

    async def ask(self, name: str, body: bytes, context: ServicerContext) -> bytes:
        """Answer a method that tells something."""
        asked = await _parsed(f"{name}Request", body, context)
        path, sent = _PATHS[name](asked)
        request = RouteRequest(path, "application/json", PROBLEM_JSON, "GET" if sent is None else "POST")
        exchange = await self._exchange(request, b"" if sent is None else json.dumps(sent).encode(), context)
        response = messages.message_class(f"{name}Response")()
        if name.endswith("Ready") and exchange.status == _NOT_READY:
            return _serialized(response)
        await _check(exchange, context)
        shown = json.loads(exchange.body)
        shown = {"models": shown} if isinstance(shown, list) else shown
        return _serialized(ParseDict(shown, response, ignore_unknown_fields=True))

    async def infer(self, body: bytes, context: ServicerContext) -> bytes:
        """Run a model."""
        asked = await _parsed("ModelInferRequest", body, context)
        exchange = await self._infer(asked, body, context)
        await _check(exchange, context)
        return exchange.body

    async def infer_stream(self, bodies: AsyncIterator[bytes], context: ServicerContext) -> None:
        """Run a model for each request in turn; one that fails does not end the stream."""
        kind = messages.message_class("ModelStreamInferResponse")
        async for body in bodies:
            asked = await _parsed("ModelInferRequest", body, context)
            exchange = await self._infer(asked, body, context)
            if exchange.status < 300:
                response = kind()
                response.infer_response.ParseFromString(exchange.body)
            else:
                response = kind(error_message=str(told(exchange).get("error") or exchange.status))
                response.infer_response.id = asked.id
            await context.write(_serialized(response))

    async def _infer(self, asked: Any, body: bytes, context: ServicerContext) -> Exchange:
        path = f"{_model_path(asked.model_name, asked.model_version)}/infer"
        return await self._exchange(RouteRequest(path, GRPC_TYPE, PROBLEM_JSON), body, context)

    async def _exchange(self, request: RouteRequest, body: bytes, context: ServicerContext) -> Exchange:
        start, exchange = time.perf_counter(), Exchange(body)
        try:
            await exchange.run(self._app, scope_of(request, context))
        except asyncio.CancelledError:
            self._instruments.count_request(request.method, GONE, UNMATCHED, time.perf_counter() - start)
            raise
        return exchange


async def _parsed(kind: str, body: bytes, context: ServicerContext) -> Any:
    try:
        return messages.message_class(kind).FromString(body)
    except (DecodeError, UnicodeDecodeError):
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"The message is no {kind}")


async def _check(exchange: Exchange, context: ServicerContext) -> None:
    """End the RPC where the app has refused the request."""
    if exchange.status >= 300:
        await abort(context, exchange, exchange.status, told(exchange))
    context.set_trailing_metadata(metadata(exchange, {}))


def _serialized(message: Any) -> bytes:
    body: bytes = message.SerializeToString()
    return body


def _model_path(name: str, version: str) -> str:
    return f"/v2/models/{name}/versions/{version}" if version else f"/v2/models/{name}"


#: The path of each method's REST form, and the body that is sent there.
_PATHS: dict[str, Callable[[Any], tuple[str, Any]]] = {
    "ServerLive": lambda asked: ("/v2/health/live", None),
    "ServerReady": lambda asked: ("/v2/health/ready", None),
    "ModelReady": lambda asked: (f"{_model_path(asked.name, asked.version)}/ready", None),
    "ServerMetadata": lambda asked: ("/v2", None),
    "ModelMetadata": lambda asked: (_model_path(asked.name, asked.version), None),
    "RepositoryIndex": lambda asked: ("/v2/repository/index", {"ready": asked.ready}),
}
