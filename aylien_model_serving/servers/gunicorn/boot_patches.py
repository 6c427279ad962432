"""The patches by which a service that can't start says so in one line, and ends with the right status."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from aylien_model_serving.core import start_errors
from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.servers.gunicorn import checks

#: The status by which a worker tells its master that no other one would start either.
_BOOT_ERROR = 3

_STOPS = "model_serving_stops"


def patch_boot(worker: Any) -> None:
    """Have a mistake in the configuration end a worker with one line of the log; for `post_fork`.

    Gunicorn logs a traceback, most of whose frames are its own, and prints the message beside the log.
    """
    missing = [member for member in ("init_process", "booted", "log") if not hasattr(worker, member)]
    if missing:
        checks.warn(checks.members(worker, missing), "a mistake in a route is logged with a traceback")
        return
    worker.init_process = partial(_init_process, worker, worker.init_process)


def _init_process(worker: Any, original: Callable[[], None]) -> None:
    try:
        original()
    except ConfigurationError as error:
        if worker.booted:
            raise
        worker.log.error("%s", start_errors.told(error))
        sys.exit(_BOOT_ERROR)


def patch_halt(server: Any, halt: type[BaseException]) -> None:
    """Let a master that stops reap all workers that could not start; for `on_starting`.

    Gunicorn ends at the second of them, with a traceback, status 1, and without `on_exit`.

    Args:
        server: the master.
        halt: what it raises at a worker that could not start.
    """
    missing = [member for member in ("stop", "reap_workers") if not hasattr(server, member)]
    if missing:
        checks.warn(checks.members(server, missing), "a service that can't start may end with a traceback")
        return
    server.stop = partial(_stop, server, server.stop)
    server.reap_workers = partial(_reap_workers, server, server.reap_workers, halt)


def _stop(server: Any, original: Callable[..., None], *args: Any, **options: Any) -> None:
    setattr(server, _STOPS, True)
    original(*args, **options)


def _reap_workers(server: Any, original: Callable[[], None], halt: type[BaseException]) -> None:
    while True:
        try:
            return original()
        except halt:
            if not hasattr(server, _STOPS):
                raise
