"""HTTP's statuses, which the errors of a service have, as gRPC's codes.

https://grpc.io/docs/guides/status-codes/ says what each code means.
"""

from __future__ import annotations

from grpc import StatusCode

_CODES = {
    400: StatusCode.INVALID_ARGUMENT,
    401: StatusCode.UNAUTHENTICATED,
    403: StatusCode.PERMISSION_DENIED,
    404: StatusCode.NOT_FOUND,
    405: StatusCode.UNIMPLEMENTED,
    409: StatusCode.ABORTED,
    412: StatusCode.FAILED_PRECONDITION,
    413: StatusCode.RESOURCE_EXHAUSTED,
    415: StatusCode.INVALID_ARGUMENT,
    422: StatusCode.INVALID_ARGUMENT,
    429: StatusCode.RESOURCE_EXHAUSTED,
    499: StatusCode.CANCELLED,
    501: StatusCode.UNIMPLEMENTED,
    503: StatusCode.UNAVAILABLE,
    504: StatusCode.DEADLINE_EXCEEDED,
}


def code_of(status: int) -> StatusCode:
    """Return the code of an error's status; those of handlers may be any from 300 on."""
    found = _CODES.get(status)
    if found is not None:
        return found
    return StatusCode.FAILED_PRECONDITION if status < 500 else StatusCode.INTERNAL
