"""What a response says, for protocols whose answers are values: its JSON, its file, its events. Sans I/O."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any, NamedTuple


class StreamEvent(NamedTuple):
    """One event of a stream (server-sent events).

    Args:
        name: "item" of those without a name.
        value: its data.
    """

    name: str
    value: Any


class EventReader:
    """Reads the events of a stream, whose pieces may end anywhere."""

    def __init__(self) -> None:
        self._left = b""

    def feed(self, piece: bytes) -> Iterator[StreamEvent]:
        """Yield the events that a piece completes; comments are none."""
        *blocks, self._left = (self._left + piece).split(b"\n\n")
        for block in blocks:
            fields = [line.partition(b":")[::2] for line in block.split(b"\n")]
            data = [value.removeprefix(b" ") for name, value in fields if name == b"data"]
            if data:
                names = [value.strip().decode() for name, value in fields if name == b"event"]
                yield StreamEvent(names[-1] if names else "item", _json_or_text(b"\n".join(data)))


def _json_or_text(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return data.decode("utf-8", "replace")


def value_of(body: bytes, media_type: str) -> Any:
    """Return the value of a response's body: what its JSON says, its text, or a file object with Base64."""
    kind = media_type.partition(";")[0].strip().lower()
    if not body:
        return None
    if kind == "application/json" or kind.endswith("+json"):
        return json.loads(body)
    if kind.startswith("text/"):
        return body.decode("utf-8", "replace")
    return {"content_type": kind, "content": base64.b64encode(body).decode()}


def error_of(body: bytes, status: int) -> dict[str, Any]:
    """Return what the body of an error says, and its status; a page of somebody else's says nothing."""
    try:
        told = json.loads(body)
    except ValueError:
        told = None
    found = told if isinstance(told, dict) and told.get("error") else {}
    return {"error": f"The service answered with status {status}", **found, "status": status}
