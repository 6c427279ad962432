"""gRPC, by the messages that the service's schema is made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import grpc

from tests.protocols.cases import Found, Refused
from tests.protocols.http_clients import SECONDS, found_in
from tests.protocols.protocol_messages_pb2 import Finding, Reading

#: The kind of each status code.
KINDS_OF_CODES = {
    grpc.StatusCode.INVALID_ARGUMENT: "invalid",
    grpc.StatusCode.NOT_FOUND: "not found",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "busy",
    grpc.StatusCode.UNAVAILABLE: "busy",
    grpc.StatusCode.INTERNAL: "failed",
    grpc.StatusCode.DEADLINE_EXCEEDED: "late",
}


class StubClient:
    """Calls the method as a generated stub does.

    Args:
        port: of the gRPC server, which may not have started yet.
    """

    def __init__(self, port: int) -> None:
        channel = grpc.insecure_channel(f"127.0.0.1:{port}")
        self._examine = channel.unary_unary(
            "/protocols.ModelService/Examine",
            request_serializer=Reading.SerializeToString,
            response_deserializer=Finding.FromString,
        )

    def ask(self, fields: Mapping[str, Any]) -> Found | Refused:
        try:
            finding = self._examine(Reading(**fields), timeout=SECONDS, wait_for_ready=True)
        except grpc.RpcError as error:
            return Refused(KINDS_OF_CODES[error.code()], error.details())
        return found_in(finding)
