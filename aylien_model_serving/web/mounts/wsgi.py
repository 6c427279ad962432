"""How a WSGI request reaches a mounted application: authenticated, with its path rebased, and counted.

https://peps.python.org/pep-3333/ says what SCRIPT_NAME and PATH_INFO are.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from types import GeneratorType
from typing import TYPE_CHECKING, Any, NamedTuple

from werkzeug.wsgi import ClosingIterator

from aylien_model_serving.core.callers import NOBODY
from aylien_model_serving.core.messages import REQUEST_ID_HEADER, Reply
from aylien_model_serving.dispatch.error_responses import ErrorResponses
from aylien_model_serving.handlers import exits
from aylien_model_serving.metrics.instruments import Instruments
from aylien_model_serving.web import locations
from aylien_model_serving.web.adapters.framing import check_length
from aylien_model_serving.web.adapters.request_info import (
    STATUS_LINES,
    EnvironHeaders,
    RequestInfo,
    path_of,
)
from aylien_model_serving.web.adapters.response_headers import NO_SNIFFING
from aylien_model_serving.web.auth import ApiKeyAuth, HeaderLookup

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class MountServices(NamedTuple):
    """What a service does for the requests of a mounted application.

    Args:
        auth: checks the API key; None for an application that authenticates by itself, or without keys.
        instruments: count the requests.
        failures: answer the errors that the application raises.
    """

    auth: ApiKeyAuth | None
    instruments: Instruments
    error_responses: ErrorResponses

    def identify(self, headers: HeaderLookup, info: RequestInfo) -> None:
        """Set a request's caller, and refuse one without a valid key.

        Raises:
            Unauthorized: it carries no key.
            Forbidden: it carries a wrong one.
        """
        if self.auth is not None:
            info.set_caller(self.auth.caller_of(headers))


class Mount:
    """An application below a path.

    Args:
        path: where, without a slash at its end.
        services: authentication, metrics and error responses.
    """

    #: The interface of the application: "wsgi" or "asgi".
    protocol = ""

    def __init__(self, path: str, services: MountServices) -> None:
        self.path = path
        #: The path in metrics and messages.
        self.label = path or "/"
        self.services = services

    def takes(self, path: str) -> bool:
        """Return whether a path is the mount's or lies below it."""
        end = len(self.path)
        return path.startswith(self.path) and (len(path) == end or path[end] == "/")

    def answer(
        self, environ: WSGIEnvironment, start_response: StartResponse, info: RequestInfo
    ) -> Iterable[bytes]:
        """Answer a WSGI request below the path."""
        headers = EnvironHeaders(environ)
        host = headers.get("host", "")
        response = _StartResponse(self, environ["REQUEST_METHOD"], host, start_response, info)
        try:
            self.services.identify(headers, info)
            check_length(headers.get("content-length"))
            return exits.call(self._call, self._environ_below(environ, info), response)
        except Exception as error:
            path, accept = path_of(environ), headers.get("accept", "")
            reply = self.services.error_responses.respond(
                error, response.method, path, info.request_id, accept
            )
            return response.refuse(reply)

    def _call(self, environ: WSGIEnvironment, start_response: _StartResponse) -> Iterable[bytes]:
        raise NotImplementedError

    def _error_reporter(self, environ: WSGIEnvironment) -> Callable[[Exception], object]:
        """Return a callback for an error that comes after the response has started."""

        def fail(error: Exception) -> None:
            method, path = environ["REQUEST_METHOD"], environ["SCRIPT_NAME"] + environ["PATH_INFO"]
            self.services.error_responses.respond(error, method, path, environ["HTTP_X_REQUEST_ID"], "")

        return fail

    def _environ_below(self, environ: WSGIEnvironment, info: RequestInfo) -> WSGIEnvironment:
        return {
            **environ,
            "SCRIPT_NAME": environ.get("SCRIPT_NAME", "") + self.path,
            "PATH_INFO": environ.get("PATH_INFO", "")[len(self.path) :],
            "HTTP_X_REQUEST_ID": info.request_id,
            **({} if info.caller is NOBODY else {"REMOTE_USER": info.caller.name}),
        }

    def count(self, method: str, status: int, info: RequestInfo) -> None:
        """Count a response when it starts."""
        self.services.instruments.count_request(method, status, self.label, info.seconds())


class WSGIMount(Mount):
    """A WSGI application below a path.

    Args:
        path: where, without a slash at its end.
        app: the application.
        services: authentication, metrics and error responses.
    """

    protocol = "wsgi"

    def __init__(self, path: str, app: WSGIApplication, services: MountServices) -> None:
        super().__init__(path, services)
        self.app = app

    def _call(self, environ: WSGIEnvironment, start_response: _StartResponse) -> Iterable[bytes]:
        """Return the body once `start_response` has been called; a generator calls it at its first piece."""
        pieces = self.app(environ, start_response)
        if start_response.has_started and not isinstance(pieces, (GeneratorType, ClosingIterator)):
            return pieces  # unchanged, since it may be the server's file wrapper
        close = getattr(pieces, "close", _nothing)
        rest = iter(pieces)
        try:
            first = () if start_response.has_started else tuple(islice(rest, 1))
            if not start_response.has_started:
                raise RuntimeError("It ended without an answer")
        except BaseException:
            close()
            raise
        return ClosingIterator(chain(first, report_errors(rest, self._error_reporter(environ))), close)


def _nothing() -> None:
    """Close a body that has nothing to close."""


def report_errors(pieces: Iterator[bytes], fail: Callable[[Exception], object]) -> Iterator[bytes]:
    """Yield the rest of a body, and report an error that cuts it."""
    try:
        try:
            yield from pieces
        except (SystemExit, KeyboardInterrupt) as error:
            exits.reraise(error)
    except Exception as error:
        fail(error)
        raise


class _StartResponse:
    """PEP 3333's `start_response` of a mounted application.

    Args:
        mount: the application's mount.
        method: of the request.
        host: that the client has named.
        start_response: the server's.
        info: the request's start time and id.
    """

    def __init__(
        self, mount: Mount, method: str, host: str, start_response: StartResponse, info: RequestInfo
    ) -> None:
        self.method = method
        self._host = host
        self._mount = mount
        self._start_response = start_response
        self._exchange = info
        self.has_started = False

    def __call__(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None, /
    ) -> Callable[[bytes], object]:
        own = {name.lower() for name, _ in headers}
        added = ((REQUEST_ID_HEADER, self._exchange.request_id), NO_SNIFFING)
        headers = [*headers, *(header for header in added if header[0].lower() not in own)]
        if status[:1] in _REDIRECTING:
            headers = [
                (name, locations.relative(value, self._host) if name.lower() == "location" else value)
                for name, value in headers
            ]
        if not self.has_started:
            self.has_started = True
            self._mount.count(self.method, int(status[:3]), self._exchange)
        return self._start_response(status, headers, *(() if exc_info is None else (exc_info,)))

    def refuse(self, reply: Reply) -> Iterable[bytes]:
        """Send an error response in place of one that may have started; called in an `except` block."""
        headers = [
            ("Content-Type", reply.media_type),
            ("Content-Length", str(len(reply.body))),
            *reply.headers,
        ]
        line = STATUS_LINES.get(reply.status) or f"{reply.status} UNKNOWN"
        self(line, headers, sys.exc_info() if self.has_started else None)
        return () if self.method == "HEAD" else (reply.body,)


#: First digits of the statuses that go with a Location: RFC 9110, 10.2.2.
_REDIRECTING = ("2", "3")
