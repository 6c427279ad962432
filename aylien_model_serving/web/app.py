"""The app: one Flask application that speaks WSGI and ASGI, and chooses the adapter for each request.

Every response, whatever made it, carries its request id and is counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

from flask import Flask, Request, Response, request
from werkzeug.exceptions import HTTPException

from aylien_model_serving import codecs, errors
from aylien_model_serving.codecs.response import Response as ModelResponse
from aylien_model_serving.core.messages import current_request_id
from aylien_model_serving.dispatch import answers
from aylien_model_serving.handlers import exits
from aylien_model_serving.metrics.instruments import UNMATCHED
from aylien_model_serving.servers.protocol_mark import mark_as_coroutine_function
from aylien_model_serving.web import converters, locations, server_lifespan
from aylien_model_serving.web.adapters import (
    asgi,
    asgi_to_wsgi,
    flask,
    framing,
    lazy_contexts,
    observers,
    wsgi,
)
from aylien_model_serving.web.adapters.connection import ASGIConnection
from aylien_model_serving.web.adapters.flask_request import ServingRequest
from aylien_model_serving.web.adapters.request_info import (
    REQUEST_INFO,
    EnvironHeaders,
    RequestInfo,
    ScopeHeaders,
    path_of,
)
from aylien_model_serving.web.adapters.response_headers import complete
from aylien_model_serving.web.adapters.route_table import RouteMatch, RouteTable
from aylien_model_serving.web.auth import HeaderLookup
from aylien_model_serving.web.browser_guard import BrowserGuard
from aylien_model_serving.web.json_provider import ServingJSON
from aylien_model_serving.web.landing_app import LandingFlask
from aylien_model_serving.web.mounts.asgi import ASGIMount
from aylien_model_serving.web.mounts.asgi_middleware import SCOPE
from aylien_model_serving.web.mounts.wsgi import Mount
from aylien_model_serving.web.state import EXTENSION, ServiceState

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


class ServingFlask(LandingFlask):
    """A Flask app whose errors are JSON, whose responses carry a request id, and whose requests are counted.

    Args:
        name: Flask's import name.
        state: settings, instruments and endpoints of the service.
    """

    json_provider_class = ServingJSON
    request_class = ServingRequest

    def __init__(self, name: str, state: ServiceState) -> None:
        super().__init__(name, state)
        converters.use(self.url_map)
        self.route_table = RouteTable(self.url_map)
        self._guard = BrowserGuard(state, self.route_table.makes_job)
        self.extensions[EXTENSION] = state
        self.config["MAX_CONTENT_LENGTH"] = state.settings.max_body_bytes
        self.config["MAX_FORM_MEMORY_SIZE"] = state.settings.max_body_bytes
        self.register_error_handler(
            HTTPException, lambda error: flask.http_exception_response(state.error_responses, error)
        )
        self.register_error_handler(
            errors.ServingError, lambda error: flask.error_response(state.error_responses, error)
        )

    def __call__(self, request: Any, respond: Any, send: Any = None) -> Any:
        """Answer a request: two arguments are WSGI's, three are ASGI's."""
        if send is not None:
            return self.asgi_app(request, respond, send)
        if self._asgi_middleware is not None and SCOPE not in request:
            return self._asgi_middleware.answer_wsgi(request, respond)
        if Flask.__call__ is not observers.FLASK_CALL:
            return self._call_observed(request, respond)
        return self.wsgi_app(request, respond)

    def wsgi_app(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        info = environ[REQUEST_INFO] = RequestInfo(environ.get("HTTP_X_REQUEST_ID"))
        token = current_request_id.set(info.request_id)
        try:
            path, headers = path_of(environ), EnvironHeaders(environ)
            if not headers.is_plain(self._guard.known_hosts):
                start_response, body = self._guard.admit_wsgi(environ, start_response, path, info)
                if body is not None:
                    return body
            if self._has_mounts and (mount := self.mounts.find(path)) is not None:
                return mount.answer(environ, start_response, info)
            match = self._match_fast_path(path, environ["REQUEST_METHOD"], headers)
            if (
                match is None
                or "werkzeug.debug.preserve_context" in environ
                or (self._auth is not None and not self._identifies(headers, info))
            ):
                if self.state.backend is None or self.route_table.is_uncached(
                    path, environ["REQUEST_METHOD"]
                ):
                    return super().wsgi_app(environ, start_response)
                return self._dispatch_recorded(environ, start_response)
            call = wsgi.call_of(match, path, headers, environ, info)
            return wsgi.answer(self, match.endpoint, call, environ, start_response, info)
        finally:
            current_request_id.reset(token)
            if self._auth is not None:
                info.reset_caller()

    async def asgi_app(
        self, scope: asgi_to_wsgi.Scope, receive: asgi_to_wsgi.Receive, send: asgi_to_wsgi.Send
    ) -> None:
        """Answer as an ASGI application: bare handlers natively, everything else through Flask."""
        if scope["type"] != "http":
            await self._answer_non_http(scope, receive, send)
            return
        path = asgi_to_wsgi.path_of(scope)
        if path[:1] != "/":
            path = asgi_to_wsgi.path_of(scope := framing.origin_form(scope))
        if self._has_mounts and (mount := self.mounts.find(path)) is not None:
            await self._call_mount(mount, scope, receive, send)
            return
        headers = ScopeHeaders(scope["headers"])
        info = RequestInfo(headers.get("x-request-id"))
        match = self._match_fast_path(path, scope["method"], headers)
        if (
            match is None
            or "wsgi_app" in self.__dict__  # replaced by a user's WSGI middleware
            or (self._auth is not None and not self._identifies(headers, info))
        ):
            await self._flask_as_asgi(scope, receive, send)
            return
        token = current_request_id.set(info.request_id)
        try:
            if not headers.is_plain(self._guard.known_hosts):
                admitted = await self._guard.admit_asgi(scope, headers, path, send, info)
                if admitted is None:
                    return
                send = admitted
            connection = ASGIConnection(scope, headers, receive, send)
            call = asgi.call_of(match, path, connection, info)
            await asgi.answer(self, match.endpoint, call, connection, info)
        finally:
            current_request_id.reset(token)
            if self._auth is not None:
                info.reset_caller()

    async def _answer_non_http(
        self, scope: asgi_to_wsgi.Scope, receive: asgi_to_wsgi.Receive, send: asgi_to_wsgi.Send
    ) -> None:
        """Answer a lifespan or a websocket."""
        may_be_mounted = self._has_mounts and scope["type"] == "websocket"
        scope = framing.origin_form(scope) if may_be_mounted else scope
        mount = self.mounts.find(asgi_to_wsgi.path_of(scope)) if may_be_mounted else None
        if mount is None:
            await server_lifespan.answer(scope, receive, send, self.mounts)
        elif await self._guard.admits_websocket(scope, receive, send):
            await self._call_mount(mount, scope, receive, send)

    async def _call_mount(
        self, mount: Mount, scope: asgi_to_wsgi.Scope, receive: asgi_to_wsgi.Receive, send: asgi_to_wsgi.Send
    ) -> None:
        """Call a mounted application: natively, or through Flask for WSGI applications and middleware."""
        is_http = scope["type"] == "http"
        if isinstance(mount, ASGIMount) and not (is_http and "wsgi_app" in self.__dict__):
            headers = ScopeHeaders(scope["headers"])
            info = RequestInfo(headers.get("x-request-id"))
            token = current_request_id.set(info.request_id)
            try:
                if is_http and not headers.is_plain(self._guard.known_hosts):
                    path = asgi_to_wsgi.path_of(scope)
                    admitted = await self._guard.admit_asgi(scope, headers, path, send, info)
                    if admitted is None:
                        return
                    send = admitted
                await mount.answer_asgi(scope, receive, send, info)
            finally:
                current_request_id.reset(token)
                info.reset_caller()
        elif is_http:
            if isinstance(mount, ASGIMount):
                with suppress(errors.Unavailable):  # the response reports it
                    await mount.lifespan.start()  # on the server's loop, where it is used from a thread
            await self._flask_as_asgi(scope, receive, send)
        else:
            await server_lifespan.answer(scope, receive, send, self.mounts)

    def _match_fast_path(self, path: str, method: str, headers: HeaderLookup) -> RouteMatch | None:
        """Return the match of a request that the fast path answers exactly as Flask would, or None."""
        match = self.route_table.find(path, method)
        if match is None or not self.has_fast_path or self.is_observed():
            return None
        if self.view_functions[match.endpoint.name] is not match.view:
            return None
        if self.config["SECRET_KEY"] is not None and headers.get("cookie") is not None:
            return None  # Flask may renew a session's cookie that the handler itself never reads
        return match

    def _call_observed(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer by Flask's own `__call__`, which somebody has replaced; a mounted ASGI app has its own."""
        if self._has_mounts and isinstance(self.mounts.find(path_of(environ)), ASGIMount):
            return self.wsgi_app(environ, start_response)
        return super().__call__(environ, start_response)

    @cached_property
    def _flask_as_asgi(self) -> Any:
        """The app behind the ASGI-to-WSGI adapter; created at its first use, on the loop that it serves."""
        return asgi_to_wsgi.FlaskAsASGI(self)

    def raise_routing_exception(self, request: Request) -> NoReturn:
        locations.make_relative(request.routing_exception, request.host)
        super().raise_routing_exception(request)

    def preprocess_request(self) -> Any:
        try:
            self.check_key()
            framing.check_length(request.environ.get("CONTENT_LENGTH"))
        except errors.ServingError as error:
            if not isinstance(error, _NO_KEY) or not self._is_public_landing():
                self.trace_refused()
                raise
            framing.check_length(request.environ.get("CONTENT_LENGTH"))
        return super().preprocess_request()

    def full_dispatch_request(self) -> Response:
        return exits.call(super().full_dispatch_request)

    def make_response(self, rv: Any) -> Response:
        """Let a view return whatever JSON can express, besides what Flask converts itself."""
        if isinstance(rv, ModelResponse):
            return flask.to_response(answers.reply_of_response(rv))
        if rv is None or callable(rv) or isinstance(rv, _FLASK_TYPES):
            return super().make_response(rv)
        return Response(codecs.JSON.encode(rv), content_type=codecs.JSON.media_type)

    def process_response(self, response: Response) -> Response:
        try:
            response = super().process_response(response)
        finally:  # where a hook fails, the response that Flask sends is the one that the hook was given
            policy = self.state.content_policies.get(request.endpoint or "")
            complete(response.headers, flask.request_info().request_id, policy)
        return response

    def finalize_request(self, rv: Any, from_error_handler: bool = False) -> Response:
        """Count the final response; if hooks fail, Flask calls this again with the error's response."""
        response = super().finalize_request(rv, from_error_handler)
        endpoint = request.endpoint or UNMATCHED
        if endpoint not in self.untracked and not lazy_contexts.is_untracked(request):
            instruments, seconds = self.state.instruments, flask.request_info().seconds()
            instruments.count_request(request.method, response.status_code, endpoint, seconds)
        return response

    def log_exception(self, exc_info: Any) -> None:
        """Do nothing: an error is logged where its response is made."""


_NO_KEY = (errors.Unauthorized, errors.Forbidden)

#: The types that Flask converts into a response; a Response and an HTTP exception are callable.
_FLASK_TYPES = (str, bytes, bytearray, dict, list, tuple, Iterator)


mark_as_coroutine_function(ServingFlask.__call__)
