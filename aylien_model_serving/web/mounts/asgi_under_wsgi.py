"""Calls an ASGI application for a WSGI request: the application runs on its loop, the server's thread waits.

The thread reads the request body on demand, a piece at a time, and sends each piece of the response
before the next one is made. It is free after the last piece: the application may go on in the background.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from a2wsgi.asgi import build_scope

from aylien_model_serving.errors import MalformedBody
from aylien_model_serving.web.adapters.asgi_to_wsgi import Application, Message, Scope
from aylien_model_serving.web.adapters.framing import declared_length
from aylien_model_serving.web.adapters.request_info import STATUS_LINES, path_of
from aylien_model_serving.web.mounts import loop_thread
from aylien_model_serving.web.mounts.app_lifespan import AppLifespan

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

#: Bytes of a request body that are read at once.
_PIECE = 65_536

_READ = "read"
_END = "end"


def scope_of(environ: WSGIEnvironment) -> Scope:
    """Return the ASGI scope of a WSGI request.

    a2wsgi takes only UTF-8, ASCII and numbers; values that a client or a Unix socket can set to anything else
    are converted here.
    """
    port = str(environ.get("SERVER_PORT", ""))
    readable = {**environ, "PATH_INFO": "", "SCRIPT_NAME": "", "QUERY_STRING": ""}
    scope: Scope = dict(build_scope({**readable, "SERVER_PORT": port if port.isdecimal() else "0"}))  # type: ignore[typeddict-item]  # an environ of any server
    root = path_of({"PATH_INFO": environ.get("SCRIPT_NAME", "")})
    scope["root_path"], scope["path"] = root, root + path_of(environ)
    scope["query_string"] = environ.get("QUERY_STRING", "").encode("latin-1")
    return scope


class RequestBody:
    """The body of a WSGI request, as ASGI messages.

    Args:
        environ: PEP 3333's dictionary.
    """

    def __init__(self, environ: WSGIEnvironment) -> None:
        declared = environ.get("CONTENT_LENGTH") or ""
        is_framed = bool(environ.get("wsgi.input_terminated"))
        self._stream = environ["wsgi.input"]
        self._left = declared_length(declared) if declared else None if is_framed else 0
        #: Why it could not be read.
        self.error: MalformedBody | None = None

    def read(self) -> Message:
        """Return the next piece, or a disconnect where the client sends no more."""
        size = _PIECE if self._left is None else min(_PIECE, self._left)
        try:
            piece = self._stream.read(size) if size else b""
        except Exception as error:  # each server has its own for a body that is cut or wrongly framed
            return self._cut(f"The body can't be read: {error}")
        if self._left is None:
            return {"type": "http.request", "body": piece, "more_body": bool(piece)}
        self._left -= len(piece)
        if size and not piece:
            return self._cut(f"The body ends {self._left} bytes before its declared length")
        return {"type": "http.request", "body": piece, "more_body": self._left > 0}

    def _cut(self, why: str) -> Message:
        self.error = MalformedBody(why)
        return {"type": "http.disconnect"}


class ASGIUnderWSGI:
    """One WSGI request that an ASGI application answers on its event loop.

    Args:
        app: the application.
        lifespan: its lifespan, on whose loop it runs.
        environ: PEP 3333's dictionary.
        fail: called with an error that comes after the response is complete.
    """

    def __init__(
        self,
        app: Application,
        lifespan: AppLifespan,
        environ: WSGIEnvironment,
        fail: Callable[[Exception], object],
    ) -> None:
        self._app = app
        self._lifespan = lifespan
        self._fail = fail
        self._scope = scope_of(environ)
        self._body = RequestBody(environ)
        self._loop = lifespan.loop
        self._events = loop_thread.thread_queue()
        self._waiting: set[asyncio.Future[Any]] = set()
        self._has_read = False
        self._is_complete = False
        self._disconnected = asyncio.Event()

    def pieces(self, start_response: StartResponse) -> Iterator[bytes]:
        """Yield the response body; runs on the server's thread.

        Raises:
            Exception: what the application raised before its response was complete.
        """
        self._loop.call_soon_threadsafe(self._create_task)
        try:
            while True:
                kind, content, done = self._events.get()
                if kind == _END:
                    raise self._body.error or content or RuntimeError("It ended without an answer")
                if kind == _READ:
                    content = self._body.read()
                elif kind == "http.response.start":
                    start_response(*_head(content))
                elif kind == "http.response.body":
                    yield content.get("body", b"")
                    if not content.get("more_body", False):
                        return
                self._loop.call_soon_threadsafe(_resolve, done, content)
        finally:
            self._loop.call_soon_threadsafe(self._disconnect)

    def _create_task(self) -> None:
        task = self._loop.create_task(self._run())
        self._lifespan.underway.add(task)
        task.add_done_callback(self._lifespan.underway.discard)

    async def _run(self) -> None:
        try:
            if not self._lifespan.is_up():
                await self._lifespan.start()
            self._scope["state"] = self._lifespan.state
            await self._app(self._scope, self._receive, self._send)
        except BaseException as error:  # none may take the loop from the others, or leave a thread waiting
            self._finish(_as_exception(error))
        else:
            self._events.put((_END, None, None))

    def _finish(self, error: Exception) -> None:
        """Report an error; kept after the client has left, its frames would keep a stream from ending."""
        if self._is_complete:
            self._fail(error)
        elif not self._disconnected.is_set():
            self._events.put((_END, error, None))

    async def _receive(self) -> Message:
        if self._has_read or self._disconnected.is_set():
            await self._disconnected.wait()
            return {"type": "http.disconnect"}
        message: Message = await self._exchange(_READ, None)
        self._has_read = not message.get("more_body", False)
        return message

    async def _send(self, message: Message) -> None:
        is_last = message["type"] == "http.response.body" and not message.get("more_body", False)
        self._is_complete = self._is_complete or is_last
        if not self._disconnected.is_set():
            await self._exchange(message["type"], message)
        if self._disconnected.is_set() and not self._is_complete:
            raise OSError("The client has left")

    async def _exchange(self, kind: str, content: Any) -> Any:
        done = self._loop.create_future()
        self._waiting.add(done)
        try:
            self._events.put((kind, content, done))
            return await done
        finally:
            self._waiting.discard(done)

    def _disconnect(self) -> None:
        """Wake what waits for the client: it has left."""
        self._disconnected.set()
        for waiting in self._waiting:
            _resolve(waiting, {"type": "http.disconnect"})


def _as_exception(error: BaseException) -> Exception:
    """Return an Exception for an end that is none, such as that of a cancelled task."""
    if isinstance(error, Exception):
        return error
    wrapper = RuntimeError(f"It ended with {error!r}")
    wrapper.__cause__ = error
    return wrapper


def _resolve(future: asyncio.Future[Any], content: Any) -> None:
    if not future.done():
        future.set_result(content)


def _head(message: Message) -> tuple[str, list[tuple[str, str]]]:
    status: int = message["status"]
    given = message.get("headers", ())
    headers = [(bytes(name).decode("latin-1"), bytes(value).decode("latin-1")) for name, value in given]
    return STATUS_LINES.get(status) or f"{status} UNKNOWN", headers
