"""Settings: what an operator configures by environment variables.

Standard library only, and the only room that reads the environment. Every variable starts with
MODEL_SERVING_; a value that can't be parsed stops the service with the variable's name.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from aylien_model_serving.errors import ConfigurationError

PREFIX = "MODEL_SERVING_"
MEBIBYTE = 1024 * 1024

_T = TypeVar("_T")


@dataclass(frozen=True)
class Settings:
    """The settings of one process; each field is the variable of the same name in upper case.

    Args:
        max_body_mb: largest accepted request body in MiB.
        log_format: "text" or "json".
        log_level: name of the lowest level that is logged.
        expose_errors: whether a client sees the text of an unexpected exception.
        api_keys: keys, separated by commas, one of which each request must carry; none means open.
        host: address that a `Service` listens on; the argument of its `serve()` when absent.
        port: TCP port that it listens on, likewise.
        workers: processes that serve it, likewise.
        metrics_dir: folder of the metric files that the processes of a service share; chosen when absent.
        express: whether bare handlers may be answered on the fast path, without Flask's dispatch.
        dashboard: whether the service has a dashboard at /__dashboard.
        parallel_loading: whether replicas may load their models at the same time.
        background_threads: responses whose background tasks one process runs at a time.
        background_wait: seconds that a process waits for its background tasks at shutdown.
        jobs_url: where jobs are stored: "sqlite:///" and a path, or "memory://" for tests; a file in Flask's
            instance folder when absent.
        service_name: distinguishes services that store their jobs in one place; the handlers' modules when
            absent.
        webhook_allow: hosts that webhooks may be sent to, separated by commas; none means none.
        webhook_secret: key of the signature that webhooks carry.
        url_fetch: whether a file may be given as a URL, which the service then fetches.
        url_max_mb: largest file in MiB that is fetched from a URL.
        url_timeout: seconds that fetching one file may take, from its name to its last byte.
        max_image_pixels: largest image, or frame of a video, in pixels that is decoded.
        max_decoded_mb: largest array in MiB that an audio or a video file is decoded to.
        max_media_seconds: longest audio or video file that is decoded.
    """

    max_body_mb: float = 32
    log_format: str = "text"
    log_level: str = "WARNING"
    expose_errors: bool = False
    api_keys: tuple[str, ...] = ()
    host: str | None = None
    port: int | None = None
    workers: int | None = None
    metrics_dir: str | None = None
    express: bool = True
    dashboard: bool = True
    parallel_loading: bool = False
    background_threads: int = 1
    background_wait: float = 20
    jobs_url: str | None = None
    service_name: str | None = None
    webhook_allow: tuple[str, ...] = ()
    webhook_secret: str | None = None
    url_fetch: bool = False
    url_max_mb: float = 32
    url_timeout: float = 10
    max_image_pixels: int = 64_000_000
    max_decoded_mb: float = 1024
    max_media_seconds: float = 3600

    @property
    def max_body_bytes(self) -> int:
        return int(self.max_body_mb * MEBIBYTE)

    @property
    def url_max_bytes(self) -> int:
        return int(self.url_max_mb * MEBIBYTE)

    @property
    def max_decoded_bytes(self) -> int:
        return int(self.max_decoded_mb * MEBIBYTE)

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read the settings from the environment.

        Raises:
            ConfigurationError: a variable has a value that can't be used.
        """
        environ = os.environ if environ is None else environ
        found: dict[str, Any] = {}
        for setting in fields(cls):
            for variable in (PREFIX + setting.name.upper(), _OTHER_NAMES.get(setting.name, "")):
                if variable in environ:
                    found[setting.name] = _read(variable, environ[variable], _READERS[setting.name])
                    break
        return cls(**found)


def _read(variable: str, text: str, reader: Callable[[str], _T]) -> _T:
    try:
        return reader(text)
    except ValueError as error:
        raise ConfigurationError(f"{variable}={text!r}: {error}") from None


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < 1e6:
        raise ValueError("expected a number above 0")
    return number


def _whole(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError("expected a whole number above 0")
    return number


def _port(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 65535:
        raise ValueError("expected a port from 1 to 65535")
    return number


def _switch(text: str) -> bool:
    words = {
        "1": True,
        "true": True,
        "yes": True,
        "on": True,
        "0": False,
        "false": False,
        "no": False,
        "off": False,
    }
    if text.strip().lower() not in words:
        raise ValueError("expected 1 or 0")
    return words[text.strip().lower()]


def _one_of(*words: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        for word in words:
            if word.lower() == text.strip().lower():
                return word
        raise ValueError(f"expected one of {', '.join(words)}")

    return read


def _listed(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


_READERS: dict[str, Callable[[str], Any]] = {
    "max_body_mb": _positive,
    "log_format": _one_of("text", "json"),
    "log_level": _one_of("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"),
    "expose_errors": _switch,
    "api_keys": _listed,
    "host": lambda text: text or None,
    "port": _port,
    "workers": _whole,
    "metrics_dir": lambda text: text or None,
    "express": _switch,
    "dashboard": _switch,
    "parallel_loading": _switch,
    "background_threads": _whole,
    "background_wait": _positive,
    "jobs_url": lambda text: text or None,
    "service_name": lambda text: text or None,
    "webhook_allow": _listed,
    "webhook_secret": lambda text: text or None,
    "url_fetch": _switch,
    "url_max_mb": _positive,
    "url_timeout": _positive,
    "max_image_pixels": _whole,
    "max_decoded_mb": _positive,
    "max_media_seconds": _positive,
}

#: Names that other tools, and version 2 of this library, use for the same setting.
_OTHER_NAMES = {"log_level": "LOG_LEVEL", "metrics_dir": "PROMETHEUS_MULTIPROC_DIR"}
