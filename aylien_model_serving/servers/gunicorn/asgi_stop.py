"""The stop of Gunicorn's asgi worker: which of its connections it does not wait for.

An event loop takes the end of what a client sends for the end of the client, and cancels its call. What is
done with a connection therefore depends on what its protocol is at. Gunicorn closes connections also whose
last answer did not say so, while their clients send the next request: here they stay, and the next answer
says so.
"""

from __future__ import annotations

import os
import socket
import sys
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from aylien_model_serving.process.accepted_connections import quiet_seconds_of
from aylien_model_serving.servers.gunicorn.close_sockets import SocketCloser

#: Seconds between two looks at whether the worker stops, and at the connections of one that does.
_PAUSE_SECONDS, _TICK_SECONDS = 1.0, 0.1

#: Seconds for a request that crosses the end of its idle connection; a stop waits for them.
_LINGER_SECONDS = 0.2

#: What is used of `gunicorn.asgi.protocol.ASGIProtocol` and of its `BodyReceiver`.
_OF_PROTOCOL = (
    "transport",
    "worker",
    "_callback_parser",
    "_closed",
    "_awaiting_request",
    "_finishing_calls",
    "_request_ready",
    "_body_receiver",
)
_OF_BODY = ("_complete", "expect_continue", "buffered", "_body_wait_expired", "_wake_waiter")


def missing_members() -> list[str]:
    """Return what Gunicorn's asgi worker lacks of what is used here."""
    module = sys.modules.get("gunicorn.asgi.protocol")
    protocol, body = getattr(module, "ASGIProtocol", None), getattr(module, "BodyReceiver", None)
    assigned = getattr(getattr(protocol, "__init__", None), "__code__", None)
    names = () if assigned is None else assigned.co_names
    lacking = [name for name in _OF_PROTOCOL if name not in names]
    lacking += [name for name in _OF_BODY if not hasattr(body, name)]
    return lacking if hasattr(protocol, "_will_close") else [*lacking, "_will_close"]


class ServedWorker:
    """A worker that stops, as its connections see it: alive, so that they do what their answers have said."""

    def __init__(self, worker: Any) -> None:
        object.__setattr__(self, "_worker", worker)

    def __getattr__(self, name: str) -> Any:
        return name == "alive" or getattr(object.__getattribute__(self, "_worker"), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(object.__getattribute__(self, "_worker"), name, value)


class AsgiStop:
    """Stops a worker, on its loop, and watches its connections from then on.

    Args:
        worker: of the class `asgi`.
        quiet_seconds: without a byte, after which a connection ends that has no whole request.
    """

    def __init__(self, worker: Any, quiet_seconds: float) -> None:
        self._worker = worker
        self._quiet_seconds = quiet_seconds
        self._stop = worker.handle_exit_signal
        self._protocols: weakref.WeakSet[Any] = weakref.WeakSet()
        self._since: weakref.WeakKeyDictionary[Any, float] = weakref.WeakKeyDictionary()
        self._served: ServedWorker | None = None
        self._closer = SocketCloser()

    def tracked(self, factory: Callable[[], Any]) -> Callable[[], Any]:
        """Return a factory of protocols that are looked at when the worker stops."""

        def make() -> Any:
            protocol = factory()
            self._protocols.add(protocol)
            self._adopt(protocol)
            return protocol

        return make

    def begin(self) -> None:
        """Have answers from here on close their connections, and stop the worker."""
        if self._served is None:
            self._served = ServedWorker(self._worker)
            protocol = sys.modules["gunicorn.asgi.protocol"].ASGIProtocol
            protocol._will_close = self._closing(protocol._will_close)
            for known in list(self._protocols):
                self._adopt(known)
        self._stop()

    def _closing(self, will_close: Callable[..., bool]) -> Callable[..., bool]:
        return lambda protocol, *arguments: not self._worker.alive or will_close(protocol, *arguments)

    def _adopt(self, protocol: Any) -> None:
        if self._served is not None and protocol._callback_parser is not None:  # it speaks HTTP/1
            protocol.worker = self._served

    def watch(self) -> None:
        """Look at the connections from the worker's stop on; for its loop, which calls this again."""
        is_stopping = not self._worker.alive
        if is_stopping:
            self.begin()
            for protocol in list(self._protocols):
                self._look_at(protocol)
        self._worker.loop.call_later(_TICK_SECONDS if is_stopping else _PAUSE_SECONDS, self.watch)

    def _look_at(self, protocol: Any) -> None:
        """End what the stop would wait for in vain."""
        transport = protocol.transport
        if transport is None:
            return
        passed = self._quiet(transport)
        is_known, now = passed is not None, time.monotonic()
        if passed is None:  # as over a Unix socket; then as long as this has looked
            passed = now - self._since.setdefault(protocol, now)
        if passed < self._quiet_seconds:
            return
        body = protocol._body_receiver
        if protocol._closed:  # and its client does not close its side, as TLS would have it do
            transport.abort()
        elif protocol._awaiting_request and not protocol._finishing_calls:
            self._linger(transport)
            transport.abort()
            protocol._request_ready.set()
        elif is_known and body is not None and not (body._complete or body.expect_continue or body.buffered):
            body._body_wait_expired = True
            body._wake_waiter()

    def _linger(self, transport: Any) -> None:
        """Have a client whose next request arrives just then meet the end of its connection, and no reset."""
        sock = transport.get_extra_info("socket")
        with suppress(OSError):  # the client has gone, or no descriptor is left
            self._closer.close(socket.socket(fileno=os.dup(sock.fileno())), _LINGER_SECONDS)

    def _quiet(self, transport: Any) -> float | None:
        sock = transport.get_extra_info("socket")
        return 0.0 if sock is None else quiet_seconds_of(sock.fileno())
