"""Requests and responses, free of any web framework: `Call` and `Reply`.

Standard library only. An adapter turns its protocol's request into a `Call`, and a `Reply` into its
protocol's response.
"""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from aylien_model_serving.core.call_scope import CallScope

REQUEST_ID_HEADER = "X-Request-ID"

Buffer = bytes | bytearray | memoryview

#: Key of a request's start time, id and caller in a WSGI environ.
REQUEST_INFO = "model_serving.request_info"

#: The id of the request that is being handled; "-" outside of one.
current_request_id: ContextVar[str] = ContextVar("model_serving_request_id", default="-")

#: The id of the job that is being worked on; "" outside of one.
current_job_id: ContextVar[str] = ContextVar("model_serving_job_id", default="")

_SAFE_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+=@/-]{0,127}")


#: The seconds that a client is willing to wait for the response.
TIMEOUT_HEADER = "x-request-timeout"


def deadline_of(timeout: float | None, headers: Mapping[str, str]) -> float | None:
    """Return the deadline, in `time.monotonic()` seconds, of a request that has just arrived.

    Args:
        timeout: the seconds that the route allows; a client may ask for less, but not for more.
        headers: of the request; a timeout that is no number of seconds above 0 is ignored.
    """
    requested = headers.get(TIMEOUT_HEADER)
    if requested is not None:
        seconds = _seconds(requested)
        if seconds is not None and (timeout is None or seconds < timeout):
            timeout = seconds
    return None if timeout is None else time.monotonic() + timeout


def _seconds(text: str) -> float | None:
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if 0 < seconds < threading.TIMEOUT_MAX else None


def choose_request_id(offered: str | None) -> str:
    """Return the client's request id if it is safe in a log and a header, else one of 128 random bits."""
    if offered and _SAFE_REQUEST_ID.fullmatch(offered):
        return offered
    return f"{random.getrandbits(128):032x}"


Send = Callable[[list[Buffer]], None]


class InputStream(Protocol):
    """An argument whose items its caller makes while the call runs.

    `number` names it on a connection; once it `has_begun`, its call can't be sent again; `error` is what the
    caller's iterator has raised.
    """

    number: int
    has_begun: bool
    error: BaseException | None

    def attach(self, send: Send, detach: Callable[[], object]) -> None:
        """Have items sent by a connection, in place of the one before."""

    def grant(self, items: int) -> None:
        """Send so many further items."""

    def close(self) -> None:
        """Make no further items; a second call does nothing."""


class InnerCall(NamedTuple):
    """What belongs to a call that one process of a service makes of another.

    Args:
        models: those whose handlers wait for it, the outermost first.
        parts: buffers that follow the body.
        scope: of the code that makes the call; with its own call, this one is abandoned.
        inputs: the arguments that are streams.
    """

    models: tuple[str, ...] = ()
    parts: Sequence[Buffer] = ()
    scope: CallScope = CallScope()
    inputs: Sequence[InputStream] = ()


@dataclass(slots=True)
class Call:
    """One request for one route.

    Args:
        method: the HTTP method in upper case.
        path: the decoded path.
        query: the query string as it was sent, without the question mark.
        headers: header values by lower-case name.
        body: the whole body.
        path_values: the values that the route's converters read from the path.
        request_id: the id that every log line and the response carry.
        deadline: `time.monotonic()` seconds after which nobody waits for the response.
        caller: the name of the API key's owner; "" where the service has no keys.
        content_coding: the value of Content-Encoding, as long as the body has it.
        body_limit: bytes that the body may have without its coding; None for no limit.
        parameters: the texts of the headers and cookies that the handler takes, by its parameters' names.
        inner: what else there is to a call of a model, which code of the service makes; None for a request.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    path_values: Mapping[str, object]
    request_id: str
    deadline: float | None = None
    caller: str = ""
    content_coding: str | None = None
    body_limit: int | None = None
    parameters: Mapping[str, str] | None = None
    inner: InnerCall | None = None


class Chunks(Protocol):
    """A body that is produced chunk by chunk; whoever consumes it closes it."""

    def __iter__(self) -> Iterator[bytes]: ...

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    def close(self) -> None:
        """Stop producing the body; a second call does nothing."""


@dataclass(slots=True)
class Reply:
    """One response.

    Args:
        status: the HTTP status.
        body: the whole body, unless there are chunks.
        media_type: the value of Content-Type.
        headers: further headers, in order.
        chunks: the body in chunks, sent as they are produced.
        varies_by: what the handler has read beside its fields, as `core.reads` names it.
        parts: buffers that follow the body, between processes of one service.
        after: called by whoever sends the response when that is done, also if nobody received it; is quick.
    """

    status: int
    body: bytes
    media_type: str = "application/json"
    headers: list[tuple[str, str]] = field(default_factory=list)
    chunks: Chunks | None = None
    after: Callable[[], None] | None = None
    varies_by: tuple[str, ...] = ()
    parts: Sequence[Buffer] = ()
