"""The access logs of servers that have no hooks for it, in the service's form.

granian writes the decoded path of a request as it is: with a line break in it, a client could forge a line.
Gunicorn's log is set up in `gunicorn_hooks`; uvicorn quotes paths itself.
"""

from __future__ import annotations

import logging

#: Loggers of servers, each with a handler of its own once its server is set up to log requests.
_LOGGERS = ("granian.access",)


def set_formatter(formatter: logging.Formatter) -> None:
    """Have the servers' access logs written by a formatter."""
    for name in _LOGGERS:
        for handler in logging.getLogger(name).handlers:
            handler.setFormatter(formatter)
