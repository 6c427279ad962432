"""What an operator may set from outside.

Floor 0: standard library only, and the only room that reads the environment. Every variable starts with
MODEL_SERVING_; a value that can't be read stops the service with the variable's name.
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
        metrics_dir: folder of the metric files that the processes of a service share; chosen when absent.
        express: whether bare handlers may be answered beside Flask's dispatch.
    """

    max_body_mb: float = 32
    log_format: str = "text"
    log_level: str = "WARNING"
    expose_errors: bool = False
    api_keys: tuple[str, ...] = ()
    metrics_dir: str | None = None
    express: bool = True

    @property
    def max_body_bytes(self) -> int:
        return int(self.max_body_mb * MEBIBYTE)

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read the settings from the environment.

        Raises:
            ConfigurationError: a variable has a value that can't be used.
        """
        environ = os.environ if environ is None else environ
        found: dict[str, Any] = {}
        for setting in fields(cls):
            for variable in (PREFIX + setting.name.upper(), _FOREIGN_NAMES.get(setting.name, "")):
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
    "metrics_dir": lambda text: text or None,
    "express": _switch,
}

#: Names under which the tools beside this library, and its version 2, know the same setting.
_FOREIGN_NAMES = {"log_level": "LOG_LEVEL", "metrics_dir": "PROMETHEUS_MULTIPROC_DIR"}
