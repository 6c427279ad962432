"""The forty requests that every protocol answers alike, and what their answers are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol


class Found(NamedTuple):
    """An answer: the fields of `Finding`, those that have their default included."""

    fields: Mapping[str, Any]


class Refused(NamedTuple):
    """An error, in terms that all protocols have.

    Args:
        kind: "invalid", "not found", "busy", "failed" or "late".
        message: what the client reads.
    """

    kind: str
    message: str


#: The kind of each HTTP status.
KINDS = {400: "invalid", 404: "not found", 429: "busy", 503: "busy", 500: "failed", 504: "late"}


class ProtocolClient(Protocol):
    """One protocol's client of the service."""

    def ask(self, fields: Mapping[str, Any]) -> Found | Refused:
        """Call `examine` with all fields of a `Reading`."""


class Case(NamedTuple):
    """One request.

    Args:
        name: of the test.
        fields: those that differ from `USUAL`.
        error: what is refused; None where it is answered.
    """

    name: str
    fields: Mapping[str, Any]
    error: Refused | None = None


USUAL: Mapping[str, Any] = {
    "text": "a text",
    "count": 1,
    "scale": 1.0,
    "loud": False,
    "values": [],
    "tags": [],
    "failure": "",
}


def fields_of(case: Case) -> dict[str, Any]:
    """Return all fields of a request."""
    return {**USUAL, **case.fields}


def finding_of(fields: Mapping[str, Any]) -> Found:
    """Return what is found of these fields: an oracle that shares nothing with the handler."""
    text = fields["text"]
    total = math.fsum(number * fields["scale"] for number in fields["values"])
    return Found(
        {
            "text": text.upper() if fields["loud"] else text,
            "count": fields["count"] + len(fields["tags"]),
            "total": total,
            "loud": fields["loud"],
            "values": list(reversed(fields["values"])),
            "tags": sorted(fields["tags"]),
        }
    )


_GENERIC = "The service failed to answer this request"

CASES = (
    Case("usual", {}),
    Case("empty text", {"text": ""}),
    Case("long text", {"text": "word " * 2000}),
    Case("umlauts", {"text": "Äpfel, Öl und Übermut"}),
    Case("emoji beyond the basic plane", {"text": "🚀 to the 🌙"}),
    Case("right to left", {"text": "שלום עולם"}),
    Case("han", {"text": "模型服务"}),
    Case("combining marks", {"text": "e\u0301 is not é"}),
    Case("quotes and backslashes", {"text": 'say "no" to C:\\new\\table'}),
    Case("line breaks and tabs", {"text": "one\ntwo\r\n\tthree"}),
    Case("NUL", {"text": "before\x00after"}),
    Case("control characters", {"text": "\x01\x1f\x7f"}),
    Case("markup", {"text": "<script>alert('&amp;')</script>"}),
    Case("spaces at both ends", {"text": "  padded  "}),
    Case("zero", {"count": 0}),
    Case("negative count", {"count": -7}),
    Case("largest count", {"count": 2**31 - 1}),
    Case("smallest count", {"count": -(2**31)}),
    Case("loud", {"loud": True, "text": "quiet"}),
    Case("loud sharp s", {"loud": True, "text": "straße"}),
    Case("one value", {"values": [2.5]}),
    Case("whole values", {"values": [1.0, 2.0, 3.0]}),
    Case("negative values", {"values": [-1.5, -2.5], "scale": -1.0}),
    Case("scale of zero", {"values": [1.0], "scale": 0.0}),
    Case("large values", {"values": [1e300], "scale": 1e-300}),
    Case("small values", {"values": [5e-324]}),
    Case("a third", {"values": [1 / 3]}),
    Case("many values", {"values": [float(number) for number in range(1000)], "scale": 0.5}),
    Case("one tag", {"tags": ["only"]}),
    Case("tags in disorder", {"tags": ["b", "a", "c"]}),
    Case("an empty tag", {"tags": [""]}),
    Case("tags of many letters", {"tags": ["ß", "語", "🚀", "a b"]}),
    Case(
        "refused by the handler",
        {"failure": "invalid"},
        Refused("invalid", "text: a language that is not known"),
    ),
    Case(
        "not found by the handler",
        {"failure": "not found"},
        Refused("not found", "There is no model of this name"),
    ),
    Case("a busy handler", {"failure": "busy"}, Refused("busy", "The model is being loaded")),
    Case("called too often", {"failure": "often"}, Refused("busy", "Ten calls a minute, and no more")),
    Case("a handler that raises", {"failure": "raised"}, Refused("failed", _GENERIC)),
    Case("a handler that exits", {"failure": "exit"}, Refused("failed", _GENERIC)),
    Case(
        "an answer that does not fit",
        {"failure": "unfit"},
        Refused("failed", "The service made an answer that is not valid"),
    ),
    Case(
        "a handler that is late",
        {"failure": "late"},
        Refused("late", "The answer took longer than this route allows"),
    ),
)
