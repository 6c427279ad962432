"""What is asked, what is answered, and the steps of a story: the words between the core and its drivers.

Pure: knows neither sockets nor clocks. A story is a generator: it yields a step, and is sent what came of it.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any

from aylien_model_serving.client.files import Upload

EVENT_STREAM = "text/event-stream"
NDJSON = "application/x-ndjson"

#: Media types whose body is taken piece by piece.
STREAM_MEDIA_TYPES = frozenset({EVENT_STREAM, NDJSON})

#: Methods that may be repeated, for they change nothing, or the same thing twice.
IDEMPOTENT_METHODS = frozenset({"GET", "HEAD", "DELETE"})


@dataclass(frozen=True)
class ApiRequest:
    """One request.

    Args:
        method: the HTTP method in upper case.
        path: below the service's URL, quoted.
        query: names and values of the query string.
        headers: further headers.
        body: the whole body, unless there is a form.
        form: names and values of a multipart form.
        repeatable: whether it does no harm to ask twice.
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
    """One answer.

    Args:
        status: the HTTP status.
        headers: by lower-case name.
        body: the whole body, unless it is live.
        live: what the driver reads the body from, piece by piece.
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

        A date (RFC 9110, section 10.2.3) counts from the answer's own, for clocks differ.
        """
        told = self.headers.get("retry-after", "").strip()
        if told.isascii() and told.isdigit():
            return float(told)
        try:
            until, now = (parsedate_to_datetime(text) for text in (told, self.headers.get("date", "")))
            return max(0.0, (until - now).total_seconds())
        except (TypeError, ValueError):
            return None


@dataclass(frozen=True)
class SendRequest:
    """Send a question; an `ApiResponse` comes back, or a `ClientError` is thrown in.

    Args:
        question: the question.
        seconds: within which the answer has to be there.
    """

    request: ApiRequest
    seconds: float


@dataclass(frozen=True)
class ReadBody:
    """Read on; bytes come back, or None at the end.

    Args:
        live: the answer's.
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
    """Hand an item to the caller, who iterates."""

    item: Any


@dataclass(frozen=True)
class ReportState:
    """Show a job's state to whoever wants to see it."""

    state: Any


Effect = SendRequest | ReadBody | Sleep | YieldItem | ReportState
Effects = Generator[Effect, Any, Any]
