"""The servers that serve an app in production, and how each is started.

Names Gunicorn, granian and RunPod's SDK, and imports none of them.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from aylien_model_serving.core.suggest import suggestion
from aylien_model_serving.core.variable_names import RUNPOD
from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.process import interpreter
from aylien_model_serving.process.listeners import is_loopback
from aylien_model_serving.servers import ports, tls

#: The address that only this machine reaches; a service listens there unless it is told otherwise.
LOCAL = "127.0.0.1"

WORKER_CLASSES = ("asgi", "gevent", "gthread", "sync")

#: The worker class that is right for models and quick: docs/guide/operations.md says why.
DEFAULT_CLASS = "asgi"
LOG_LEVELS = ("debug", "info", "warning", "error", "critical")

#: The program that takes RunPod's jobs.
_RUNPOD_PROCESS = "aylien_model_serving.cli.runpod_process"

#: Requests that one worker of class gthread works on at a time.
_THREADS = 64

#: Seconds that granian gives requests in flight to end; Kubernetes kills after 30.
_KILL_SECONDS = 25


@dataclass(frozen=True)
class ServerOptions:
    """How an app is served.

    Args:
        server: "gunicorn", "granian", or "runpod", whose SDK takes jobs from RunPod's queue.
        host: the address to listen on.
        port: of TCP; 0 for any that is free.
        workers: how many processes.
        worker_class: of Gunicorn, one of WORKER_CLASSES or the path of a class; None for DEFAULT_CLASS.
            granian speaks WSGI with any but "asgi".
        reload: whether workers start again when a file of the service changes.
        log_level: of the server's own lines.
        certfile: path of a certificate and its chain as PEM, with which the server speaks TLS.
        keyfile: path of the certificate's private key, as PEM.
        grpc_port: of TCP, at which the app is served by gRPC too; None where the settings decide.
        is_runpod_dev: whether RunPod's SDK offers its local API in place of taking jobs.

    Raises:
        ConfigurationError: one of them can't be.
    """

    server: str = "gunicorn"
    host: str = LOCAL
    port: int = 8000
    workers: int = 2
    worker_class: str | None = None
    reload: bool = False
    log_level: str = "info"
    certfile: str | None = None
    keyfile: str | None = None
    grpc_port: int | None = None
    is_runpod_dev: bool = False

    @property
    def listens(self) -> bool:
        """Whether the server listens on the port, and does not fetch its work."""
        return self.server != RUNPOD or self.is_runpod_dev

    @property
    def gunicorn_class(self) -> str:
        """The worker class that Gunicorn is given."""
        return self.worker_class or DEFAULT_CLASS

    @property
    def granian_interface(self) -> str:
        """The interface that granian is given: by WSGI's, X_API_KEY would be X-API-Key for an app."""
        return "asgi" if self.gunicorn_class == "asgi" else "wsgi"

    def __post_init__(self) -> None:
        if self.server not in _COMMANDS:
            raise ConfigurationError(f"unknown server {self.server!r}{suggestion(self.server, _COMMANDS)}")
        if type(self.port) is not int or not 0 <= self.port <= 65535:
            raise ConfigurationError(f"a port is a number from 1 to 65535; this is {self.port!r}")
        if type(self.workers) is not int or self.workers < 1:
            raise ConfigurationError(f"at least 1 worker is needed; this is {self.workers!r}")
        kind = self.gunicorn_class
        if kind not in WORKER_CLASSES and "." not in kind:
            raise ConfigurationError(f"unknown worker class {kind!r}{suggestion(kind, WORKER_CLASSES)}")
        if self.log_level not in LOG_LEVELS:
            raise ConfigurationError(
                f"unknown log level {self.log_level!r}{suggestion(self.log_level, LOG_LEVELS)}"
            )
        tls.check(self.certfile, self.keyfile, needs_pkcs8=self.server == "granian")

    @property
    def url(self) -> str:
        """The URL of the address that the server listens on."""
        return f"{'http' if self.certfile is None else 'https'}://{_bracketed(self.host)}:{self.port}"


def run(target: str, options: ServerOptions, *, folder: Path) -> NoReturn:
    """Become the server that serves an app.

    Args:
        target: the app, "module:app" or "module:factory()".
        options: how to serve it.
        folder: from which the module is imported; the working directory stays what it is.

    Raises:
        ConfigurationError: the port is taken, or the server is not installed.
    """
    command = command_of(target, options, folder=folder)
    if options.listens:
        ports.check(options.host, options.port)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(command[0], command, environment_of(options, folder=folder))


def listening(options: ServerOptions, cure: str, *, has_keys: bool) -> str:
    """Return where a service listens, who reaches it, and what opens it to others.

    Args:
        options: how it is served.
        cure: what opens it, e.g. "--host 0.0.0.0".
        has_keys: whether callers need an API key.
    """
    if is_loopback(options.host):
        return f"listens on {options.url}, for this machine alone: {cure} opens it to others"
    who = "who has an API key" if has_keys else "who reaches this machine: no API key is asked for"
    return f"listens on {options.url}, for everyone {who}"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def command_of(target: str, options: ServerOptions, *, folder: Path) -> list[str]:
    """Return the command of a server; see `run` for the arguments.

    Raises:
        ConfigurationError: the server is not installed.
    """
    flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]  # -X dev, -W error and the like
    return [sys.executable, *flags, "-m", *_COMMANDS[options.server](target, options, folder)]


def environment_of(options: ServerOptions, *, folder: Path) -> dict[str, str]:
    """Return the variables of a server; see `run` for the arguments."""
    environ = {**interpreter.environment(os.environ), **variables_of(options, os.environ)}
    if options.server == "gunicorn" or str(folder) in sysconfig.get_paths().values():
        return environ
    return {**environ, "PYTHONPATH": os.pathsep.join(filter(None, (str(folder), environ.get("PYTHONPATH"))))}


def variables_of(options: ServerOptions, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables by which the processes of a service learn how it is served.

    Args:
        options: how it is served.
        environ: what is set already, which goes before what follows from other options.
    """
    found = {"MODEL_SERVING_RELOAD": "1"} if options.reload else {}
    if options.server == RUNPOD:
        found["MODEL_SERVING_PLATFORM"] = RUNPOD
    if options.grpc_port is not None:
        found["MODEL_SERVING_GRPC_PORT"] = str(options.grpc_port)
        implied = {"HOST": options.host, "CERTFILE": options.certfile, "KEYFILE": options.keyfile}
        for name, value in implied.items():
            variable = f"MODEL_SERVING_GRPC_{name}"
            if value is not None and variable not in environ:
                found[variable] = value
    return found


def _gunicorn(target: str, options: ServerOptions, folder: Path) -> list[str]:
    threads = ("--threads", str(_THREADS)) if options.worker_class == "gthread" else ()
    return [
        "gunicorn",
        *("--config", "python:aylien_model_serving.gunicorn_hooks"),
        *("--pythonpath", str(folder)),
        *("--bind", f"{_bracketed(options.host)}:{options.port}"),
        *("--workers", str(options.workers)),
        *("--worker-class", options.gunicorn_class),
        *threads,
        *("--log-level", options.log_level),
        *(("--reload",) if options.reload else ()),
        *_tls(options, "--certfile", "--keyfile"),
        target,
    ]


def _granian(target: str, options: ServerOptions, folder: Path) -> list[str]:
    _need("granian", "pip install 'model-serving[granian]'")
    if options.reload:
        _need("watchfiles", "pip install 'granian[reload]'")
    return [
        "granian",
        *("--interface", options.granian_interface),
        *("--host", options.host),
        *("--port", str(options.port)),
        *("--workers", str(options.workers)),
        *("--workers-kill-timeout", str(_KILL_SECONDS)),
        *("--log-level", options.log_level),
        *(("--reload",) if options.reload else ()),
        *_tls(options, "--ssl-certificate", "--ssl-keyfile"),
        *(("--factory",) if target.endswith("()") else ()),
        target.removesuffix("()"),
    ]


def _runpod(target: str, options: ServerOptions, folder: Path) -> list[str]:
    _need("runpod", "pip install 'model-serving[runpod]'")
    module, _, expression = target.partition(":")
    place = (options.host, str(options.port)) if options.is_runpod_dev else ()
    return [_RUNPOD_PROCESS, str(folder), module, expression, *place]


def _tls(options: ServerOptions, certificate: str, key: str) -> tuple[str, ...]:
    """Return the words that name certificate and key."""
    if options.certfile is None or options.keyfile is None:
        return ()
    return certificate, options.certfile, key, options.keyfile


_COMMANDS: dict[str, Callable[[str, ServerOptions, Path], list[str]]] = {
    "gunicorn": _gunicorn,
    "granian": _granian,
    RUNPOD: _runpod,
}


def _need(package: str, cure: str) -> None:
    if importlib.util.find_spec(package) is None:
        raise ConfigurationError(f"{package} is not installed: {cure}")
