"""What an asgi worker that stops does with its connections, on real sockets."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.asgi.protocol import ASGIProtocol

from aylien_model_serving.servers.gunicorn.asgi_stop import AsgiStop


class IdleConnection:
    """A protocol that waits for a request, with a transport whose client sends one as it is aborted."""

    worker: Any = None
    _callback_parser = _body_receiver = None
    _closed = False
    _awaiting_request = True
    _finishing_calls: tuple[object, ...] = ()

    def __init__(self, accepted: socket.socket, client: socket.socket) -> None:
        self.transport = SimpleNamespace(get_extra_info=lambda name: accepted, abort=self._abort)
        self._request_ready = SimpleNamespace(set=list)
        self._accepted, self._client = accepted, client

    def _abort(self) -> None:
        self._client.sendall(b"GET / HTTP/1.1\r\n")
        self._accepted.close()


def test_a_request_that_crosses_the_end_of_an_idle_connection_meets_no_reset(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ASGIProtocol, "_will_close", ASGIProtocol._will_close)  # which a stop replaces
    loop = SimpleNamespace(call_later=lambda seconds, call: None)
    worker = SimpleNamespace(alive=False, loop=loop, handle_exit_signal=list)
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        client = stack.enter_context(socket.create_connection(listener.getsockname()))
        client.settimeout(10)
        stop = AsgiStop(worker, 0.0)
        connection = stop.tracked(lambda: IdleConnection(listener.accept()[0], client))()

        stop.watch()

        assert connection.transport
        assert client.recv(1) == b""
