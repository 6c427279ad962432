"""How a call can fail, beside what the service itself refuses.

What a service refuses is raised as the class of `aylien_model_serving.errors` that it has there, found by its
`code`, and carries `status`, `code` and `request_id`.

    ClientError
    ├── Unreachable         also ConnectionError    nobody answers there; nothing was done
    ├── ConnectionLost      also ConnectionError    it broke in the middle; something may have been done
    ├── TimedOut            also TimeoutError       the seconds that the caller gave have passed
    ├── NotUnderstood                               what came is no response of a service of this library
    ├── UnknownRoute        also AttributeError     the service has no such route
    └── JobEnded                                    a job that has no result
        ├── JobFailed
        └── JobCancelled
"""

from __future__ import annotations

import json
import math
from typing import Any

from aylien_model_serving import errors
from aylien_model_serving.client import display
from aylien_model_serving.client.effects import ApiResponse
from aylien_model_serving.errors import ServingError, reason


class ClientError(Exception):
    """A call came to nothing, and the service did not say why."""

    def _render_traceback_(self) -> list[str]:
        """Return what IPython shows."""
        return display.ShownError(type(self).__name__, str(self))()


class Unreachable(ClientError, ConnectionError):
    """No connection to the service could be made, so that it has done nothing."""


class ConnectionLost(ClientError, ConnectionError):
    """The connection broke before the response was there; the service may have done what it was asked for."""


class TimedOut(ClientError, TimeoutError):
    """The caller's seconds have passed."""


class NotUnderstood(ClientError):
    """The answer is none of a service of this library, such as a proxy's own page."""


class UnknownRoute(ClientError, AttributeError):
    """The service has no route of this name or path."""


class JobEnded(ClientError):
    """A job has ended without a result.

    Args:
        job_id: the job's id.
        message: why, as the service reports it.
    """

    def __init__(self, job_id: str, message: str) -> None:
        super().__init__(message)
        self.job_id = job_id

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.job_id, str(self)), vars(self)


class JobFailed(JobEnded):
    """A job's handler refused or raised, took too long, or its process died too often."""


class JobCancelled(JobEnded):
    """A job was cancelled."""


def _tree(kind: type[ServingError]) -> list[type[ServingError]]:
    return [kind, *(below for child in kind.__subclasses__() for below in _tree(child))]


#: The classes of the service's errors; of several with one code, and of several with one status, the first.
_KINDS = [
    kind for kind in _tree(ServingError) if vars(errors).get(kind.__name__) is kind and "code" in vars(kind)
]
_BY_CODE = {kind.code: kind for kind in reversed(_KINDS)}
_BY_STATUS = {kind.status: kind for kind in reversed(_KINDS)}


#: Statuses of a service that is unavailable for a moment, and of the proxies before it.
_UNAVAILABLE = frozenset({429, 502, 503, 504})


def is_unavailable(failure: Exception) -> bool:
    """Return whether a service may be back soon."""
    if isinstance(failure, ServingError):
        return failure.status in _UNAVAILABLE
    return isinstance(failure, (Unreachable, ConnectionLost))


def error_from_response(response: ApiResponse) -> ServingError:
    """Return the error that a response reports.

    Args:
        response: one whose status is 400 or more.
    """
    members = _error_members(response.body)
    code = str(members.get("code", ""))
    kind = _BY_CODE.get(code) or _BY_STATUS.get(response.status, ServingError)
    message = members.get("error") or f"The service answered {response.status} {reason(response.status)}"
    request_id = members.get("request_id") or response.headers.get("x-request-id")
    return _error(kind, str(message), response, code or kind.code, request_id)


def error_in_stream(members: dict[str, Any]) -> ServingError:
    """Return the error that is the last item of a stream, whose status was sent before."""
    kind = _BY_CODE.get(members["code"], ServingError)
    return _error(
        kind, str(members["error"]), ApiResponse(kind.status), str(members["code"]), members["request_id"]
    )


def _error(
    kind: type[ServingError], message: str, response: ApiResponse, code: str, request_id: str | None
) -> ServingError:
    """Return an error of a class, whatever its constructor takes."""
    error = kind.__new__(kind)
    Exception.__init__(error, message)
    shown = display.ShownError(kind.__name__, message, request_id)
    vars(error).update(status=response.status, code=code, request_id=request_id, _render_traceback_=shown)
    if issubclass(kind, (errors.TooManyRequests, errors.Unavailable)):
        vars(error)["retry_after"] = math.ceil(response.retry_after() or 1)
    if issubclass(kind, errors.MethodNotAllowed):
        names = response.headers.get("allow", "").split(",")
        vars(error)["allowed"] = tuple(name.strip() for name in names if name.strip())
    return error


def _error_members(body: bytes) -> dict[str, Any]:
    """Return the members of an error's body; none where it is not one of this library's."""
    try:
        members = json.loads(body)
    except ValueError:
        return {}
    return members if isinstance(members, dict) else {}
