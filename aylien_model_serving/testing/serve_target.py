"""Serves a target as it is served in production: its server, its web workers, its runners."""

from __future__ import annotations

import os
import site
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from aylien_model_serving.servers import commands
from aylien_model_serving.servers.commands import ServerOptions
from aylien_model_serving.testing import running_service
from aylien_model_serving.testing.running_service import RunningService
from aylien_model_serving.testing.targets import name_of

#: A worker of granian misses the signal that comes while it loads the app, and is killed after these seconds.
_BRIEFLY = {"granian": ("--workers-kill-timeout", "5")}


def serve(
    target: Any,
    *,
    workers: int = 1,
    worker_class: str | None = None,
    server: str = "gunicorn",
    env: Mapping[str, str] | None = None,
    cwd: str | os.PathLike[str] | None = None,
    args: Sequence[str] = (),
    start_seconds: float = running_service.START_SECONDS,
    stop_seconds: float = running_service.STOP_SECONDS,
) -> AbstractContextManager[RunningService]:
    """Serve a target until the block ends; every replica is warm when the block begins.

    Args:
        target: "module:app" or "module:factory()", or the app, the Service or the factory itself, if it
            is at the top of a module. It is imported in the server's processes.
        workers: the number of web workers.
        worker_class: Gunicorn's worker class, or the one that serves by default; "asgi" means granian's ASGI
            interface too, and any other its WSGI.
        server: "gunicorn" or "granian".
        env: variables of the service. From the test's own environment it inherits none that steers services
            (MODEL_SERVING_…, GUNICORN_…, PROMETHEUS_…); its jobs are kept in a folder that is removed.
        cwd: the folder that it runs in and finds its modules from; the test's when omitted.
        args: further arguments of the server, as in ("--threads", "4").
        start_seconds: how long it may take until it is ready.
        stop_seconds: how long it may take to end before it is killed.

    Raises:
        ServiceFailed: it did not start, a model could not be loaded, or processes were left at the end; the
            log is shown.
        ConfigurationError: the target or an option is not what a server takes, or granian is not installed.
    """
    folder = Path(cwd or Path.cwd()).resolve()
    options = ServerOptions(
        server=server,
        host="127.0.0.1",
        port=running_service.free_port(),
        workers=workers,
        worker_class=worker_class,
    )
    *command, name = commands.command_of(name_of(target), options, folder=folder)
    return running_service.launch(
        [*command, *_BRIEFLY.get(server, ()), *args, name],
        port=options.port,
        env={"PYTHONPATH": _search_path(folder)} | dict(env or {}),
        cwd=folder,
        ready=_is_ready,
        stop_seconds=stop_seconds,
        start_seconds=start_seconds,
        kind=RunningService,
    )


def _search_path(folder: Path) -> str:
    """Return where the service finds modules beside those that are installed: where the test does."""
    installed = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    installed |= {*site.getsitepackages(), site.getusersitepackages()}
    dynamic = sysconfig.get_config_var("DESTSHARED")
    found = [
        entry
        for entry in sys.path
        if entry and Path(entry).is_dir() and entry not in installed and entry != dynamic
    ]
    return os.pathsep.join(dict.fromkeys([str(folder), *found]))


def _is_ready(service: RunningService) -> bool:
    """Return whether all replicas are warm; `/readyz` is 200 as soon as one of each runner is.

    Raises:
        ServiceFailed: one can't be built, so that waiting is of no use.
    """
    runners = service.json("/__runners") or {}  # requested first: it is not logged
    states = {name: {replica["state"] for replica in replicas} for name, replicas in runners.items()}
    failed = [name for name, found in states.items() if "failed" in found]
    if failed:
        raise service.failed(f"can't build the handler of {', '.join(failed)}")
    are_ready = all(found <= {"ready"} for found in states.values())
    return are_ready and service.status("/readyz") == 200
