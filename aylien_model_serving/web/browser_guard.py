"""What every adapter asks before it answers: is the host this service's, and may a page of that origin ask?

A request of a client that is no browser, for a host that was accepted before, is recognized by the adapters
themselves (`is_plain` of its headers) and never comes here.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from typing import TYPE_CHECKING, Any

from aylien_model_serving.core.messages import Reply
from aylien_model_serving.errors import ServingError
from aylien_model_serving.metrics.instruments import UNMATCHED
from aylien_model_serving.web.adapters import asgi, wsgi
from aylien_model_serving.web.adapters.asgi_to_wsgi import Message, Receive, Scope, Send
from aylien_model_serving.web.adapters.request_info import EnvironHeaders, RequestInfo, ScopeHeaders
from aylien_model_serving.web.auth import HeaderLookup
from aylien_model_serving.web.health import HEALTH_PATHS
from aylien_model_serving.web.hosts import Address, AllowedHosts
from aylien_model_serving.web.origins import CrossOriginPolicy
from aylien_model_serving.web.state import ServiceState

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

#: The close code of a websocket that is refused (RFC 6455, section 7.4.1); servers answer it with 403.
_POLICY_VIOLATION = 1008


class BrowserGuard:
    """Refuses requests of foreign hosts and origins, answers preflights, and adds the headers of CORS.

    Args:
        state: settings, instruments and error responses of the service.
        makes_job: whether a request for a path becomes a job, by a method that is to change nothing, too.
    """

    def __init__(self, state: ServiceState, makes_job: Callable[[str, str], bool]) -> None:
        self._state = state
        self._makes_job = makes_job
        self._hosts = AllowedHosts(state.settings.allowed_hosts)
        self._origins = CrossOriginPolicy(state.settings.cors_origins)
        self._has_cors = bool(state.settings.cors_origins)
        #: The hosts whose requests need nothing of this; none with CORS, which is part of every answer.
        self.known_hosts: Container[str | bytes | None] = () if self._has_cors else self._hosts.known

    def admit_wsgi(
        self, environ: WSGIEnvironment, start_response: StartResponse, path: str, info: RequestInfo
    ) -> tuple[StartResponse, Iterable[bytes] | None]:
        """Return what starts the response, and the body if the request is answered already."""
        headers, method = EnvironHeaders(environ), environ["REQUEST_METHOD"]
        server = Address.of(environ.get("SERVER_NAME"), environ.get("SERVER_PORT"))
        if self._has_cors:
            start_response = self._with_cors(start_response, headers.get("origin"))
        reply = self._reply(headers, method, path, server, info)
        if reply is None:
            return start_response, None
        return start_response, wsgi.send_reply(reply, method, start_response, info)

    async def admit_asgi(
        self, scope: Scope, headers: ScopeHeaders, path: str, send: Send, info: RequestInfo
    ) -> Send | None:
        """Return what sends the response; None if the request is answered already."""
        if self._has_cors:
            send = self._sending_cors(send, headers.get("origin"))
        method = scope["method"]
        reply = self._reply(headers, method, path, Address.of(*(scope.get("server") or ("", 0))), info)
        if reply is None:
            return send
        await asgi.send_reply(reply, method, send, info.request_id)
        return None

    async def admits_websocket(self, scope: Scope, receive: Receive, send: Send) -> bool:
        """Return whether a websocket may be opened; it is closed if not."""
        headers = ScopeHeaders(scope["headers"])
        try:
            self._hosts.check(headers.get("host"), Address.of(*(scope.get("server") or ("", 0))))
            self._origins.check(headers, "GET", changes=True)
        except ServingError as error:
            self._state.error_responses.respond(error, "GET", scope["path"], "-", "")
            await receive()
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
            return False
        return True

    def _reply(
        self, headers: HeaderLookup, method: str, path: str, server: Address, info: RequestInfo
    ) -> Reply | None:
        """Return the refusal of a request, or the answer to a preflight; None if it is for an adapter."""
        try:
            if path not in HEALTH_PATHS:  # probes call a service by its address
                self._hosts.check(headers.get("host"), server)
            self._origins.check(headers, method, changes=self._makes_job(path, method))
            reply = self._origins.preflight(headers, method)
        except ServingError as error:
            accept = headers.get("accept") or ""
            reply = self._state.error_responses.respond(error, method, path, info.request_id, accept)
        if reply is not None:
            self._state.instruments.count_request(method, reply.status, UNMATCHED, info.seconds())
        return reply

    def _with_cors(self, start_response: StartResponse, origin: str | None) -> StartResponse:
        def start(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Callable[[bytes], object]:
            return start_response(status, self._origins.with_headers(headers, origin), *exc_info)

        return start

    def _sending_cors(self, send: Send, origin: str | None) -> Send:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = [(_text(name), _text(value)) for name, value in message.get("headers") or ()]
                added = self._origins.with_headers(given, origin)
                pairs = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in added]
                message = {**message, "headers": pairs}
            await send(message)

        return sending


def _text(value: Any) -> str:
    return bytes(value).decode("latin-1")
