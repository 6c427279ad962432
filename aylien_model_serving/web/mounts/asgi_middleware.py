"""ASGI middleware around a whole service, also where a WSGI server calls it.

There the middleware runs on the loop of the process, and Flask behind it on threads as under an ASGI server.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any

from werkzeug.wsgi import ClosingIterator

from aylien_model_serving.web.adapters.asgi_to_wsgi import Application, Receive, Scope, Send, asgi_of
from aylien_model_serving.web.mounts import loop_thread, table
from aylien_model_serving.web.mounts.app_lifespan import AppLifespan
from aylien_model_serving.web.mounts.asgi_under_wsgi import ASGIUnderWSGI

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

logger = logging.getLogger(__name__)

#: Key in the scope of a request that has come from a WSGI server.
_FROM_WSGI = "model_serving.from_wsgi"

#: Key of the scope in the environ of a request that has passed an ASGI application.
SCOPE = "asgi.scope"


class ASGIMiddleware:
    """The ASGI middleware of one service.

    Args:
        native: the service as an ASGI application.
        wsgi: the same as a WSGI application.
    """

    def __init__(self, native: Application, wsgi: WSGIApplication) -> None:
        self._native = native
        self._wsgi = wsgi
        self.app: Application = self._innermost
        self._lifespan = AppLifespan(self._app_from_wsgi, "The ASGI middleware")

    def add(self, kind: Any, options: dict[str, Any]) -> None:
        """Put one more layer around the others.

        Raises:
            ConfigurationError: it can't be made so, or is not ASGI middleware.
        """
        layer = table.build("middleware", kind, self.app, options)
        table.refuse_wsgi(kind, layer)
        self.app = layer

    def answer_wsgi(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request of a WSGI server."""
        pieces = ASGIUnderWSGI(self._app_from_wsgi, self._lifespan, environ, _log).pieces(start_response)
        return ClosingIterator(chain((next(pieces),), pieces), pieces.close)  # type: ignore[attr-defined]  # a generator

    @cached_property
    def _wsgi_as_asgi(self) -> Application:
        """Flask on threads; created at its first use, on the loop."""
        return asgi_of(self._wsgi, executor=loop_thread.executor())

    async def _app_from_wsgi(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app({**scope, _FROM_WSGI: True}, receive, send)

    async def _innermost(self, scope: Scope, receive: Receive, send: Send) -> None:
        if _FROM_WSGI not in scope:
            await self._native(scope, receive, send)
        elif scope["type"] == "http":
            await self._wsgi_as_asgi(scope, receive, send)
        else:
            await _answer_lifespan(receive, send)


async def _answer_lifespan(receive: Receive, send: Send) -> None:
    """Follow the lifespan of the middleware alone: what is mounted has its own in such a process."""
    for event in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{event}.complete"})


def _log(error: Exception) -> None:
    logger.error("The ASGI middleware failed after its response: %s", error, exc_info=error)
