"""Parses the value of each key of a route dict. Every error message says what is expected instead.

Knows Werkzeug's rule syntax and nothing of Flask. A reader takes the value as the user wrote it and
returns it as `Route` holds it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from werkzeug.routing import Map, Rule

from aylien_model_serving.core.suggest import suggestion
from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.executors.batch_policy import BatchOptions
from aylien_model_serving.handlers import stages, steps
from aylien_model_serving.limiting import rates
from aylien_model_serving.limiting.rates import MOST_CONCURRENT, LimitOptions
from aylien_model_serving.routing import content_policy, rpc_schema, runner_options, values

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")


@dataclass(frozen=True)
class JobOptions:
    """Options of a route whose calls become jobs; each field is the key of the same name in `job`.

    Args:
        queue_size: jobs that may wait; a further one is refused.
        retries: how often a failed job is tried again.
        timeout: seconds that one attempt may take.
        keep: seconds for which a finished job can be read.
        priority: jobs of a higher one are taken first.
        grace: seconds that a job has to stop by itself, once it is cancelled or has timed out.
    """

    queue_size: int = 100
    retries: int = 0
    timeout: float = 3600.0
    keep: float = 86400.0
    priority: int = 0
    grace: float = 10.0


def parse_rule(endpoint: str) -> Rule:
    """Return a path as Werkzeug's rule, which is parsed only when it becomes part of a map."""
    rule = Rule(endpoint)
    Map([rule])
    return rule


#: A variable part as FastAPI and Starlette write it, with its converter behind the name.
_BRACES = re.compile(r"\{(\w+)(?::(\w+))?\}")


def _endpoint(value: Any) -> str:
    if not isinstance(value, str) or not value.startswith("/"):
        raise ConfigurationError(f"a path starts with '/', e.g. '/classify'; this is {value!r}")
    if _BRACES.search(value):
        flasks = _BRACES.sub(lambda found: f"<{found[2] + ':' if found[2] else ''}{found[1]}>", value)
        raise ConfigurationError(f"variable parts are written in angle brackets: {flasks!r}")
    try:
        parse_rule(value)
    except (ValueError, LookupError, SyntaxError) as error:
        raise ConfigurationError(f"not a rule that Flask understands: {error}") from error
    return value


def _callable(value: Any) -> Any:
    if not callable(value):
        if stages.is_staged(type(value)) or steps.is_stepped(type(value)):
            name = type(value).__name__
            raise ConfigurationError(
                f"an instance of {name} is made where it is hosted: name the class, {name}"
            )
        raise ConfigurationError(
            f"{value!r} can't be called: give a function, a class, or an object with __call__"
        )
    return value


def _methods(value: Any) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise ConfigurationError(f"methods are a list, e.g. ['POST']; this is {value!r}")
    methods = tuple(str(method).upper() for method in value)
    for method in methods:
        if method not in METHODS:
            raise ConfigurationError(f"unknown method {method!r}{suggestion(method, METHODS)}")
    if not methods:
        raise ConfigurationError("at least one method is needed, e.g. ['POST']")
    return tuple(dict.fromkeys(methods))


def _name(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or "." in value:
        raise ConfigurationError(f"a name is text without a dot; this is {value!r}")
    return value


def _cache(value: Any) -> bool | int:
    if isinstance(value, bool):
        return value
    if not isinstance(value, int) or value < 1:
        raise ConfigurationError(f"True, False or whole seconds of 1 or more are expected; this is {value!r}")
    return value


def _warmup(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"the fields of an example call are expected, as a dict; this is {value!r}")
    return value


def _batch(value: Any) -> BatchOptions | None:
    if isinstance(value, bool):
        return BatchOptions() if value else None
    found = values.read_nested(value, _BATCH_READERS)
    for one, other in (("max_total", "size_of"), ("size_of", "max_total")):
        if one in found and other not in found:
            raise ConfigurationError(f"{one!r} is nothing without {other!r}: set both or none")
    return BatchOptions(**{_BATCH_FIELDS.get(key, key): item for key, item in found.items()})


def _job(value: Any) -> JobOptions | None:
    if isinstance(value, bool):
        return JobOptions() if value else None
    return JobOptions(**values.read_nested(value, _JOB_READERS))


def _limit(value: Any) -> LimitOptions:
    if isinstance(value, str):
        value = {"rate": value}
    if not isinstance(value, Mapping):
        raise ConfigurationError(
            f"a rate or a dict of {', '.join(_LIMIT_READERS)} is expected; this is {value!r}"
        )
    options = LimitOptions(**values.read_nested(value, _LIMIT_READERS))
    if not options.rate and options.concurrent is None:
        raise ConfigurationError("it limits nothing: a 'rate' or a 'concurrent' is expected")
    return options


def _concurrent(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_CONCURRENT:
        raise ConfigurationError(f"a number from 1 to {MOST_CONCURRENT} is expected; this is {value!r}")
    return value


def _per(value: Any) -> str:
    if value not in ("key", "address"):
        raise ConfigurationError(f"'key' or 'address' is expected; this is {value!r}")
    return str(value)


def _split(value: Any) -> str:
    if not isinstance(value, str) or not value.isidentifier():
        raise ConfigurationError(f"the name of a field is expected, e.g. 'items'; this is {value!r}")
    return value


_LIMIT_READERS: dict[str, Callable[[Any], Any]] = {
    "rate": rates.parse,
    "concurrent": _concurrent,
    "per": _per,
}

_BATCH_READERS: dict[str, Callable[[Any], Any]] = {
    "max_size": values.count,
    "max_wait_ms": values.milliseconds,
    "max_total": values.number,
    "group_by": values.function,
    "size_of": values.function,
    "split": _split,
}

_JOB_READERS: dict[str, Callable[[Any], Any]] = {
    "queue_size": values.count,
    "retries": values.times,
    "timeout": values.seconds,
    "keep": values.seconds,
    "priority": values.whole,
    "grace": values.seconds,
}

_BATCH_FIELDS = {"max_wait_ms": "max_wait"}


#: The readers of all keys; the names of the keys are those of `Route`.
READERS: dict[str, Callable[[Any], Any]] = {
    "endpoint": _endpoint,
    "callable": _callable,
    "methods": _methods,
    "name": _name,
    "schema": rpc_schema.read,
    "cache": _cache,
    "timeout": values.seconds,
    "threads": values.threads,
    "max_queue": values.count,
    "max_body_mb": values.mebibytes,
    "native_threads": values.switch,
    "warmup": _warmup,
    "runner": runner_options.read,
    "batch": _batch,
    "job": _job,
    "limit": _limit,
    "content_security_policy": content_policy.read,
    "oip": values.switch,
}
