"""Sends, reads and sleeps on the calling thread; `_async/backend.py` does so for asyncio."""

from __future__ import annotations

import math
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import httpx

from aylien_model_serving.client._sync.body import BodyReader
from aylien_model_serving.client._sync.pool import ConnectionPool, ProcessPools
from aylien_model_serving.client.effects import ApiResponse, SendRequest
from aylien_model_serving.client.errors import TimedOut
from aylien_model_serving.client.options import positive_seconds
from aylien_model_serving.client.transport import (
    from_httpx,
    is_streamed,
    set_read_timeout,
    to_httpx,
    translate_errors,
)


class SyncBackend:
    """The connections to a service, of each process its own.

    Args:
        address: of the service.
        settings: of httpx's clients.
        limits: numbers of connections, and the seconds for which they are kept.
        verify: whether TLS certificates are checked, or the context that does.
        http_transport: carries all requests in place of connections.
        connect_timeout: seconds that one try to connect may take.

    Raises:
        ValueError: the seconds are not above 0.
    """

    def __init__(
        self,
        address: str,
        settings: Mapping[str, Any],
        limits: httpx.Limits,
        verify: Any,
        http_transport: httpx.BaseTransport | None,
        connect_timeout: float,
    ) -> None:
        self._address = address
        self._connect_timeout = positive_seconds("connect_timeout", connect_timeout)
        self._pools = ProcessPools(lambda: _pool(settings, limits, verify, http_transport))

    def send(self, effect: SendRequest) -> ApiResponse:
        """Send a request, and return its response, of which a streamed body is still to be read."""
        deadline = time.monotonic() + effect.seconds
        pool = self._pools.current()
        connection = pool.acquire(effect.seconds)
        with ExitStack() as cleanup, translate_errors(self._address, effect.seconds):
            cleanup.callback(pool.release, connection)
            response = self._send(connection, SendRequest(effect.request, _seconds_until(deadline)))
            cleanup.callback(response.close)
            if is_streamed(response):
                return from_httpx(response, b"", BodyReader(response, self._address, cleanup.pop_all().close))
            set_read_timeout(response, _seconds_until(deadline))
            return from_httpx(response, b"".join(_pieces(response, deadline)))

    def read(self, reader: BodyReader, seconds: float) -> bytes | None:
        """Return the next piece of a body; None at the end."""
        return reader.read(seconds)

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def close(self) -> None:
        self._pools.close()

    def _send(self, connection: httpx.Client, effect: SendRequest) -> httpx.Response:
        with ExitStack() as files:
            request = to_httpx(connection, self._address, effect, self._connect_timeout, files)
            return connection.send(request, stream=True)


def _pool(
    settings: Mapping[str, Any],
    limits: httpx.Limits,
    verify: Any,
    http_transport: httpx.BaseTransport | None,
) -> ConnectionPool:
    """Return the connections of this process; see `SyncBackend`."""
    most = limits.max_connections or 0
    if http_transport is not None:
        return ConnectionPool(
            lambda: httpx.Client(**settings, transport=http_transport), most, most, math.inf
        )
    context = verify if isinstance(verify, ssl.SSLContext) else httpx.create_ssl_context(verify=verify)
    idle, seconds = limits.max_keepalive_connections or 0, limits.keepalive_expiry or 0.0
    one = httpx.Limits(
        max_connections=1, max_keepalive_connections=1, keepalive_expiry=limits.keepalive_expiry
    )
    return ConnectionPool(lambda: httpx.Client(**settings, verify=context, limits=one), most, idle, seconds)


def _pieces(response: httpx.Response, deadline: float) -> Iterator[bytes]:
    """Yield a body; httpx's seconds are those between two pieces, so the deadline is checked too."""
    for piece in response.iter_bytes():
        _seconds_until(deadline)
        yield piece


def _seconds_until(deadline: float) -> float:
    """Return the seconds that are left.

    Raises:
        TimedOut: there are none.
    """
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimedOut("The answer was not there in full when the time was over")
    return left
