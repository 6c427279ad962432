"""What Gunicorn is told about this library: log lines, error bodies, and the folder of the metrics.

A service runs without these hooks too; with them Gunicorn's own lines and refusals look like the service's.
Where there is no gunicorn.conf.py to import them, `gunicorn -c python:aylien_model_serving.gunicorn_hooks`
takes them as they are.
"""

from __future__ import annotations

import logging
import shutil
import signal
import socket
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

from gunicorn import glogging, util

from aylien_model_serving.background import pool
from aylien_model_serving.core import logging as logs
from aylien_model_serving.core.messages import REQUEST_ID_HEADER, choose_request_id, current_request_id
from aylien_model_serving.core.settings import Settings
from aylien_model_serving.dispatch.error_responses import error_body
from aylien_model_serving.errors import reason as reason_of
from aylien_model_serving.process import lifecycle, native_threads, owner
from aylien_model_serving.replicas.client.supervisor_client import SupervisorClient
from aylien_model_serving.servers.gunicorn.close_sockets import Closer
from aylien_model_serving.servers.gunicorn.h1c_parser import keeping_tails
from aylien_model_serving.servers.gunicorn.per_request_caches import Dates, found_when_written

logger = logging.getLogger(__name__)

#: Gunicorn's access log, if it is switched on; the request's id is a part of every line.
access_log_format = '%(h)s "%(r)s" %(s)s %(b)s %(M)sms'


class Logger(glogging.Logger):  # type: ignore[misc]  # Gunicorn carries no type hints
    """Gunicorn's logger with the service's format of lines."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        formatter = logs.formatter(Settings.load())
        for handler in (*self.error_log.handlers, *self.access_log.handlers):
            handler.setFormatter(formatter)

    def access(self, resp: Any, req: Any, environ: Any, request_time: Any) -> None:
        """Log an answer under the id that it carries: the application is done with the request by then."""
        if not self.access_log_enabled:
            return
        with _working_for(_request_id(resp)):
            super().access(resp, req, environ, request_time)


def _request_id(resp: Any) -> str:
    """Return the id in an answer's headers, which some workers keep as bytes."""
    for name, value in getattr(resp, "headers", ()):
        if _text(name).lower() == REQUEST_ID_HEADER.lower():
            return _text(value)
    return "-"


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


@contextmanager
def _working_for(request_id: str) -> Iterator[None]:
    token = current_request_id.set(request_id)
    try:
        yield
    finally:
        current_request_id.reset(token)


logger_class = Logger

# Longer than the idle time of common load balancers, 60 s: else they meet connections that are being closed.
keepalive = 65

# Seconds that requests in flight are given to end after SIGTERM; Kubernetes kills after 30.
graceful_timeout = 25

# Seconds without a sign of life after which a sync worker is killed: models may take long.
timeout = 120

# Memory, so that a slow disk never stalls the workers' heartbeat.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None

# A Unix socket by which others could command the master, at one path for all services of a user.
control_socket_disable = True


def write_error(client: socket.socket, status: int, reason: str, message: str) -> None:
    """Answer a request that Gunicorn itself refuses, before any application sees it, as the service would."""
    util.write_nonblock(client, _refusal(status, message))


def send_error_response(
    protocol: Any, status: int, message: str, extra_headers: Iterable[tuple[str, str]] = ()
) -> None:
    """Do the same for the asgi worker, unless there is nobody left to tell."""
    if protocol.transport is None or protocol.transport.is_closing():
        return
    protocol._safe_write(_refusal(status, message, extra_headers))


def _refusal(status: int, message: str, extra_headers: Iterable[tuple[str, str]] = ()) -> bytes:
    request_id, reason = choose_request_id(None), reason_of(status)
    with _working_for(request_id):
        logger.warning("Refused with %d before the service saw it: %s", status, message or reason)
    code = reason.lower().replace(" ", "_")
    body, media_type = error_body(status, message or reason, code, request_id)
    headers = [
        ("Connection", "close"),
        ("Content-Type", media_type),
        (REQUEST_ID_HEADER, request_id),
        ("Content-Length", str(len(body))),
        *extra_headers,
    ]
    lines = [f"HTTP/1.1 {status} {reason}", *(f"{name}: {value}" for name, value in headers), "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def _asgi_protocol() -> Any:
    """Return what Gunicorn's asgi worker does for a connection, or None under another worker."""
    module = sys.modules.get("gunicorn.asgi.protocol")  # imported with its worker class alone
    return None if module is None else module.ASGIProtocol


def _tell_refusals() -> None:
    """Put our words in place of Gunicorn's own, for which it has no hook."""
    util.write_error = write_error
    if protocol := _asgi_protocol():
        protocol._send_error_response = send_error_response


def _close_beside() -> None:
    """Keep clients that are slow to close from holding up a threaded or a sync worker."""
    util.close_graceful = Closer().close


def _keep_tails() -> None:
    """Keep the asgi worker from ending connections whose next request comes early, where it parses in C."""
    protocol = _asgi_protocol()
    if protocol and protocol._check_h1c_protocol_available():
        protocol._h1c_protocol_class = keeping_tails(protocol._h1c_protocol_class)


def _repeat_less() -> None:
    """Spare each request what one can do for many."""
    util.http_date = Dates(util.http_date)
    if wsgi := sys.modules.get("gunicorn.http.wsgi"):
        vars(wsgi)["WSGIErrorsWrapper"] = found_when_written(wsgi.WSGIErrorsWrapper)


def on_starting(server: Any) -> None:
    """Clear what an earlier service left in a folder of metrics that the operator chose."""
    _tell_refusals()
    _close_beside()
    _keep_tails()
    _repeat_less()
    folder = Settings.load().metrics_dir
    takes_over = bool(server.master_pid)  # after SIGUSR2, from a master that still counts in this folder
    if folder is not None and not takes_over:
        _remove(Path(folder).glob("*.db"))


def when_ready(server: Any) -> None:
    """Let the workers share what a master with --preload has loaded: no collector is to write to it."""
    if server.cfg.preload_app:
        lifecycle.loaded()


def on_reload(server: Any) -> None:
    """Have the runners load models again with the workers, be the code the same or not."""
    lifecycle.reload()


def post_fork(server: Any, worker: Any) -> None:
    """Let a worker be ended while it loads the app: it has no request to finish.

    Gunicorn's asgi worker hears of signals through its loop, and uvloop forgets those from before it runs.
    """
    _end_early(worker)
    worker.init_signals = partial(_init_signals, worker, worker.init_signals)


def _init_signals(worker: Any, its_own: Callable[[], None]) -> None:
    its_own()
    _end_early(worker)


def _end_early(worker: Any) -> None:
    """Put ourselves before the worker's own handlers of the signals that end it."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, partial(_told_to_end, worker, signal.getsignal(number)))
        signal.siginterrupt(number, False)


def _told_to_end(worker: Any, its_own: Any, number: int, frame: FrameType | None) -> None:
    if number == signal.SIGTERM or not worker.booted:
        worker.alive = False  # heeded once the app is loaded, should that swallow the exit
    if not worker.booted:
        sys.exit(0)
    if callable(its_own):
        its_own(number, frame)


def _keep_backlog(worker: Any) -> None:
    """Let as many clients wait to be accepted as the operator allows, 2,048 unless told otherwise.

    The asgi worker has its loop listen again, on the socket that all workers share, with asyncio's 100. The
    other clients of a burst try again a second later.
    """
    if loop := vars(worker).get("loop"):  # which the asgi worker alone has
        loop.create_server = partial(loop.create_server, backlog=worker.cfg.backlog)


def post_worker_init(worker: Any) -> None:
    """Let readiness know when the worker is told to go, and start what a master with --preload only noted.

    A `Service` that Gunicorn was given as it is makes its app here, and not for its first request.
    """
    _keep_backlog(worker)
    app = vars(worker).get("asgi") or worker.wsgi  # each kind of worker has the one or the other
    if isinstance(getattr(type(app), "wsgi", None), property):
        app()
    SupervisorClient.of_process().start()
    lifecycle.watch(lambda: not worker.alive)
    lifecycle.loaded()


def post_request(worker: Any, req: Any, environ: Any, resp: Any) -> None:
    """Let a gevent worker's other connections have their turn.

    What a busy client asks next is often there by the time its answer has left. A connection that is read
    without a wait keeps the worker to itself, and the others were seen to wait for a second.
    """
    native_threads.yield_to_others()


def worker_exit(server: Any, worker: Any) -> None:
    """Finish the background tasks of a worker that has answered its last request."""
    pool.finish()


def on_exit(server: Any) -> None:
    """Remove the folder that belonged to this service."""
    shutil.rmtree(owner.folder(server.pid), ignore_errors=True)


def _remove(files: Iterable[Path]) -> None:
    for file in files:
        try:
            file.unlink(missing_ok=True)
        except OSError:
            logger.warning("A metric file of an earlier run can't be removed: %s", file)
