"""What a request was that has been answered, for the access log: the application is done with it by then."""

from __future__ import annotations

from typing import Any

from aylien_model_serving.core import callers
from aylien_model_serving.core.messages import REQUEST_ID_HEADER, REQUEST_INFO


def caller(environ: Any) -> callers.Caller:
    """Return who made a request: WSGI workers keep what the application has written there."""
    info = environ.get(REQUEST_INFO)
    if info is not None:
        return info.caller  # type: ignore[no-any-return]  # a RequestInfo, which is not imported for this
    noted = callers.noted.get()
    return noted[-1] if noted else callers.NOBODY


def request_id(resp: Any) -> str:
    """Return the id in an answer's headers, which some workers keep as bytes."""
    for name, value in getattr(resp, "headers", ()):
        if _text(name).lower() == REQUEST_ID_HEADER.lower():
            return _text(value)
    return "-"


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
