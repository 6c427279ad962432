"""The access logs of servers: in the service's form, and without the requests of probes.

granian writes the decoded path of a request as it is: with a line break in it, a client could forge a line.
Gunicorn's log is set up in `gunicorn_hooks`; uvicorn quotes paths itself.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from typing import Any

#: Loggers of servers, each with a handler of its own once its server is set up to log requests.
_LOGGERS = ("granian.access",)

#: Loggers of all servers' requests.
_ALL_LOGGERS = ("gunicorn.access", "granian.access", "uvicorn.access")

#: Members of a line by which Gunicorn and granian name the path and the status.
_MEMBERS = (("U", "s"), ("path", "status"))


def set_formatter(formatter: logging.Formatter) -> None:
    """Have the servers' access logs written by a formatter."""
    for name in _LOGGERS:
        for handler in logging.getLogger(name).handlers:
            handler.setFormatter(formatter)


def leave_out_probes(paths: Collection[str]) -> None:
    """Have the servers' access logs tell of requests for these paths only when their outcome changes."""
    for name in _ALL_LOGGERS:
        logger = logging.getLogger(name)
        if not any(isinstance(each, ProbeFilter) for each in logger.filters):
            logger.addFilter(ProbeFilter(paths))


class ProbeFilter(logging.Filter):
    """Passes a probe's line where the last one of its path succeeded and it fails, or the other way round.

    Args:
        paths: for which probes ask.
    """

    def __init__(self, paths: Collection[str]) -> None:
        super().__init__()
        self._fails = dict.fromkeys(paths, False)

    def filter(self, record: logging.LogRecord) -> bool:
        path, status = _request_of(record.args)
        if path not in self._fails:
            return True
        before, self._fails[path] = self._fails[path], status >= 400
        return before != self._fails[path]


def _request_of(told: Any) -> tuple[str, int]:
    """Return the path and the status in a line of an access log; "" where they can't be found."""
    try:
        if isinstance(told, Mapping):
            path, status = next((told[p], told[s]) for p, s in _MEMBERS if p in told and s in told)
        else:
            _, _, path, _, status = told  # uvicorn's: client, method, path, version, status
        return str(path).partition("?")[0], int(status)
    except (TypeError, ValueError, StopIteration):
        return "", 0
