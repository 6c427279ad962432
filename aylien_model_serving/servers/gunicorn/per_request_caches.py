"""Caches of what Gunicorn creates for each request: the date of the response, the streams of the error log.

By py-spy they were 8 % of what a gevent worker does for a small request.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


class CachedDate:
    """The Date header's value, formatted once a second.

    Args:
        form: `gunicorn.util.http_date`.
    """

    def __init__(self, form: Callable[[float], str]) -> None:
        self._form = form
        self._formed = -1, ""

    def __call__(self, timestamp: float | None = None) -> str:
        """Return a time as RFC 9110, section 5.6.7, has it.

        Args:
            timestamp: seconds since the epoch; None for now.
        """
        second = int(time.time() if timestamp is None else timestamp)
        kept, text = self._formed
        if kept != second:
            text = self._form(second)
            self._formed = second, text
        return text


def lazy_errors(errors: Any) -> Any:
    """Return a class for `wsgi.errors` that looks up the log's streams when something is written to it.

    Args:
        errors: `gunicorn.http.wsgi.WSGIErrorsWrapper`, which does so for each request, under a lock.
    """

    class Errors(errors):  # type: ignore[misc]  # a class that mypy can't know
        """The error log of one request."""

        def __init__(self, cfg: Any) -> None:
            self._cfg = cfg

        def write(self, data: Any) -> None:
            errors(self._cfg).write(data)

    return Errors
