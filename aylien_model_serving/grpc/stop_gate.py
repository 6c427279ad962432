"""The moment in which a server stops: no RPC is lost that has come before.

When it stops, gRPC's library cancels the RPCs that it has not handed over yet, which under load are many: it
hands them over one by one. So new ones are held for a moment, until no further one comes, since their clients
wait for them; then the server stops, and they are answered.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import grpc

#: Seconds without a new RPC after which none is taken to be on its way, and for which they are held at most.
_QUIET_SECONDS = 0.02
_LONGEST_SECONDS = 0.25

_POLL_SECONDS = 0.001

_Continuation = Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler]]


class StopGate(grpc.aio.ServerInterceptor):  # type: ignore[misc]  # gRPC carries no type hints here
    """Holds new RPCs while it is closed."""

    def __init__(self) -> None:
        self._is_open = asyncio.Event()
        self._is_open.set()
        self._latest = 0.0

    async def intercept_service(
        self, continuation: _Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler:
        if not self._is_open.is_set():
            self._latest = time.monotonic()
            await self._is_open.wait()
        return await continuation(handler_call_details)

    async def stop(self, server: grpc.aio.Server, grace: float) -> None:
        """Stop a server between two RPCs, and end once those in progress have.

        Args:
            server: whose interceptor this is.
            grace: seconds that they have; those that are left then are ended.
        """
        self._is_open.clear()
        self._latest = began = time.monotonic()
        until = began + _LONGEST_SECONDS
        while time.monotonic() < min(self._latest + _QUIET_SECONDS, until):
            await asyncio.sleep(_POLL_SECONDS)
        stopping = asyncio.ensure_future(server.stop(grace))
        await asyncio.sleep(0)  # in which it begins to stop
        self._is_open.set()
        await stopping
