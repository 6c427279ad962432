"""A mounted application as a WSGI server's request meets it: checked, moved below its path, and counted.

https://peps.python.org/pep-3333/ says what SCRIPT_NAME and PATH_INFO are.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from types import GeneratorType
from typing import TYPE_CHECKING, Any, NamedTuple

from werkzeug.wsgi import ClosingIterator

from aylien_model_serving.core.messages import REQUEST_ID_HEADER, Reply
from aylien_model_serving.dispatch.error_responses import ErrorResponses
from aylien_model_serving.metrics.instruments import Instruments
from aylien_model_serving.web.adapters.request_info import STATUS_LINES, EnvironHeaders, RequestInfo, path_of
from aylien_model_serving.web.auth import ApiKeyAuth, HeaderLookup

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class MountServices(NamedTuple):
    """What stands between a request and a mounted application.

    Args:
        guard: lets it in; None for an application that sees to that itself.
        instruments: count it.
        failures: tell errors that the application leaves to its caller.
    """

    auth: ApiKeyAuth | None
    instruments: Instruments
    error_responses: ErrorResponses

    def check(self, headers: HeaderLookup) -> None:
        """Refuse a request without a right key.

        Raises:
            Unauthorized: it carries no key.
            Forbidden: it carries a wrong one.
        """
        if self.auth is not None:
            self.auth.check(headers)


class Mount:
    """An application below a path.

    Args:
        path: where; also its label in metrics.
        front: what its requests meet first.
    """

    #: What the application speaks.
    protocol = ""

    def __init__(self, path: str, services: MountServices) -> None:
        self.path = path
        self.services = services

    def takes(self, path: str) -> bool:
        """Tell whether a path is the mount's or lies below it."""
        end = len(self.path)
        return path.startswith(self.path) and (len(path) == end or path[end] == "/")

    def answer(
        self, environ: WSGIEnvironment, start_response: StartResponse, info: RequestInfo
    ) -> Iterable[bytes]:
        """Answer a request below the path as WSGI has it."""
        start_response = _StartResponse(self, environ["REQUEST_METHOD"], start_response, info)
        headers = EnvironHeaders(environ)
        try:
            self.services.check(headers)
            return self._call(self._environ_below(environ, info), start_response)
        except Exception as error:
            path, accept = path_of(environ), headers.get("accept", "")
            reply = self.services.error_responses.respond(
                error, start_response.method, path, info.request_id, accept
            )
            return start_response.refuse(reply)

    def _call(self, environ: WSGIEnvironment, start_response: _StartResponse) -> Iterable[bytes]:
        raise NotImplementedError

    def _error_reporter(self, environ: WSGIEnvironment) -> Callable[[Exception], object]:
        """Return what is told of an error for which the answer has no room left."""

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
        }

    def count(self, method: str, status: int, info: RequestInfo) -> None:
        """Count an answer when it begins."""
        self.services.instruments.count_request(method, status, self.path, info.seconds())


class WSGIMount(Mount):
    """A WSGI application below a path.

    Args:
        path: where; also its label in metrics.
        app: the application.
        front: what its requests meet first.
    """

    protocol = "wsgi"

    def __init__(self, path: str, app: WSGIApplication, services: MountServices) -> None:
        super().__init__(path, services)
        self.app = app

    def _call(self, environ: WSGIEnvironment, start_response: _StartResponse) -> Iterable[bytes]:
        """Return the pieces of a body whose head has come; a generator sends it with its first piece."""
        pieces = self.app(environ, start_response)
        if start_response.has_started and not isinstance(pieces, (GeneratorType, ClosingIterator)):
            return pieces  # as it is, since it may be the server's file wrapper
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
    """Yield the rest of a body, and tell of an error that cuts it."""
    try:
        yield from pieces
    except Exception as error:
        fail(error)
        raise


class _StartResponse:
    """PEP 3333's `start_response` of a mounted application.

    Args:
        mount: whose answer begins.
        method: of the request.
        start_response: the server's.
        exchange: the request's first moment and its id.
    """

    def __init__(self, mount: Mount, method: str, start_response: StartResponse, info: RequestInfo) -> None:
        self.method = method
        self._mount = mount
        self._start_response = start_response
        self._exchange = info
        self.has_started = False

    def __call__(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None, /
    ) -> Callable[[bytes], object]:
        if not any(name.lower() == _REQUEST_ID for name, _ in headers):
            headers = [*headers, (REQUEST_ID_HEADER, self._exchange.request_id)]
        if not self.has_started:
            self.has_started = True
            self._mount.count(self.method, int(status[:3]), self._exchange)
        return self._start_response(status, headers, *(() if exc_info is None else (exc_info,)))

    def refuse(self, report_errors: Reply) -> Iterable[bytes]:
        """Answer with an error, in place of an answer that may have begun; called while it is handled."""
        headers = [
            ("Content-Type", report_errors.media_type),
            ("Content-Length", str(len(report_errors.body))),
            *report_errors.headers,
        ]
        line = STATUS_LINES.get(report_errors.status) or f"{report_errors.status} UNKNOWN"
        self(line, headers, sys.exc_info() if self.has_started else None)
        return () if self.method == "HEAD" else (report_errors.body,)


_REQUEST_ID = REQUEST_ID_HEADER.lower()
