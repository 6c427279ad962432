"""Bodies that come piece by piece → the items in them.

Pure. Server-sent events are read as the standard says, section 9.2.6 of
https://html.spec.whatwg.org/multipage/server-sent-events.html; lines of JSON as https://github.com/ndjson/ndjson-spec.
By hand, because httpx-sse iterates a response itself; here each read is an effect with its own time limit.
"""

from __future__ import annotations

import codecs
import re
from typing import Any, AnyStr, NamedTuple, Protocol

from aylien_model_serving.client.effects import (
    EVENT_STREAM,
    NDJSON,
    ApiResponse,
    Effects,
    ReadBody,
    YieldItem,
)
from aylien_model_serving.client.errors import error_in_stream
from aylien_model_serving.client.files import decode_files
from aylien_model_serving.client.responses import parse_json

_ERROR = {"error", "code", "request_id"}

_END = re.compile(r"\r\n|\n|\r")


class Event(NamedTuple):
    """One event.

    Args:
        name: its kind; "message" where it has none.
        data: its text.
    """

    name: str
    data: str


class Decoder(Protocol):
    """Decodes the pieces of a body into events."""

    def feed(self, piece: bytes) -> list[Event]:
        """Return the events that this piece completes."""

    def end(self) -> list[Event]:
        """Return what is left at the end of the body."""


class EventDecoder:
    """Decodes server-sent events."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")("replace")
        self._held = ""
        self._parts: list[str] = []
        self._name = ""
        self._data: list[str] = []

    def feed(self, piece: bytes) -> list[Event]:
        text = self._held + self._decoder.decode(piece)
        self._held = "\r" if text.endswith("\r") else ""  # may be half of a line's end
        segments = _END.split(text.removesuffix(self._held))
        return [
            event
            for line in _complete_lines(self._parts, segments)
            if (event := self._decode_line(line)) is not None
        ]

    def end(self) -> list[Event]:
        return []  # an event that no empty line has ended is not one

    def _decode_line(self, line: str) -> Event | None:
        if not line:
            event = Event(self._name or "message", "\n".join(self._data)) if self._data else None
            self._name, self._data = "", []
            return event
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._name = value
        return None


class NdjsonDecoder:
    """Decodes lines of JSON."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def feed(self, piece: bytes) -> list[Event]:
        return [_line(line) for line in _complete_lines(self._parts, piece.split(b"\n")) if line.strip()]

    def end(self) -> list[Event]:
        rest, self._parts = b"".join(self._parts), []
        return [_line(rest)] if rest.strip() else []


def _complete_lines(parts: list[AnyStr], segments: list[AnyStr]) -> list[AnyStr]:
    """Return the lines that a piece completes; each part of a long line is scanned once.

    Args:
        parts: of the line that has begun; those of the next one afterwards.
        segments: the piece, split at the ends of lines.
    """
    parts.append(segments[0])
    nothing = segments[0][:0]
    lines = []
    for tail in segments[1:]:
        lines.append(nothing.join(parts))
        parts.clear()
        parts.append(tail)
    return lines


def _line(line: bytes) -> Event:
    return Event("line", line.decode(errors="replace"))


DECODERS: dict[str, type[Decoder]] = {EVENT_STREAM: EventDecoder, NDJSON: NdjsonDecoder}


def stream_items(response: ApiResponse, seconds: float) -> Effects:
    """Yield the items of a route that streams.

    Args:
        response: whose body is streamed.
        seconds: that may pass without a piece.

    Raises:
        ServingError: the handler failed on the way.
    """
    decoder = DECODERS[response.media_type]()
    while True:
        piece = yield ReadBody(response.reader, seconds)
        for event in decoder.end() if piece is None else decoder.feed(piece):
            yield YieldItem(_item(event))
        if piece is None:
            return


def _item(event: Event) -> Any:
    value = parse_json(event.data.encode())
    is_error = isinstance(value, dict) and value.keys() >= _ERROR
    if is_error and (event.name == "error" or (event.name == "line" and value.keys() == _ERROR)):
        raise error_in_stream(value)
    return decode_files(value)
