"""A mounted ASGI application: called directly under an ASGI server, on the process's own loop elsewhere.

https://asgi.readthedocs.io/en/stable/specs/www.html says what `root_path` is.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext
from itertools import chain
from typing import TYPE_CHECKING

from werkzeug.wsgi import ClosingIterator

from aylien_model_serving.core.messages import REQUEST_ID_HEADER, Reply
from aylien_model_serving.handlers import exits
from aylien_model_serving.web import locations
from aylien_model_serving.web.adapters.asgi_to_wsgi import (
    Application,
    Message,
    Receive,
    Scope,
    Send,
    path_of,
)
from aylien_model_serving.web.adapters.framing import check_length
from aylien_model_serving.web.adapters.request_info import RequestInfo, ScopeHeaders, hyphenated
from aylien_model_serving.web.adapters.response_headers import NO_SNIFFING
from aylien_model_serving.web.mounts.app_lifespan import AppLifespan
from aylien_model_serving.web.mounts.asgi_under_wsgi import ASGIUnderWSGI
from aylien_model_serving.web.mounts.wsgi import Mount, MountServices, report_errors

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

#: The close code of a websocket that is refused (RFC 6455, section 7.4.1); servers answer it with 403.
_POLICY = 1008

_REQUEST_ID = REQUEST_ID_HEADER.lower().encode("latin-1")
_NO_SNIFFING = (NO_SNIFFING[0].lower().encode(), NO_SNIFFING[1].encode())


class ASGIMount(Mount):
    """An ASGI application below a path.

    Args:
        path: where, without a slash at its end.
        app: the application.
        services: authentication, metrics and error responses.
    """

    protocol = "asgi"

    def __init__(self, path: str, app: Application, services: MountServices) -> None:
        super().__init__(path, services)
        self.app = app
        self.lifespan = AppLifespan(app, f"The application at {self.label}")

    def _call(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Return the body once its first piece is there, and with it the status and headers."""
        fail = self._error_reporter(environ)
        pieces = ASGIUnderWSGI(self.app, self.lifespan, environ, fail).pieces(start_response)
        first = next(pieces)
        return ClosingIterator(chain((first,), report_errors(pieces, fail)), pieces.close)  # type: ignore[attr-defined]  # a generator

    async def answer_asgi(self, scope: Scope, receive: Receive, send: Send, info: RequestInfo) -> None:
        """Answer an ASGI request or websocket below the path."""
        response = _MountResponse(self, scope, receive, send, info)
        with nullcontext() if response.is_websocket else self.lifespan.request():
            await self._answer_asgi(scope, response, info)

    async def _answer_asgi(self, scope: Scope, response: _MountResponse, info: RequestInfo) -> None:
        headers = ScopeHeaders(scope["headers"])
        try:
            self.services.identify(headers, info)
            check_length(headers.get("content-length"))
            if not self.lifespan.is_up():
                await self.lifespan.start()
            await exits.awaited(self.app(self._scope_below(scope, headers, info), response.receive, response))
        except Exception as error:
            if response.is_websocket and response.has_started:
                raise
            accept = headers.get("accept", "")
            method, path = response.method, scope["path"]
            reply = self.services.error_responses.respond(error, method, path, info.request_id, accept)
            if response.has_started and not response.is_complete:
                raise  # so that the server closes the connection of an incomplete response
            if not response.has_started:
                await response.refuse(reply)

    def _scope_below(self, scope: Scope, headers: ScopeHeaders, info: RequestInfo) -> Scope:
        root = scope.get("root_path", "")
        given = hyphenated(scope["headers"])
        if headers.get("x-request-id") != info.request_id:
            others = [pair for pair in given if pair[0] != _REQUEST_ID]
            given = [*others, (_REQUEST_ID, info.request_id.encode("latin-1"))]
        return {
            **scope,
            "root_path": root + self.path,
            "path": root + path_of(scope),
            "headers": given,
            "state": {**scope.get("state", {}), **self.lifespan.state},
        }


class _MountResponse:
    """The `send` and `receive` of a mounted application.

    Args:
        mount: the application's mount.
        scope: the ASGI scope.
        receive: the server's.
        send: the server's.
        info: the request's start time and id.
    """

    def __init__(
        self, mount: ASGIMount, scope: Scope, receive: Receive, send: Send, info: RequestInfo
    ) -> None:
        self.is_websocket = scope["type"] == "websocket"
        self.method: str = scope.get("method", "GET")
        self.has_started = False
        self.is_complete = False
        self._mount = mount
        self._receive = receive
        self._has_received = False
        self._send = send
        self._exchange = info
        self._host = ScopeHeaders(scope["headers"]).get("host") or ""

    async def __call__(self, message: Message) -> None:
        kind = message["type"]
        if not self.has_started and kind in _FIRST_MESSAGES:
            self.has_started = True
            status = message.get("status") or _FIRST_MESSAGES[kind]
            self._mount.count(self.method, status, self._exchange)
            message = self._with_relative_location(self._with_headers(message))
        elif kind == "http.response.body":
            self.is_complete = not message.get("more_body", False)
        await self._send(message)

    async def receive(self) -> Message:
        message = await self._receive()
        self._has_received = True
        return message

    def _with_headers(self, message: Message) -> Message:
        if message["type"] == "websocket.close":
            return message
        headers = list(message.get("headers") or ())
        own = {bytes(name).lower() for name, _ in headers}
        added = ((_REQUEST_ID, self._exchange.request_id.encode("latin-1")), _NO_SNIFFING)
        return {**message, "headers": [*headers, *(header for header in added if header[0] not in own)]}

    def _with_relative_location(self, message: Message) -> Message:
        headers = message.get("headers") or ()
        if not any(bytes(name).lower() == b"location" for name, _ in headers):
            return message
        return {**message, "headers": [self._relative(*header) for header in headers]}

    def _relative(self, name: bytes, value: bytes) -> tuple[bytes, bytes]:
        if bytes(name).lower() != b"location":
            return name, value
        return name, locations.relative(bytes(value).decode("latin-1"), self._host).encode("latin-1")

    async def refuse(self, reply: Reply) -> None:
        """Send an error response; a websocket is closed before it is accepted."""
        if self.is_websocket:
            if not self._has_received:  # `websocket.connect` comes once
                await self._receive()
            await self({"type": "websocket.close", "code": _POLICY})
            return
        headers = [
            ("content-type", reply.media_type),
            ("content-length", str(len(reply.body))),
            *reply.headers,
        ]
        pairs = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        await self({"type": "http.response.start", "status": reply.status, "headers": pairs})
        await self({"type": "http.response.body", "body": b"" if self.method == "HEAD" else reply.body})


#: The messages that start a response, and the status of those that carry none.
_FIRST_MESSAGES = {
    "http.response.start": 200,
    "websocket.accept": 101,
    "websocket.close": 403,
    "websocket.http.response.start": 403,
}
