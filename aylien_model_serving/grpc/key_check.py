"""API keys of what the app does not answer itself: reflection."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import grpc

from aylien_model_serving.errors import ServingError
from aylien_model_serving.grpc.status_codes import code_of
from aylien_model_serving.web.auth import ApiKeyAuth

_Continuation = Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler]]


class KeyCheck(grpc.aio.ServerInterceptor):  # type: ignore[misc]  # gRPC carries no type hints here
    """Refuses RPCs of some services without a valid key.

    Args:
        auth: knows the keys.
        prefix: with which the paths of these RPCs begin.
    """

    def __init__(self, auth: ApiKeyAuth, prefix: str) -> None:
        self._auth = auth
        self._prefix = prefix

    async def intercept_service(
        self, continuation: _Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler:
        if handler_call_details.method.startswith(self._prefix):
            metadata: Mapping[str, Any] = dict(handler_call_details.invocation_metadata or ())
            try:
                self._auth.caller_of(metadata)
            except ServingError as error:
                return _refusal(error)
        return await continuation(handler_call_details)


def _refusal(error: ServingError) -> grpc.RpcMethodHandler:
    async def refuse(_: Any, context: grpc.aio.ServicerContext) -> None:
        await context.abort(code_of(error.status), str(error))

    return grpc.stream_stream_rpc_method_handler(refuse)
