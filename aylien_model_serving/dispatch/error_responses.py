"""Error responses: the client gets a body that is safe to show, the operator a log line.

Pure. Every adapter makes its error responses here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from aylien_model_serving.codecs import json, preferred_media_types
from aylien_model_serving.core.cancellation import Cancelled
from aylien_model_serving.core.messages import Call, Reply
from aylien_model_serving.errors import InvalidAnswer, ServingError, reason
from aylien_model_serving.metrics.failures import FailedRequest

logger = logging.getLogger(__name__)

#: Letters of a message that a client is sent: it may quote what the client has sent.
_MAX_MESSAGE = 2000

PROBLEM_JSON = "application/problem+json"


@dataclass(frozen=True)
class ErrorResponses:
    """Makes the error responses of one service, logs the errors and counts those that are its own.

    Args:
        expose: whether a client sees the text of an unexpected exception.
        count: called with method and status for every exception that the service is to blame for.
        show: called with every exception of a call that is a failure of the service's, before it is logged.
        record: keeps every failure of the service's for the dashboard.
        route: the name of the route whose errors these are; empty for those of all others.
    """

    expose: bool
    count: Callable[[str, int], None]
    show: Callable[[Exception], None] | None = None
    record: Callable[[Exception, FailedRequest], None] | None = None
    route: str = ""

    def of_route(self, name: str) -> ErrorResponses:
        """Return what makes the error responses of one route."""
        return replace(self, route=name)

    def reply(self, error: Exception, call: Call) -> Reply:
        """Show and log an error of a call and return its error reply."""
        if self.show is not None and _is_failure(error, self._safe(error).status):
            self.show(error)
        return self.respond(error, call.method, call.path, call.request_id, call.headers.get("accept", ""))

    def respond(self, error: Exception, method: str, path: str, request_id: str, accept: str) -> Reply:
        """Log an error and return its error reply."""
        safe = self._safe(error)
        if safe.status >= 500 and not _is_cancelled(error):
            self.count(method, safe.status)
        if self.record is not None and _is_failure(error, safe.status):
            self.record(error, FailedRequest(self.route, method, safe.status, request_id))
        _log(error, safe.status, method, path)
        return Reply(
            safe.status,
            *error_body(safe.status, str(safe), safe.code, request_id, accept),
            headers=safe.headers(),
        )

    def _safe(self, error: Exception) -> ServingError:
        """Return what the client may see: of the service's own faults no more than that there is one."""
        if not isinstance(error, ServingError):
            return ServingError(f"{type(error).__name__}: {error}" if self.expose else None)
        if isinstance(error, InvalidAnswer) and not self.expose:
            return InvalidAnswer()
        return error


def error_body(status: int, message: str, code: str, request_id: str, accept: str = "") -> tuple[bytes, str]:
    """Return the body of an error and its media type.

    A client that accepts `application/problem+json` gets the members of RFC 9457 in addition to ours.
    """
    if len(message) > _MAX_MESSAGE:
        message = f"{message[:_MAX_MESSAGE]} …"
    message = message.encode(errors="backslashreplace").decode()  # a lone surrogate must not break the body
    body: dict[str, Any] = {"error": message, "code": code, "request_id": request_id}
    if "problem+json" not in accept.lower() or PROBLEM_JSON not in preferred_media_types(accept):
        return json.encode(body), "application/json"
    problem = {"type": "about:blank", "title": reason(status), "status": status, "detail": message}
    return json.encode({**problem, **body}), PROBLEM_JSON


def _is_cancelled(error: Exception) -> bool:
    """Return whether a handler was stopped since nobody waits for its call."""
    return isinstance(error.__cause__, Cancelled)


def _is_failure(error: Exception, status: int) -> bool:
    """Return whether an error is a failure, and no want of time, capacity or anybody who waits."""
    return status >= 500 and status not in (503, 504) and not _is_cancelled(error)


def _log(error: Exception, status: int, method: str, path: str) -> None:
    """Log an error of the service with its traceback, an error of the client in one line."""
    if _is_failure(error, status):
        logger.error("%s %s failed: %s", method, path[:200], error, exc_info=error)
    else:
        logger.info("%s %s refused with %d: %s", method, path[:200], status, error)
