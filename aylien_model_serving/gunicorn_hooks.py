"""Hooks and settings of Gunicorn for this library: log lines, error bodies, patches, the metrics' folder.

A service runs without these hooks too; with them Gunicorn's own lines and refusals look like the service's.
Where there is no gunicorn.conf.py to import them, `gunicorn -c python:aylien_model_serving.gunicorn_hooks`
takes them as they are.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from glob import glob
from pathlib import Path
from typing import Any

from gunicorn import glogging, util
from gunicorn.errors import HaltServer

from aylien_model_serving.background import pool
from aylien_model_serving.core import callers, secret_files
from aylien_model_serving.core import logging as logs
from aylien_model_serving.core.messages import (
    REQUEST_ID_HEADER,
    choose_request_id,
    current_request_id,
)
from aylien_model_serving.core.settings import Settings
from aylien_model_serving.dispatch.error_responses import error_body
from aylien_model_serving.errors import ConfigurationError, Unavailable
from aylien_model_serving.errors import reason as reason_of
from aylien_model_serving.metrics import multiprocess
from aylien_model_serving.process import (
    lifecycle,
    native_threads,
    owner,
    server_threads,
    standard_output,
)
from aylien_model_serving.process.listeners import is_loopback
from aylien_model_serving.replicas.client import hosted_code
from aylien_model_serving.replicas.client.supervisor_client import SupervisorClient
from aylien_model_serving.servers import commands
from aylien_model_serving.servers.commands import ServerOptions
from aylien_model_serving.servers.gunicorn import (
    answered,
    boot_patches,
    exit_statuses,
    patches,
    reloading,
    stop_patches,
)
from aylien_model_serving.servers.gunicorn.stand_in import StandIn, StandInResponse

logger = logging.getLogger(__name__)

#: What makes Gunicorn listen on all addresses of a machine.
_OPENING = "MODEL_SERVING_HOST=0.0.0.0, --bind 0.0.0.0:8000, or make's HOST=0.0.0.0,"

#: Gunicorn's access log, if it is switched on; the request's id is a part of every line.
access_log_format = '%(h)s "%(r)s" %(s)s %(b)s %(M)sms'


class Logger(glogging.Logger):  # type: ignore[misc]  # Gunicorn carries no type hints
    """Gunicorn's logger with the service's format of lines."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        formatter = logs.formatter(Settings.load_public())
        for handler in (*self.error_log.handlers, *self.access_log.handlers):
            handler.setFormatter(formatter)

    def access(self, resp: Any, req: Any, environ: Any, request_time: Any) -> None:
        """Log an answer under the id that it carries: the application is done with the request by then."""
        if not self.access_log_enabled:
            return
        with _with_request_id(answered.request_id(resp), answered.caller(environ)):
            super().access(resp, req, environ, request_time)


@contextmanager
def _with_request_id(request_id: str, caller: callers.Caller = callers.NOBODY) -> Iterator[None]:
    token = current_request_id.set(request_id)
    caller_token = callers.current.set(caller)
    try:
        yield
    finally:
        current_request_id.reset(token)
        callers.current.reset(caller_token)


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


def bind_address() -> str:
    """Return what `bind` is in gunicorn.conf.py: the operator's host and port, this machine alone without."""
    settings = Settings.load_public()
    host = settings.host or commands.LOCAL
    return f"{f'[{host}]' if ':' in host else host}:{settings.port or ServerOptions.port}"


def write_error(sock: socket.socket, status_int: int, reason: str, mesg: str) -> None:
    """Answer a request that a WSGI worker refuses before any application sees it, as the service would.

    Replaces `gunicorn.util.write_error`.
    """
    util.write_nonblock(sock, _refusal(status_int, mesg))


def send_error_response(
    self: Any, status: int, message: str, extra_headers: Iterable[tuple[str, str]] = ()
) -> None:
    """Answer a request that the asgi worker refuses, unless its client has left.

    Replaces the method of `gunicorn.asgi.protocol.ASGIProtocol`.
    """
    if self.transport is not None and not self.transport.is_closing():
        self._safe_write(_refusal(status, message, extra_headers))


def _refusal(status: int, message: str, extra_headers: Iterable[tuple[str, str]] = ()) -> bytes:
    request_id, reason = choose_request_id(None), reason_of(status)
    with _with_request_id(request_id):
        logger.warning("Refused with %d before the service saw it: %s", status, message or reason)
    code = reason.lower().replace(" ", "_")
    body, media_type = error_body(status, message or reason, code, request_id)
    headers = [
        ("Connection", "close"),
        ("Content-Type", media_type),
        (REQUEST_ID_HEADER, request_id),
        ("X-Content-Type-Options", "nosniff"),
        ("Content-Length", str(len(body))),
        *extra_headers,
    ]
    lines = [f"HTTP/1.1 {status} {reason}", *(f"{name}: {value}" for name, value in headers), "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def on_starting(server: Any) -> None:
    """Patch Gunicorn, and clear what an earlier service left in the operator's folder of metrics."""
    patches.patch_server(util, write_error, send_error_response)
    boot_patches.patch_halt(server, HaltServer)
    exit_statuses.patch_master(server)
    folder = Settings.load().metrics_dir
    secret_files.files.accept()
    takes_over = bool(server.master_pid)  # after SIGUSR2, from a master that still counts in this folder
    if folder is not None and not takes_over:
        multiprocess.clear(Path(folder))


def when_ready(server: Any) -> None:
    """Let the workers share what a master with --preload has loaded: no collector is to write to it."""
    if server.cfg.preload_app:
        lifecycle.loaded()


def when_ready_to_tell(server: Any) -> None:
    """Do what `when_ready` does, and log who reaches the service and what opens it to others."""
    when_ready(server)
    hosts = [address[0] for address in server.cfg.address if isinstance(address, tuple)]
    if hosts and all(map(is_loopback, hosts)):
        server.log.info("Only this machine reaches it: %s opens it to others", _OPENING)


def on_reload(server: Any) -> None:
    """Have the runners load models again with the workers, whether the code has changed or not.

    Files of secrets are read again by the new workers. While one can't be used, they get what the last ones
    had: a service is not to end with a mistake in a file.
    """
    lifecycle.reload()
    secret_files.files.release()
    try:
        Settings.load()
    except ConfigurationError as error:
        secret_files.files.hold()
        server.log.error("The secrets stay as they were: %s", error)
    else:
        secret_files.files.accept()


def post_fork(server: Any, worker: Any) -> None:
    """Let a worker end while it loads the app: by a mistake in it, by a signal, or with its master.

    With `--reload` it outlives a mistake, and looks at the files that replicas have imported. What its
    handlers print is written at once.
    """
    standard_output.show_lines_at_once()
    if worker.cfg.reload:
        patterns = worker.cfg.reload_extra_files
        hosted_code.begin(file for pattern in patterns for file in glob(pattern, recursive=True))
        reloading.patch_reload(worker, hosted_code.expected, _build, StandIn(_say_not_loaded))
    boot_patches.patch_boot(worker)
    patches.patch_signals(worker)
    stop_patches.watch_master(worker)


def post_worker_init(worker: Any) -> None:
    """Report a shutdown to readiness, and start what a master with --preload has only registered.

    A `Service` that Gunicorn was given itself builds its app here, and not for its first request.
    """
    patches.patch_backlog(worker)
    stop_patches.patch_stops(worker)
    exit_statuses.tell_when_serving(worker)
    if "asgi" in vars(worker):
        _note_callers(worker)
    else:  # an asgi worker's threads are our own
        server_threads.announce(worker.cfg.threads)
        server_threads.announce_connections(worker.cfg.worker_connections)
    _build(vars(worker).get("asgi") or worker.wsgi)  # each kind of worker has the one or the other
    SupervisorClient.of_process().start()
    lifecycle.app_uri = worker.app.app_uri
    lifecycle.serving()
    lifecycle.add_drain_check(lambda: not worker.alive)
    lifecycle.loaded()


def _build(app: Any) -> None:
    """Build the app of a `Service`, which others are already."""
    if isinstance(getattr(type(app), "wsgi", None), property):
        app()


def _say_not_loaded() -> StandInResponse:
    request_id, status = choose_request_id(None), Unavailable.status
    message = "The service's code can't be loaded: its log says why"
    body, media_type = error_body(status, message, Unavailable.code, request_id)
    headers = [
        ("Content-Type", media_type),
        ("Content-Length", str(len(body))),
        ("Retry-After", "1"),
        (REQUEST_ID_HEADER, request_id),
        ("X-Content-Type-Options", "nosniff"),
    ]
    return StandInResponse(f"{status} {reason_of(status)}", headers, body)


def _note_callers(worker: Any) -> None:
    """Have an asgi worker's access log know who made a request; its environ is not the application's."""
    original = worker.cfg.pre_request

    def pre_request(worker: Any, req: Any) -> None:
        callers.noted.set([])
        original(worker, req)

    if getattr(worker.log, "access_log_enabled", False):
        worker.cfg.set("pre_request", pre_request)


def post_request(worker: Any, req: Any, environ: Any, resp: Any) -> None:
    """Yield to a gevent worker's other connections.

    The next request of a busy client has often arrived by the time its response has left. A connection that
    is read without waiting keeps the worker to itself, and the others were seen to wait for a second.
    """
    native_threads.yield_to_others()


def worker_exit(server: Any, worker: Any) -> None:
    """Finish the background tasks of a worker that has answered its last request."""
    pool.finish()


def child_exit(server: Any, worker: Any) -> None:
    """Remove what a worker has left that was killed."""
    with suppress(OSError):  # as in the supervisor
        owner.remove_unheld_folders()


def on_exit(server: Any) -> None:
    """Remove the folder that belonged to this service."""
    owner.remove_folder(server.pid)
