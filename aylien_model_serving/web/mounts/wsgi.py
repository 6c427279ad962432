"""A mounted application as a WSGI server's request meets it: checked, moved below its path, and counted.

Floor 4. https://peps.python.org/pep-3333/ says what SCRIPT_NAME and PATH_INFO are.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from aylien_model_serving.failures import Failures
from aylien_model_serving.messages import REQUEST_ID_HEADER, Reply
from aylien_model_serving.metrics import Instruments
from aylien_model_serving.web.exchange import STATUS_LINES, EnvironHeaders, Exchange, path_of
from aylien_model_serving.web.guard import Guard, Headers

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class Front(NamedTuple):
    """What stands between a request and a mounted application.

    Args:
        guard: lets it in; None for an application that sees to that itself.
        instruments: count it.
        failures: tell errors that the application leaves to its caller.
    """

    guard: Guard | None
    instruments: Instruments
    failures: Failures

    def check(self, headers: Headers) -> None:
        """Refuse a request without a right key.

        Raises:
            Unauthorized: it carries no key.
            Forbidden: it carries a wrong one.
        """
        if self.guard is not None:
            self.guard.check(headers)


class Mount:
    """An application below a path.

    Args:
        path: where; also its label in metrics.
        front: what its requests meet first.
    """

    #: What the application speaks.
    protocol = ""

    def __init__(self, path: str, front: Front) -> None:
        self.path = path
        self.front = front

    def takes(self, path: str) -> bool:
        """Tell whether a path is the mount's or lies below it."""
        end = len(self.path)
        return path.startswith(self.path) and (len(path) == end or path[end] == "/")

    def answer(
        self, environ: WSGIEnvironment, start_response: StartResponse, exchange: Exchange
    ) -> Iterable[bytes]:
        """Answer a request below the path as WSGI has it."""
        head = _Head(self, environ["REQUEST_METHOD"], start_response, exchange)
        headers = EnvironHeaders(environ)
        try:
            self.front.check(headers)
            return self._called(self._below(environ, exchange), head)
        except Exception as error:
            path, accept = path_of(environ), headers.get("accept", "")
            told = self.front.failures.tell(error, head.method, path, exchange.request_id, accept)
            return head.refuse(told)

    def _called(self, environ: WSGIEnvironment, head: StartResponse) -> Iterable[bytes]:
        raise NotImplementedError

    def _below(self, environ: WSGIEnvironment, exchange: Exchange) -> WSGIEnvironment:
        return {
            **environ,
            "SCRIPT_NAME": environ.get("SCRIPT_NAME", "") + self.path,
            "PATH_INFO": environ.get("PATH_INFO", "")[len(self.path) :],
            "HTTP_X_REQUEST_ID": exchange.request_id,
        }

    def count(self, method: str, status: int, exchange: Exchange) -> None:
        """Count an answer when it begins."""
        self.front.instruments.count_request(method, status, self.path, exchange.seconds())


class WSGIMount(Mount):
    """A WSGI application below a path.

    Args:
        path: where; also its label in metrics.
        app: the application.
        front: what its requests meet first.
    """

    protocol = "wsgi"

    def __init__(self, path: str, app: WSGIApplication, front: Front) -> None:
        super().__init__(path, front)
        self.app = app

    def _called(self, environ: WSGIEnvironment, head: StartResponse) -> Iterable[bytes]:
        return self.app(environ, head)


class _Head:
    """PEP 3333's `start_response` of a mounted application.

    Args:
        mount: whose answer begins.
        method: of the request.
        start_response: the server's.
        exchange: the request's first moment and its id.
    """

    def __init__(self, mount: Mount, method: str, start_response: StartResponse, exchange: Exchange) -> None:
        self.method = method
        self._mount = mount
        self._start_response = start_response
        self._exchange = exchange
        self._is_begun = False

    def __call__(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None, /
    ) -> Callable[[bytes], object]:
        if not any(name.lower() == _REQUEST_ID for name, _ in headers):
            headers = [*headers, (REQUEST_ID_HEADER, self._exchange.request_id)]
        if not self._is_begun:
            self._is_begun = True
            self._mount.count(self.method, int(status[:3]), self._exchange)
        return self._start_response(status, headers, *(() if exc_info is None else (exc_info,)))

    def refuse(self, told: Reply) -> Iterable[bytes]:
        """Answer with an error, in place of an answer that may have begun; called while it is handled."""
        headers = [
            ("Content-Type", told.media_type),
            ("Content-Length", str(len(told.body))),
            *told.headers,
        ]
        line = STATUS_LINES.get(told.status) or f"{told.status} UNKNOWN"
        self(line, headers, sys.exc_info() if self._is_begun else None)
        return () if self.method == "HEAD" else (told.body,)


_REQUEST_ID = REQUEST_ID_HEADER.lower()
