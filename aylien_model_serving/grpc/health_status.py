"""What the service tells of its health: the protocol of grpc.health.v1, for load balancers and probes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from aylien_model_serving.dispatch.pipeline import Endpoint
from aylien_model_serving.service_definition.methods import Method

#: Seconds between two looks at what is ready.
_LOOK_SECONDS = 0.5

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING

#: The name that stands for the whole server.
_ALL = ""


class HealthStatus:
    """Says of each service whether all its methods would be answered.

    Args:
        methods: of all services.
        endpoints: of the routes.
        others: names of services that are there with all endpoints.
    """

    def __init__(
        self, methods: Iterable[Method], endpoints: Sequence[Endpoint], others: Iterable[str] = ()
    ) -> None:
        self._endpoints = endpoints
        self._routes: dict[str, set[str]] = {name: set() for name in (_ALL, *others)}
        for method in methods:
            self._routes.setdefault(method.service, set()).add(method.route.name)
        self._servicer = health.aio.HealthServicer()

    async def add_to(self, server: grpc.aio.Server) -> None:
        """Offer the protocol on a server."""
        await self._look()
        health_pb2_grpc.add_HealthServicer_to_server(self._servicer, server)

    async def follow(self) -> None:
        """Keep what is told true, until this is cancelled."""
        while True:
            await self._look()
            await asyncio.sleep(_LOOK_SECONDS)

    async def drain(self) -> None:
        """Tell from here on that nothing is served."""
        await self._servicer.enter_graceful_shutdown()

    async def _look(self) -> None:
        waiting = {endpoint.name for endpoint in self._endpoints if not endpoint.executor.ready()}
        for service, routes in self._routes.items():
            is_ready = waiting.isdisjoint(routes) if routes else not waiting
            await self._servicer.set(service, _SERVING if is_ready else _NOT_SERVING)
