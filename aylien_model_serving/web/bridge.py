"""From ASGI to WSGI, for what Flask alone can answer.

Floor 4. a2wsgi does the work; here is what it leaves to its users.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from a2wsgi import WSGIMiddleware
from a2wsgi.wsgi import build_environ

from aylien_model_serving.web.contexts import body_environ
from aylien_model_serving.web.exchange import EXCHANGE, Exchange

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

#: Threads that answer what an ASGI server asks of Flask.
FLASK_THREADS = 16

#: Key of the query in a scope that a2wsgi reads, which for its own part takes ASCII alone.
_QUERY = "model_serving.query"


def asgi_of(wsgi: Callable[[Any, Any], Any]) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """Return an ASGI application that has a WSGI application answer on threads."""
    middleware: Any = WSGIMiddleware(
        lambda environ, start_response: wsgi(_complete(environ), start_response), workers=FLASK_THREADS
    )

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        async def received() -> Message:  # a2wsgi needs a coroutine; granian's own is another awaitable
            return await receive()

        await middleware(_readable(scope), received, send)

    return answer


def environ_of(scope: Scope, body: bytes, exchange: Exchange) -> Any:
    """Return the request as WSGI would have it, for a handler that asks for Flask's `request`."""
    environ = build_environ(_readable(scope), None)  # type: ignore[arg-type]  # the body is put in its place
    return {**body_environ(_complete(environ), body), EXCHANGE: exchange}


def _readable(scope: Scope) -> Scope:
    """Return a scope whose query a2wsgi does not look at."""
    return {**scope, "query_string": b"", _QUERY: scope["query_string"].decode("latin-1")}


def _complete(environ: Any) -> Any:
    """Return a2wsgi's environ with the query, and with a body that ends where it ends."""
    environ["QUERY_STRING"] = environ["asgi.scope"][_QUERY]
    environ["wsgi.input_terminated"] = True
    return environ
