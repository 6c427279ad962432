"""The ASGI scope of an RPC: its metadata are the request's headers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, MutableMapping
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

from grpc.aio import ServicerContext

from aylien_model_serving.core.messages import REQUEST_ID_HEADER, TIMEOUT_HEADER

REQUEST_ID = REQUEST_ID_HEADER.lower()

#: Metadata of gRPC's own, and headers that say how a request's body is sent, which here is another way.
_NOT_HEADERS = {
    "accept",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "te",
    "transfer-encoding",
    "upgrade",
    TIMEOUT_HEADER,
}


class RouteRequest(NamedTuple):
    """What an RPC asks the app.

    Args:
        path: of the route.
        media_type: of the body.
        accept: the media types of the response, as the header names them.
        method: of HTTP.
    """

    path: str
    media_type: str
    accept: str
    method: str = "POST"


def scope_of(request: RouteRequest, context: ServicerContext) -> MutableMapping[str, Any]:
    """Return the scope of a request.

    Args:
        request: what is asked.
        context: of the RPC.
    """
    own = [
        (b"content-type", request.media_type.encode("latin-1")),
        (b"accept", request.accept.encode("latin-1")),
    ]
    left = context.time_remaining()
    if left is not None:
        own.append((TIMEOUT_HEADER.encode(), f"{max(left, 0.001):.3f}".encode()))
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "2",
        "method": request.method,
        "scheme": "http",
        "path": request.path,
        "raw_path": quote(request.path).encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [*own, *_headers(context.invocation_metadata() or ())],
        "client": _address(context.peer()),
        "server": None,
    }


def _headers(metadata: Iterable[Any]) -> Iterator[tuple[bytes, bytes]]:
    for name, value in metadata:
        if name in _NOT_HEADERS or name.startswith(("grpc-", ":")) or name.endswith("-bin"):
            continue
        yield name.encode("latin-1"), value.encode() if isinstance(value, str) else value


def _address(peer: str) -> tuple[str, int] | None:
    """Return host and port of "ipv4:127.0.0.1:50051" or "ipv6:%5B::1%5D:50051"; None of a Unix socket."""
    family, _, place = peer.partition(":")
    if family not in ("ipv4", "ipv6"):
        return None
    host, _, port = unquote(place).rpartition(":")
    return host.strip("[]"), int(port)
