"""What Gunicorn is told about this library: log lines, error bodies, and the folder of the metrics.

A service runs without these hooks too; with them Gunicorn's own lines and refusals look like the service's.
Where there is no gunicorn.conf.py to import them, `gunicorn -c python:aylien_model_serving.gunicorn_hooks`
takes them as they are.
"""

from __future__ import annotations

import logging
import shutil
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gunicorn import glogging, util

from aylien_model_serving import lifecycle, logs, owner
from aylien_model_serving.errors import reason as reason_of
from aylien_model_serving.failures import error_body
from aylien_model_serving.messages import REQUEST_ID_HEADER, choose_request_id, current_request_id
from aylien_model_serving.settings import Settings

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


def write_error(client: socket.socket, status: int, reason: str, message: str) -> None:
    """Answer a request that Gunicorn itself refuses, before any application sees it, as the service would."""
    request_id = choose_request_id(None)
    with _working_for(request_id):
        logger.warning("Refused with %d before the service saw it: %s", status, message or reason)
    code = reason_of(status).lower().replace(" ", "_")
    body, media_type = error_body(status, message or reason_of(status), code, request_id)
    head = (
        f"HTTP/1.1 {status} {reason}\r\nConnection: close\r\nContent-Type: {media_type}\r\n"
        f"{REQUEST_ID_HEADER}: {request_id}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    util.write_nonblock(client, head.encode("latin-1") + body)


def on_starting(server: Any) -> None:
    """Clear what an earlier service left in a folder of metrics that the operator chose."""
    util.write_error = write_error  # Gunicorn has no hook for the body of its own refusals.
    folder = Settings.load().metrics_dir
    takes_over = bool(server.master_pid)  # after SIGUSR2, from a master that still counts in this folder
    if folder is not None and not takes_over:
        _remove(Path(folder).glob("*.db"))


def post_worker_init(worker: Any) -> None:
    """Let readiness know when the worker is told to go."""
    lifecycle.watch(lambda: not worker.alive)


def on_exit(server: Any) -> None:
    """Remove the folder that belonged to this service."""
    shutil.rmtree(owner.folder(server.pid), ignore_errors=True)


def _remove(files: Iterable[Path]) -> None:
    for file in files:
        try:
            file.unlink(missing_ok=True)
        except OSError:
            logger.warning("A metric file of an earlier run can't be removed: %s", file)
