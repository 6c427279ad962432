"""The exceptions of this library, as one tree: every way in which a request can fail.

Standard library only. Each class carries the HTTP status, a machine-readable code, and a message
that is safe to show to a client.

    ServingError                 500  internal_error
    ├── BadRequest               400  bad_request
    │   ├── InvalidRequest       400  invalid_request       raised by handlers
    │   ├── MalformedBody        400  malformed_body
    │   ├── SchemaMismatch       400  schema_mismatch
    │   ├── FieldMismatch        400  field_mismatch
    │   ├── HostNotAllowed       400  host_not_allowed
    │   └── FileNotFetched       400  file_not_fetched
    ├── Unauthorized             401  unauthorized
    ├── Forbidden                403  forbidden
    ├── CrossOriginRefused       403  cross_origin_refused
    ├── NotFound                 404  not_found
    ├── MethodNotAllowed         405  method_not_allowed
    ├── Conflict                 409  conflict
    ├── BodyTooLarge             413  body_too_large
    ├── TooManyItems             413  too_many_items
    ├── FileTooLarge             413  file_too_large
    ├── UnsupportedMediaType     415  unsupported_media_type
    │   └── UnsupportedCoding    415  unsupported_coding    with Accept-Encoding
    ├── IdempotencyKeyReused     422  idempotency_key_reused
    ├── TooManyRequests          429  too_many_requests     with Retry-After
    ├── HandlerFailed            500  internal_error
    ├── InvalidAnswer            500  invalid_answer
    ├── Unavailable              503  unavailable           with Retry-After
    └── DeadlineExceeded         504  deadline_exceeded

`ConfigurationError` is no part of the tree: it stops a service at start and never reaches a client.
"""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, ClassVar


class ConfigurationError(ValueError):
    """A service is configured wrongly and must not start."""


class ServingError(Exception):
    """A request could not be answered.

    Args:
        message: what is wrong, in words that a client may read; the class's own message when omitted.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    message: ClassVar[str] = "The service failed to answer this request"

    #: Id of the request that failed, where a client raises the error.
    request_id: str | None = None

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.message)

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickled, (type(self), self.args, vars(self))

    def headers(self) -> list[tuple[str, str]]:
        """Return the response headers that belong to this error."""
        return []


def _unpickled(kind: type[ServingError], args: tuple[Any, ...], members: dict[str, Any]) -> ServingError:
    """Return an error as it was before it was pickled, whatever its constructor takes."""
    error = kind.__new__(kind)
    error.args = args
    vars(error).update(members)
    return error


class BadRequest(ServingError):
    """The client sent a request that cannot be answered."""

    status = 400
    code = "bad_request"
    message = "The request is not valid"


class InvalidRequest(BadRequest):
    """A handler refuses its input; the message reaches the client."""

    code = "invalid_request"


class MalformedBody(BadRequest):
    """The body does not match its media type."""

    code = "malformed_body"
    message = "The body can't be read"


class SchemaMismatch(BadRequest):
    """The fields do not fit the request schema."""

    code = "schema_mismatch"


class FieldMismatch(BadRequest):
    """A field is missing, unexpected, or given twice."""

    code = "field_mismatch"


class HostNotAllowed(BadRequest):
    """The request is for a host that is not this service's.

    Not 421, on which a client may send the request again by another connection (RFC 9110, section 15.5.20).
    """

    code = "host_not_allowed"
    message = "This service does not answer for this host"


class FileNotFetched(BadRequest):
    """A file was given as a URL, and could not be fetched from there."""

    code = "file_not_fetched"
    message = "The file can't be fetched from its URL"


class Unauthorized(ServingError):
    """The request carries no API key."""

    status = 401
    code = "unauthorized"
    message = "An API key is needed: send it as 'Authorization: Bearer <key>' or 'X-API-Key: <key>'"

    def headers(self) -> list[tuple[str, str]]:
        return [("WWW-Authenticate", "Bearer")]


class Forbidden(ServingError):
    """The request carries a wrong API key."""

    status = 403
    code = "forbidden"
    message = "The API key is not valid"


class CrossOriginRefused(ServingError):
    """A browser made the request for a page of an origin that may not make it."""

    status = 403
    code = "cross_origin_refused"
    message = "A page of another origin may not make this request"


class NotFound(ServingError):
    """No route has this path."""

    status = 404
    code = "not_found"
    message = "No such path"


class MethodNotAllowed(ServingError):
    """The path exists, but not for this method.

    Args:
        allowed: the methods that the path answers.
    """

    status = 405
    code = "method_not_allowed"
    message = "This path does not answer this method"

    def __init__(self, allowed: tuple[str, ...] = ()) -> None:
        super().__init__(f"This path answers {', '.join(allowed)} only" if allowed else None)
        self.allowed = allowed

    def headers(self) -> list[tuple[str, str]]:
        return [("Allow", ", ".join(self.allowed))]


class Conflict(ServingError):
    """The request does not go with what is being done already."""

    status = 409
    code = "conflict"
    message = "This is being done already"


class BodyTooLarge(ServingError):
    """The body is over the limit.

    Args:
        limit: the largest accepted body in bytes.
    """

    status = 413
    code = "body_too_large"
    message = "The body is too large"

    def __init__(self, limit: int | None = None) -> None:
        super().__init__(f"The body is larger than the {limit:,} bytes accepted here" if limit else None)


class TooManyItems(ServingError):
    """The body has more items than are decoded here: each takes memory, however small the body is."""

    status = 413
    code = "too_many_items"
    message = "The body has too many items"


class FileTooLarge(ServingError):
    """A file is larger than is decoded or fetched here; a small body may expand to such a file."""

    status = 413
    code = "file_too_large"
    message = "The file is too large"


class UnsupportedMediaType(ServingError):
    """The body's media type is not understood."""

    status = 415
    code = "unsupported_media_type"
    message = "This media type is not understood here"


class UnsupportedCoding(UnsupportedMediaType):
    """The body's Content-Encoding is not understood.

    Args:
        message: what is wrong.
        accepted: the codings that are (RFC 9110, section 15.5.16).
    """

    code = "unsupported_coding"
    message = "This Content-Encoding is not understood here"
    accepted: tuple[str, ...] = ()

    def __init__(self, message: str | None = None, accepted: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.accepted = accepted

    def headers(self) -> list[tuple[str, str]]:
        return [("Accept-Encoding", ", ".join(self.accepted) or "identity")]


class _RetryLater(ServingError):
    """A temporary error.

    Args:
        retry_after: seconds after which a retry makes sense.
    """

    def __init__(self, message: str | None = None, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after

    def headers(self) -> list[tuple[str, str]]:
        return [("Retry-After", str(self.retry_after))]


class IdempotencyKeyReused(ServingError):
    """The request carries the idempotency key of another one (draft-ietf-httpapi-idempotency-key-header)."""

    status = 422
    code = "idempotency_key_reused"
    message = "Idempotency-Key: an earlier request that was not equal to this one has the same key"


class TooManyRequests(_RetryLater):
    """A limit for this client or route is reached.

    Args:
        retry_after: seconds after which a retry makes sense.
        limits: further headers, which say what the limits are.
    """

    status = 429
    code = "too_many_requests"
    message = "Too many requests"

    #: Those of an error that a client raises are headers of its response.
    limits: tuple[tuple[str, str], ...] = ()

    def __init__(
        self, message: str | None = None, retry_after: int = 1, limits: Iterable[tuple[str, str]] = ()
    ) -> None:
        super().__init__(message, retry_after)
        self.limits = tuple(limits)

    def headers(self) -> list[tuple[str, str]]:
        return [*super().headers(), *self.limits]


class HandlerFailed(ServingError):
    """The handler raised; the cause is chained for the log."""


class InvalidAnswer(ServingError):
    """The handler's answer does not fit its schema or can't be encoded."""

    code = "invalid_answer"
    message = "The service made an answer that is not valid"


class Unavailable(_RetryLater):
    """The service can't take this request at the moment."""

    status = 503
    code = "unavailable"
    message = "The service is not available at the moment"


class DeadlineExceeded(ServingError):
    """The deadline passed before the answer was there."""

    status = 504
    code = "deadline_exceeded"
    message = "The answer took longer than this route allows"


def reason(status: int) -> str:
    """Return the standard phrase of an HTTP status, e.g. 404 → 'Not Found'."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
