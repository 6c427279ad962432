"""The gRPC server of an app: its routes, their health, and their description by reflection."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

import grpc
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection, reflection_pb2

from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.grpc import inference
from aylien_model_serving.grpc.credentials import credentials_of
from aylien_model_serving.grpc.health_status import HealthStatus
from aylien_model_serving.grpc.key_check import KeyCheck
from aylien_model_serving.grpc.routes import RouteCalls
from aylien_model_serving.grpc.stop_gate import StopGate
from aylien_model_serving.open_inference import messages
from aylien_model_serving.servers import commands
from aylien_model_serving.service_definition.definition import ServiceDefinition
from aylien_model_serving.web.app import ServingFlask
from aylien_model_serving.web.auth import ApiKeyAuth
from aylien_model_serving.web.ops_endpoints import ROUTES_OPENED_BY

#: RPCs that may be in progress at once; gRPC refuses a further one with RESOURCE_EXHAUSTED.
_MAX_RPCS = 4096

#: Bytes of a request beside its message: compression may make a small one larger.
_OVERHEAD = 1024

_COMPRESSION = {
    "none": grpc.Compression.NoCompression,
    "gzip": grpc.Compression.Gzip,
    "deflate": grpc.Compression.Deflate,
}

_HEALTH = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
_REFLECTION = reflection_pb2.DESCRIPTOR.services_by_name["ServerReflection"].full_name


class GRPCServer:
    """A server of an app's routes; made and used on an event loop.

    Args:
        app: the service.
        definition: its methods.

    Raises:
        ConfigurationError: a certificate can't be used.
    """

    def __init__(self, app: ServingFlask, definition: ServiceDefinition) -> None:
        self._settings = settings = app.state.settings
        self._health = HealthStatus(
            definition.methods, app.state.endpoints, [messages.SERVICE] if app.state.inference else ()
        )
        self._credentials = credentials_of(settings)
        auth = ApiKeyAuth.of(settings.api_keys)
        is_hidden = auth is not None and ROUTES_OPENED_BY.isdisjoint(settings.open)
        self._gate = StopGate()
        self._server = grpc.aio.server(
            interceptors=[self._gate, *([KeyCheck(auth, f"/{_REFLECTION}/")] if auth and is_hidden else [])],
            options=_options(app),
            maximum_concurrent_rpcs=_MAX_RPCS,
            compression=_COMPRESSION[settings.grpc_compression],
        )
        calls = RouteCalls(app.asgi_app, app.state.instruments)
        handlers = {method.path: calls.handler(method) for method in definition.methods}
        services = [*definition.services, _HEALTH, _REFLECTION]
        pool = _pool(definition)
        if app.state.inference:
            handlers |= inference.handlers(app.asgi_app, app.state.instruments)
            services.append(messages.SERVICE)
            pool.AddSerializedFile(messages.file().SerializeToString())
        self._server.add_generic_rpc_handlers([_Handlers(handlers)])
        reflection.enable_server_reflection(services, self._server, pool=pool)
        self._following: asyncio.Task[None] | None = None

    async def start(self) -> int:
        """Listen, and return the port.

        Raises:
            ConfigurationError: nobody can listen there.
        """
        await self._health.add_to(self._server)
        host = self._settings.grpc_host or self._settings.host or commands.LOCAL
        address = f"{f'[{host}]' if ':' in host else host}:{self._settings.grpc_port}"
        try:
            if self._credentials is None:
                port = int(self._server.add_insecure_port(address))
            else:
                port = int(self._server.add_secure_port(address, self._credentials))
        except RuntimeError:
            port = 0
        if not port:
            raise ConfigurationError(
                f"MODEL_SERVING_GRPC_PORT: {address} can't be listened on: is it in use?"
            )
        await self._server.start()
        self._following = asyncio.create_task(self._health.follow())
        return port

    async def stop(self, grace: float) -> None:
        """Take no further RPCs, and end once those in progress have; after a grace in seconds, end those."""
        if self._following is not None:
            self._following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._following
        await self._health.drain()
        await self._gate.stop(self._server, grace)


class _Handlers(grpc.GenericRpcHandler):  # type: ignore[misc]  # gRPC carries no type hints here
    """Finds the handler of an RPC by its path."""

    def __init__(self, handlers: Mapping[str, grpc.RpcMethodHandler]) -> None:
        self._handlers = handlers

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        return self._handlers.get(handler_call_details.method)


def _options(app: ServingFlask) -> list[tuple[str, Any]]:
    configured = app.config["MAX_CONTENT_LENGTH"]
    limits = [endpoint.body_limit.of(configured) for endpoint in app.state.endpoints]
    largest = -1 if None in limits else max((limit or 0 for limit in limits), default=0) + _OVERHEAD
    return [
        ("grpc.max_receive_message_length", largest),
        ("grpc.max_send_message_length", -1),
        ("grpc.so_reuseport", 1),
    ]


def _pool(definition: ServiceDefinition) -> Any:
    """Return a pool of all that reflection tells of."""
    pool = definition.pool()
    for module in (health_pb2, reflection_pb2):
        pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
    return pool
