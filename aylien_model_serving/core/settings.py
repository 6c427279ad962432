"""Settings: what an operator configures by environment variables.

Standard library only, and the only room that reads the environment. Every variable starts with
MODEL_SERVING_; a value that can't be parsed stops the service with the variable's name.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from aylien_model_serving.core import secrets, variable_names
from aylien_model_serving.core.api_keys import ApiKey
from aylien_model_serving.core.secret_files import files
from aylien_model_serving.core.setting_readers import ALL, WORKER, read
from aylien_model_serving.core.variable_names import BACKEND, CELERY, DEPLOYMENT, LOCALHOST, OTHER_NAMES
from aylien_model_serving.errors import ConfigurationError

PREFIX = "MODEL_SERVING_"
MEBIBYTE = 1024 * 1024

#: Largest bodies where nobody says otherwise: of routes with files or arrays, and of all others.
LARGE_BODY_BYTES, SMALL_BODY_BYTES = 32 * MEBIBYTE, 8 * MEBIBYTE


@dataclass(frozen=True, repr=False)
class Settings:
    """The settings of one process; each field is the variable of the same name in upper case.

    Args:
        config: file of what is set for single routes, which `core.operator_options` reads; none when absent.
        max_body_mb: largest accepted request body in MiB, of all routes; what each route says when absent.
        max_json_items: arrays, objects and texts that a JSON body may have, and messages that of protobuf.
        max_waiters: clients of one process that may wait for the end of a job, or follow a stream, at a time;
            half of the server's threads when absent, or 1,000 where waiting holds none.
        log_format: "text" or "json".
        log_level: name of the lowest level that is logged.
        log_line_bytes: longest log line in bytes; a longer one loses its middle.
        expose_errors: whether a client sees the text of an unexpected exception.
        api_keys: keys, one of which each request must carry, as `api_keys` lists them; none means open.
        open: operators' pages that need no key.
        cache_mb: MiB of the response cache in the memory of one process.
        cache_disk_mb: MiB of the response cache in a folder.
        limit: rates of calls, separated by commas: "100/minute" for each route that has none of its own,
            "classify=10/second" for one of this name in place of its own, "off" for none.
        trusted_proxies: proxies, separated by commas, that are believed which client they were called by:
            addresses, networks, or "unix" for those that come through a Unix socket; none means none.
        cors_origins: origins whose pages may call the service, separated by commas; "*" for all.
        allowed_hosts: hosts that it answers for, separated by commas; when absent, loopback names alone where
            only this machine reaches it, and else all.
        host: address that a `Service` listens on; the argument of its `serve()` when absent.
        port: TCP port that it listens on, likewise.
        workers: processes that serve it, likewise.
        platform: the platform that it runs on, whose port, paths and messages it then has; none when absent.
        platform_route: path or name of the route that the platform calls; the only one of POST when absent.
        grpc_port: TCP port of its gRPC server; none when absent.
        grpc_host: address that the gRPC server listens on; `host`, or this machine alone, when absent.
        grpc_workers: processes of the gRPC server.
        grpc_certfile: path of the gRPC server's certificate and its chain as PEM, with which it speaks TLS.
        grpc_keyfile: path of the certificate's private key, as PEM.
        grpc_client_ca: path of the authorities, as PEM, one of which each client's certificate has to be of.
        grpc_compression: "none", or how replies are compressed for clients that accept it.
        oip: whether routes are models of the Open Inference Protocol, at /v2 and by gRPC.
        metrics_dir: folder of the metric files that the processes of a service share; chosen when absent.
        express: whether bare handlers may be answered on the fast path, without Flask's dispatch.
        dashboard: whether the service has a dashboard at /__dashboard.
        parallel_loading: whether replicas may load their models at the same time.
        reload: whether replicas are loaded again with a new worker when what they import has changed.
        background_threads: responses whose background tasks one process runs at a time.
        background_wait: seconds that a process waits for its background tasks at shutdown.
        jobs_url: where jobs are stored: "sqlite:///" and a path, "postgresql://…" for several machines, or
            "memory://" for tests; a file in the project's folder when absent.
        jobs_broker: URL of the broker by which workers of Celery are told of jobs: "amqp://…" or "redis://…";
            the service's own replicas run them when absent.
        jobs_max_ended: ended jobs that a store keeps at most; those that would expire first go first.
        jobs_max_mb: MiB that a store of jobs may take; then ended jobs go early, and new ones are refused.
        role: "all", or which part of a service with jobs this process is: "web" keeps jobs and runs none,
            "worker" runs them and answers no routes.
        service_name: by which the service owns the store of its jobs; the first handler's module when
            absent.
        version: of the service's code, by which processes on other machines know it; when absent, that of the
            installed distribution that a handler comes from.
        ray_address: of the Ray cluster that hosts models: "auto" for the one of this machine's own node, else
            the host and port of its head.
        webhook_allow: hosts that webhooks may be sent to, separated by commas, by https and its own port
            unless an entry says otherwise; none means none.
        webhook_secret: key of the signature that webhooks carry.
        url_fetch: whether a file may be given as a URL, which the service then fetches.
        url_max_mb: largest file in MiB that is fetched from a URL.
        url_timeout: seconds that fetching one file may take, from its name to its last byte.
        max_image_pixels: largest image, or frame of a video, in pixels that is decoded.
        max_decoded_mb: largest array in MiB that a file is decoded to.
        max_media_seconds: longest audio or video file that is decoded.
        decoders: files that one process decodes at the same time.
        decode_timeout: seconds that decoding one file may take, for a request without a deadline.
    """

    config: str | None = None
    max_body_mb: float | None = None
    max_json_items: int = 1_000_000
    max_waiters: int | None = None
    log_format: str = "text"
    log_level: str = "WARNING"
    log_line_bytes: int = 8192
    expose_errors: bool = False
    api_keys: tuple[ApiKey, ...] = ()
    open: tuple[str, ...] = ()
    cache_mb: float = 64
    cache_disk_mb: float = 1024
    limit: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    cors_origins: tuple[str, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    host: str | None = None
    port: int | None = None
    workers: int | None = None
    platform: str | None = None
    platform_route: str | None = None
    grpc_port: int | None = None
    grpc_host: str | None = None
    grpc_workers: int = 1
    grpc_certfile: str | None = None
    grpc_keyfile: str | None = None
    grpc_client_ca: str | None = None
    grpc_compression: str = "none"
    oip: bool = False
    metrics_dir: str | None = None
    express: bool = True
    dashboard: bool = True
    parallel_loading: bool = False
    reload: bool = False
    background_threads: int = 1
    background_wait: float = 20
    jobs_url: str | None = None
    jobs_broker: str | None = None
    jobs_max_ended: int = 100_000
    jobs_max_mb: float = 4096
    role: str = "all"
    service_name: str | None = None
    version: str | None = None
    ray_address: str = "auto"
    webhook_allow: tuple[str, ...] = ()
    webhook_secret: str | None = None
    url_fetch: bool = False
    url_max_mb: float = 32
    url_timeout: float = 10
    max_image_pixels: int = 16_000_000
    max_decoded_mb: float = 256
    max_media_seconds: float = 3600
    decoders: int = 2
    decode_timeout: float = 30

    def __repr__(self) -> str:
        """Show all settings but secrets, of which it says whether they are set."""
        shown = (f"{each.name}={secrets.shown(each.name, getattr(self, each.name))}" for each in fields(self))
        return f"{type(self).__name__}({', '.join(shown)})"

    @property
    def runs_jobs(self) -> bool:
        """Whether replicas of this process run the jobs of its routes; else others do, elsewhere."""
        return self.role == WORKER or (self.role == ALL and self.jobs_broker is None)

    @property
    def state_home(self) -> Path:
        """The folder for state of this user's programs (XDG Base Directory Specification)."""
        return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")

    @property
    def max_body_bytes(self) -> int:
        return LARGE_BODY_BYTES if self.max_body_mb is None else int(self.max_body_mb * MEBIBYTE)

    @property
    def cache_bytes(self) -> int:
        return int(self.cache_mb * MEBIBYTE)

    @property
    def cache_disk_bytes(self) -> int:
        return int(self.cache_disk_mb * MEBIBYTE)

    @property
    def jobs_max_bytes(self) -> int:
        return int(self.jobs_max_mb * MEBIBYTE)

    @property
    def url_max_bytes(self) -> int:
        return int(self.url_max_mb * MEBIBYTE)

    @property
    def max_decoded_bytes(self) -> int:
        return int(self.max_decoded_mb * MEBIBYTE)

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read the settings from the environment, and secrets also from the files that it names.

        Raises:
            ConfigurationError: a variable has a value that can't be used.
        """
        return cls._load(os.environ if environ is None else environ, [each.name for each in fields(cls)])

    @classmethod
    def load_public(cls, *names: str) -> Settings:
        """Read the settings but those that are secret, for code that runs while requests are answered.

        Args:
            names: of those that are needed; the others have their defaults. Without any, all are read.

        Raises:
            ConfigurationError: a variable has a value that can't be used.
        """
        return cls._load(os.environ, names or [each.name for each in fields(cls) if _is_public(each.name)])

    @classmethod
    def _load(cls, environ: Mapping[str, str], names: Iterable[str]) -> Settings:
        found: dict[str, Any] = {}
        for name in names:
            given = _given(name, environ)
            if given is not None:
                found[name] = read(name, *given)
        return cls(**found)


def _is_public(setting: str) -> bool:
    return setting not in secrets.FILE_SETTINGS


def _given(setting: str, environ: Mapping[str, str]) -> tuple[str, str] | None:
    """Return the variable that is set for a setting, and the text in it or in the file that it names.

    Raises:
        ConfigurationError: the file can't be read, or both are set.
    """
    own = PREFIX + setting.upper()
    file = own + secrets.FILE_SUFFIX
    if setting in secrets.FILE_SETTINGS and file in environ:
        if own in environ:
            raise ConfigurationError(f"{own} and {file} are both set: keep one of them")
        return file, files.read(file, environ[file])
    for variable in (own, OTHER_NAMES.get(setting, "")):
        if variable in environ and variable_names.is_meant(variable, environ[variable]):
            return variable, environ[variable]
    return None


def variables(prefix: str) -> dict[str, str]:
    """Return the variables whose names begin so, with their values."""
    return {variable: text for variable, text in os.environ.items() if variable.startswith(prefix)}


def secret_variables() -> dict[str, str]:
    """Return the variables that processes which this one starts do not inherit, with their values."""
    inherited = secrets.without_secrets(os.environ)
    return {variable: text for variable, text in os.environ.items() if variable not in inherited}


def slips(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the variables that nobody reads, and for each the one that is not set and was probably meant."""
    known = [each.name.upper() for each in fields(Settings)]
    known += [f"{name.upper()}{secrets.FILE_SUFFIX}" for name in sorted(secrets.FILE_SETTINGS)]
    return variable_names.slips(os.environ if environ is None else environ, PREFIX, known)


def asks_for_celery(environ: Mapping[str, str] | None = None) -> bool:
    """Return whether the variable of another system says that jobs are Celery's."""
    return variable_names.says(os.environ if environ is None else environ, BACKEND, CELERY)


def is_local_deployment() -> bool:
    """Return whether the variable of another system says that a worker is tried out on this machine."""
    return variable_names.says(os.environ, DEPLOYMENT, LOCALHOST)


def without_effect(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the variables of another system, with their values, that ask for what is not there."""
    return variable_names.without_effect(os.environ if environ is None else environ)
