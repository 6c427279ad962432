"""What turns the text of an operator's variable into the value of a setting, and refuses what can't be one.

A reader raises ValueError with what was expected.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import Any, TypeVar

from aylien_model_serving.core import api_keys, secrets
from aylien_model_serving.core.variable_names import AZUREML, CLOUD_RUN, RUNPOD, SAGEMAKER, VERTEX
from aylien_model_serving.egress import allow_list
from aylien_model_serving.errors import ConfigurationError

#: What `MODEL_SERVING_OPEN` may open to clients without a key.
OPENABLE = ("metrics", "runners", "openapi", "docs", "dashboard", "reload")

#: What of a service with jobs a process may be.
ROLES = ALL, WEB, WORKER = "all", "web", "worker"

#: The serverless platforms that a service can run on, and be called by.
PLATFORMS = (RUNPOD, SAGEMAKER, VERTEX, AZUREML, CLOUD_RUN)

#: Bytes of a log line in which its time, names and id have room, and some of its message.
_SHORTEST_LINE = 1024

#: Characters of a refused value that are shown.
_LONGEST = 200

_Number = TypeVar("_Number", int, float)


def read(setting: str, variable: str, text: str) -> Any:
    """Return the value of a setting that a variable's text stands for.

    Raises:
        ConfigurationError: the setting can't have it; the message shows no secret.
    """
    try:
        return READERS[setting](text)
    except ValueError as error:
        given = variable if setting in secrets.SECRET_SETTINGS else f"{variable}={_shortened(text)}"
        raise ConfigurationError(f"{given}: {secrets.without_passwords(str(error))}") from None


def _shortened(text: str) -> str:
    return secrets.without_passwords(repr(text if len(text) <= _LONGEST else text[:_LONGEST] + "…"))


def _number(
    parse: Callable[[str], _Number], is_usable: Callable[[_Number], bool], expected: str
) -> Callable[[str], _Number]:
    def reader(text: str) -> _Number:
        try:
            number = parse(text)
        except ValueError:
            raise ValueError(expected) from None
        if not is_usable(number):
            raise ValueError(expected)
        return number

    return reader


_positive = _number(float, lambda number: 0 < number < 1e6, "expected a number above 0 and below a million")

_whole = _number(int, lambda number: number > 0, "expected a whole number above 0")

_line_bytes = _number(
    int, lambda number: number >= _SHORTEST_LINE, f"expected a whole number of {_SHORTEST_LINE} or more"
)

_port = _number(int, lambda number: 0 <= number <= 65535, "expected a port from 1 to 65535")


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
    def reader(text: str) -> str:
        for word in words:
            if word.lower() == text.strip().lower():
                return word
        raise ValueError(f"expected one of {', '.join(words)}")

    return reader


def _platform(text: str) -> str | None:
    """Return the platform that is named; Knative is what Cloud Run is made of."""
    word = text.strip().lower()
    return _one_of(*PLATFORMS)(CLOUD_RUN if word == "knative" else word) if word else None


def _some_of(*words: str) -> Callable[[str], tuple[str, ...]]:
    def reader(text: str) -> tuple[str, ...]:
        found = tuple(word.lower() for word in _listed(text))
        if not set(found) <= set(words):
            raise ValueError(f"expected some of {', '.join(words)}, separated by commas")
        return found

    return reader


def _listed(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _hosts(text: str) -> tuple[str, ...]:
    entries = _listed(text)
    for entry in entries:
        allow_list.parse(entry)
    return entries


def _proxies(text: str) -> tuple[str, ...]:
    proxies = _listed(text)
    for proxy in proxies:
        try:
            is_proxy = proxy == "unix" or bool(ipaddress.ip_network(proxy, strict=False))
        except ValueError:
            is_proxy = False
        if not is_proxy:
            raise ValueError(
                f"{proxy!r} is no proxy: expected addresses, networks like 10.0.0.0/8, or 'unix'"
            )
    return proxies


_ORIGIN = re.compile(r"([a-z][a-z0-9+.-]*)://((\*\.)?[a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]+)?")

_HOST = re.compile(r"(\*|(\*?\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*)")


def _origins(text: str) -> tuple[str, ...]:
    return tuple(_origin(word.lower().removesuffix("/")) for word in _listed(text))


def _origin(text: str) -> str:
    """Return an origin as browsers write it: in lower case, without the port that its scheme implies."""
    if text == "null":
        raise ValueError("every page without an origin of its own is 'null': name the origins, or '*'")
    if text != "*" and not _ORIGIN.fullmatch(text):
        raise ValueError(f"{text!r} is no origin: expected one like https://app.example.com, or '*'")
    for scheme, port in (("http", ":80"), ("https", ":443")):
        if text.startswith(f"{scheme}://"):
            text = text.removesuffix(port)
    return text


def _allowed_hosts(text: str) -> tuple[str, ...]:
    return tuple(_allowed_host(word.lower().removesuffix(".")) for word in _listed(text))


def _allowed_host(text: str) -> str:
    """Return a name, a pattern of names, an address or a network."""
    text = text.removeprefix("[").removesuffix("]")
    try:
        return str(ipaddress.ip_network(text, strict=False))
    except ValueError:
        if not _HOST.fullmatch(text):
            raise ValueError(
                f"{text!r} is no host: expected a name like api.example.com or .example.com, an address or a "
                "network like 10.0.0.0/8, without scheme and port, or '*'"
            ) from None
    return text


def _ray_address(text: str) -> str:
    """Return "auto", or a host and a port: Ray's own handles don't work through the clients of "ray://"."""
    if text == "auto" or re.fullmatch(r"[\w.-]+:[0-9]{1,5}", text):
        return text
    raise ValueError("expected 'auto', or the host and port of a Ray head as in 10.0.0.5:6379")


def _broker(text: str) -> str | None:
    """Return the URL of a broker of Celery's; it is not repeated, for its password."""
    if not text or re.fullmatch(r"(amqps?|rediss?)://[^\s]+", text):
        return text or None
    raise ValueError("expected amqp://user:password@host/, amqps://…, redis://host:6379/0 or rediss://…")


READERS: dict[str, Callable[[str], Any]] = {
    "config": lambda text: text or None,
    "max_body_mb": _positive,
    "max_json_items": _whole,
    "max_waiters": _whole,
    "log_format": _one_of("text", "json"),
    "log_level": _one_of("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"),
    "log_line_bytes": _line_bytes,
    "expose_errors": _switch,
    "api_keys": api_keys.read,
    "open": _some_of(*OPENABLE),
    "cache_mb": _positive,
    "cache_disk_mb": _positive,
    "limit": _listed,
    "trusted_proxies": _proxies,
    "cors_origins": _origins,
    "allowed_hosts": _allowed_hosts,
    "host": lambda text: text or None,
    "port": _port,
    "workers": _whole,
    "platform": _platform,
    "platform_route": lambda text: text.strip() or None,
    "grpc_port": _port,
    "grpc_host": lambda text: text or None,
    "grpc_workers": _whole,
    "grpc_certfile": lambda text: text or None,
    "grpc_keyfile": lambda text: text or None,
    "grpc_client_ca": lambda text: text or None,
    "grpc_compression": _one_of("none", "gzip", "deflate"),
    "oip": _switch,
    "metrics_dir": lambda text: text or None,
    "express": _switch,
    "dashboard": _switch,
    "parallel_loading": _switch,
    "reload": _switch,
    "background_threads": _whole,
    "background_wait": _positive,
    "jobs_url": lambda text: text or None,
    "jobs_broker": _broker,
    "jobs_max_ended": _whole,
    "jobs_max_mb": _positive,
    "role": _one_of(*ROLES),
    "service_name": lambda text: text or None,
    "version": lambda text: text or None,
    "ray_address": _ray_address,
    "webhook_allow": _hosts,
    "webhook_secret": lambda text: text or None,
    "url_fetch": _switch,
    "url_max_mb": _positive,
    "url_timeout": _positive,
    "max_image_pixels": _whole,
    "max_decoded_mb": _positive,
    "max_media_seconds": _positive,
    "decoders": _whole,
    "decode_timeout": _positive,
}
