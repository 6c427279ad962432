"""What is wrong with an answer, if anything is."""

from __future__ import annotations

import re
import traceback
from dataclasses import dataclass

from tests.fuzz.requests import Fuzzed
from tests.fuzz.senders import Answer

#: Seconds of CPU that 100 kB of a request may take, and a smaller one too, on the machine that limits are
#: written for: twice of what the rule allows, since all threads are measured.
CPU_SECONDS = 0.060
CPU_BYTES = 100_000

#: Seconds for a small file that decodes to as many pixels as are permitted.
MEDIA_SECONDS = 1.0
_MEDIA_PATHS = (b"/describe", b"/invert", b"/listen", b"/watch", b"/compare")

#: Seconds for a page of the operators', which is as long as the service is large.
_PAGE_SECONDS = 0.3
_PAGES = (b"/metrics", b"/__metrics", b"/openapi.json", b"/docs", b"/__dashboard")

_HEADER_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(rb"[^\x00-\x08\x0a-\x1f\x7f]*")


@dataclass(frozen=True)
class Finding:
    """A request that was answered as none may be.

    Args:
        index: of the request in its run.
        adapter: that it went through.
        request: itself.
        kind: what is wrong, in the words by which findings of one cause are known.
        details: for whoever mends it.
    """

    index: int
    adapter: str
    request: Fuzzed
    kind: str
    details: str

    def __str__(self) -> str:
        where = f"number {self.index}, adapter {self.adapter}"
        return f"{self.kind}\n  {where}\n  {_shown(self.request)}\n{self.details}"


def _shown(request: Fuzzed) -> str:
    text = repr(request)
    return text if len(text) < 3000 else f"{text[:2000]} … {text[-500:]} ({len(text):,} characters)"


def limit_of(request: Fuzzed, answer: Answer) -> float:
    """Return the seconds of CPU that a request and its answer may take, on the machine of the limits."""
    if request.target.startswith(_MEDIA_PATHS):
        return MEDIA_SECONDS
    if request.target.startswith(_PAGES):
        return _PAGE_SECONDS
    return CPU_SECONDS * max(1.0, (request.size + len(answer.body)) / CPU_BYTES)


def fault_of(request: Fuzzed, answer: Answer, logged: list[BaseException]) -> tuple[str, str] | None:
    """Return what is wrong with an answer, and the details; None for a good one.

    Args:
        request: what was sent.
        answer: what came.
        logged: the exceptions that the service logged meanwhile as its own.
    """
    if answer.raised is not None:
        return f"raised {_place(answer.raised)}", _trace(answer.raised)
    if answer.status >= 500 and not _is_excused(request, answer):
        place = _place(logged[-1]) if logged else ""
        return f"status {answer.status} {place}", _trace(logged[-1]) if logged else repr(answer.body[:300])
    if not 200 <= answer.status < 600:
        return f"status {answer.status}", ""
    for name, value in answer.headers:
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            return f"a header that breaks the response: {name!r}", repr(value)
    if answer.header(b"x-request-id") is None:
        return "no request id", repr(answer.headers)
    return None


def _is_excused(request: Fuzzed, answer: Answer) -> bool:
    """Return whether a server error is what the request asked for, or says when to come again."""
    if answer.status == 503:
        return answer.header(b"retry-after") is not None
    return answer.status == 504 and request.has(b"x-request-timeout")


def _place(error: BaseException) -> str:
    """Return type and line of an error, by which findings of one cause are known."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f"{frames[-1].filename.rpartition('site-packages/')[2]}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__} {where}"


def _trace(error: BaseException) -> str:
    text = "".join(traceback.format_exception(error))
    return text if len(text) < 4000 else f"{text[:1000]}\n …\n{text[-2500:]}"
