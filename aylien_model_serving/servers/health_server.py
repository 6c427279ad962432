"""The HTTP server of a process that serves no clients: it tells a few pages to whoever looks after it.

Written for probes and scrapes, of which there are few: a thread for each request, of which the number and the
time are bounded, and HTTP/1.0. Knows no Flask; the pages are a WSGI application's.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Collection, Iterable, Iterator
from socketserver import TCPServer, ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_NAME = "model-serving"

#: Requests that are answered at the same time; the connection of a further one is closed.
_MOST = 32

#: Seconds that one connection may take, and for which it may be silent.
_SECONDS, _SILENT_SECONDS = 10.0, 5.0


class HealthServer(ThreadingMixIn, WSGIServer):
    """Answers GET and POST of some paths, and 404 to all others.

    Args:
        host: the address to listen on.
        port: of TCP.
        paths: those that the application answers; one that ends with a slash stands for all below it.
        application: the WSGI application.

    Raises:
        OSError: nobody can listen there.
    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = _MOST

    def __init__(self, host: str, port: int, paths: Collection[str], application: WSGIApplication) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._places = threading.BoundedSemaphore(_MOST)
        self._until: dict[socket.socket, float] = {}
        super().__init__((host, port), _Handler)
        self.set_app(_only(paths, application))

    def server_bind(self) -> None:
        """Bind the socket, without asking a name server for this machine's name."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Answer on a thread while the block runs."""
        thread = threading.Thread(target=self.serve_forever, name="model-serving-health", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self.shutdown()
            self.server_close()

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._places.acquire(blocking=False):
            self.shutdown_request(request)
            return
        self._until[request] = time.monotonic() + _SECONDS
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._until.pop(request, None)
            self._places.release()

    def service_actions(self) -> None:
        """End the connections that take too long; called twice a second."""
        now = time.monotonic()
        for request, until in list(self._until.items()):
            if now > until:
                with contextlib.suppress(OSError):
                    request.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a probe has left, or has not asked in time."""


class _Handler(WSGIRequestHandler):
    timeout = _SILENT_SECONDS

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the name of the base class
        """Write no access log: probes come every few seconds."""


def _only(paths: Collection[str], application: WSGIApplication) -> WSGIApplication:
    folders = tuple(path for path in paths if path.endswith("/"))

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            return start_response(status, [*headers, ("Server", _NAME)], exc_info)  # not Python's version

        path = environ.get("PATH_INFO", "")
        if path in paths or path.startswith(folders):
            return application(environ, start)
        start("404 Not Found", [("Content-Type", "text/plain; charset=utf-8")])
        return [f"Here are {', '.join(paths)}\n".encode()]

    return answer
