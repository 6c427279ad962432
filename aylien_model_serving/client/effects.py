"""Requests, responses and effects: what the client's pure functions yield, and what its drivers send back.

Pure: knows neither sockets nor clocks. An operation is a generator of effects: it yields one, and is resumed
with what came of it, so that one and the same code serves the blocking client and the one for asyncio.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any

from aylien_model_serving.client.files import Upload

EVENT_STREAM = "text/event-stream"
NDJSON = "application/x-ndjson"

#: Media types whose body is read piece by piece.
STREAM_MEDIA_TYPES = frozenset({EVENT_STREAM, NDJSON})

#: Methods that may be repeated, for they change nothing, or the same thing twice.
IDEMPOTENT_METHODS = frozenset({"GET", "HEAD", "DELETE"})


@dataclass(frozen=True)
class ApiRequest:
    """A request to the service.

    Args:
        method: the HTTP method in upper case.
        path: below the service's URL, quoted.
        query: names and values of the query string.
        headers: further headers.
        body: the whole body, unless there is a form.
        form: names and values of a multipart form.
        idempotent: whether it does no harm to send it twice.
    """

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    form: tuple[tuple[str, str | Upload], ...] = ()
    idempotent: bool = False


@dataclass(frozen=True)
class ApiResponse:
    """A response of the service.

    Args:
        status: the HTTP status.
        headers: by lower-case name.
        body: the whole body, unless it is streamed.
        reader: what the driver reads a streamed body from, piece by piece; None where the body is whole.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    reader: Any = None

    @property
    def media_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def retry_after(self) -> float | None:
        """Return the seconds after which a further try makes sense, if the service says so.

        A date (RFC 9110, section 10.2.3) counts from the response's own, for clocks differ.
        """
        value = self.headers.get("retry-after", "").strip()
        if value.isascii() and value.isdigit():
            return float(value)
        try:
            until, now = (parsedate_to_datetime(text) for text in (value, self.headers.get("date", "")))
            return max(0.0, (until - now).total_seconds())
        except (TypeError, ValueError):
            return None


@dataclass(frozen=True)
class SendRequest:
    """Send a request; resumed with its `ApiResponse`, or a `ClientError` is thrown in.

    Args:
        request: the request.
        seconds: within which the response has to be there.
    """

    request: ApiRequest
    seconds: float


@dataclass(frozen=True)
class ReadBody:
    """Read the next piece of a streamed body; resumed with bytes, or with None at the end.

    Args:
        reader: the response's.
        seconds: within which something has to come.
    """

    reader: Any
    seconds: float


@dataclass(frozen=True)
class Sleep:
    """Wait for some seconds."""

    seconds: float


@dataclass(frozen=True)
class YieldItem:
    """Yield an item to the caller, who iterates."""

    item: Any


@dataclass(frozen=True)
class ReportState:
    """Report a job's state to the caller's callback, if there is one."""

    state: Any


Effect = SendRequest | ReadBody | Sleep | YieldItem | ReportState
Effects = Generator[Effect, Any, Any]
