"""Serves a WSGI application, which is Flask, to an ASGI server.

Built on a2wsgi; added are disconnects, cancelled requests and queries that are not ASCII.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from concurrent.futures import Executor
from typing import Any, TypeVar

from a2wsgi import WSGIMiddleware
from a2wsgi.wsgi import build_environ
from werkzeug.exceptions import ClientDisconnected

from aylien_model_serving.process import server_threads
from aylien_model_serving.web.adapters.lazy_contexts import body_environ
from aylien_model_serving.web.adapters.request_info import REQUEST_INFO, RequestInfo, headers_by_name
from aylien_model_serving.web.health import HEALTH_PATHS

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

T = TypeVar("T")

#: Threads on which Flask answers requests of an ASGI server.
FLASK_THREADS = 16

#: Threads on which the health endpoints are answered, whatever the others wait for.
HEALTH_THREADS = 2

#: Key of the query in a scope for a2wsgi, which decodes `query_string` as ASCII.
_QUERY = "model_serving.query"

#: Pieces of a body from which on a client is watched for its disconnect: most responses have but one.
_WATCHED_FROM = 2

#: Key of the client's connection in a scope for a2wsgi.
_CLIENT = "model_serving.client"


def asgi_of(
    wsgi: Callable[[Any, Any], Any], threads: int | None = None, executor: Executor | None = None
) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """Return an ASGI application that runs a WSGI application on threads.

    Args:
        wsgi: the application.
        threads: how many; `FLASK_THREADS` when omitted.
        executor: has the threads, if any.
    """
    middleware: Any = WSGIMiddleware(_stop_on_disconnect(wsgi), workers=threads or FLASK_THREADS)
    middleware.executor = executor or middleware.executor
    tasks: set[asyncio.Future[None]] = set()  # the loop itself holds its tasks weakly

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        client = _ClientConnection(receive, send)
        task = asyncio.ensure_future(
            middleware({**_without_query(scope), _CLIENT: client}, client.receive, client.send)
        )
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        try:
            await asyncio.shield(task)  # cancelled, it would leave a thread waiting for space in its queue
        finally:
            client.close()
        if client.failure is not None:
            raise client.failure

    return answer


def path_of(scope: Scope) -> str:
    """Return the decoded path below the application's root."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    is_below = root and path.startswith(root) and path[len(root) :][:1] in ("", "/")
    return path[len(root) :] if is_below else path


class FlaskAsASGI:
    """Flask as an ASGI application, with threads for health checks, which never wait for other requests.

    Args:
        wsgi: Flask's WSGI application.
    """

    def __init__(self, wsgi: Callable[[Any, Any], Any]) -> None:
        server_threads.announce(FLASK_THREADS)
        self._answer = asgi_of(wsgi)
        self._answer_health = asgi_of(wsgi, HEALTH_THREADS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = self._answer_health if path_of(scope) in HEALTH_PATHS else self._answer
        await answer(scope, receive, send)


class _ClientConnection:
    """The `receive` and `send` of one client, which discard messages once the client has left.

    Args:
        receive: the server's.
        send: the server's.
    """

    def __init__(self, receive: Receive, send: Send) -> None:
        self.failure: BaseException | None = None
        self._receive = receive
        self._send = send
        self._closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pieces = 0
        self._is_receiving = False
        self._watch: asyncio.Task[None] | None = None
        #: What the watch has received of the body, until the application asks for it.
        self._watched: asyncio.Future[Message] | None = None

    def is_closed(self) -> bool:
        """Return whether the client has left; may be called on any thread."""
        return self._closed.done()

    def close(self) -> None:
        """End all waits for the client."""
        if not self._closed.done():
            self._closed.set_result(None)
        if self._watch is not None:
            self._watch.cancel()

    async def receive(self) -> Message:
        """Return the next piece of the body; a2wsgi would take a disconnect for the body's end.

        Raises:
            werkzeug.exceptions.ClientDisconnected: the client has left, or has broken off the body.
        """
        received = None if self.is_closed() else await self._until_closed(self._next_message())
        if received is None or (message := received.result())["type"] == "http.disconnect":
            raise ClientDisconnected("The body ends too early")
        return message

    async def _next_message(self) -> Message:
        watched, self._watched = self._watched, None
        if watched is not None:
            return await watched
        self._is_receiving = True
        try:
            return await self._receive()
        finally:
            self._is_receiving = False

    async def _watch_disconnect(self, first: asyncio.Future[Message]) -> None:
        """Close the connection when the client leaves: granian takes what is sent to one that has left."""
        message = await self._receive()
        if message["type"] != "http.disconnect":
            first.set_result(message)
            if message.get("more_body"):
                return  # the application may read on, and nobody else
            message = await self._receive()
        self._watch = None
        self.close()

    async def send(self, message: Message) -> None:
        """Return once the server has taken a message; never raises, since a thread waits for the result."""
        if self.is_closed():
            return
        self._pieces += bool(message.get("more_body"))
        if self._pieces == _WATCHED_FROM and self._watch is None and not self._is_receiving:
            self._watched = asyncio.get_running_loop().create_future()
            self._watch = asyncio.ensure_future(self._watch_disconnect(self._watched))
        sent = await self._until_closed(self._send(message))
        if sent is None:
            return
        if sent.cancelled():
            self.close()
        elif (error := sent.exception()) is not None:
            if not isinstance(error, OSError):  # how servers report a client that has left
                self.failure = error
            self.close()

    async def _until_closed(self, awaitable: Awaitable[T]) -> asyncio.Task[T] | None:
        """Return the finished task, or None if the client left first."""

        async def awaited() -> T:  # a task needs a coroutine; granian's own is another awaitable
            return await awaitable

        task = asyncio.ensure_future(awaited())
        either: set[asyncio.Future[Any]] = {task, self._closed}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            return task if task.done() else None
        finally:
            task.cancel()


def _stop_on_disconnect(wsgi: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Iterator[bytes]]:
    """Return a WSGI application that is not called, or whose body is closed, once the client has left."""

    def pieces(environ: Any, start_response: Any) -> Iterator[bytes]:
        client: _ClientConnection = environ["asgi.scope"][_CLIENT]
        if client.is_closed():
            return
        body = wsgi(_with_query_and_body_end(environ), start_response)
        try:
            for piece in body:
                yield piece
                if client.is_closed():
                    break
        finally:
            if hasattr(body, "close"):
                body.close()

    return pieces


def environ_of(scope: Scope, body: bytes, info: RequestInfo) -> Any:
    """Return a request's WSGI environ, for a handler that uses Flask's `request`."""
    environ = build_environ(_without_query(scope), None)  # type: ignore[arg-type]  # the body is added below
    return {**body_environ(_with_query_and_body_end(environ), body), REQUEST_INFO: info}


def _without_query(scope: Scope) -> Scope:
    """Return a scope whose query a2wsgi does not decode, and whose headers it does not join, one by one."""
    return {
        **scope,
        "headers": headers_by_name(scope["headers"]).items(),
        "query_string": b"",
        _QUERY: scope["query_string"].decode("latin-1"),
    }


def _with_query_and_body_end(environ: Any) -> Any:
    """Return a2wsgi's environ with the query, and with a body that the server ends."""
    environ["QUERY_STRING"] = environ["asgi.scope"][_QUERY]
    environ["wsgi.input_terminated"] = True
    return environ
