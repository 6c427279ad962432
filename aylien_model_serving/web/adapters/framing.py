"""What a request says about its own frame: its target's form, and the length of its body."""

from __future__ import annotations

import re
from collections.abc import MutableMapping
from typing import Any

from aylien_model_serving.errors import MalformedBody

#: Digits of a declared length: more than any body has, and fewer than `int` refuses to convert.
MAX_LENGTH_DIGITS = 20

#: Scheme and authority of an absolute-form target (RFC 9112, section 3.2.2).
_ORIGIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")


def declared_length(text: str) -> int:
    """Return the length in bytes that a Content-Length declares.

    Args:
        text: the header's value, of bytes that were decoded as Latin-1: its decimal digits are ASCII's alone.

    Raises:
        MalformedBody: it is no number, or one that no body has (RFC 9110, section 8.6: a server may refuse).
    """
    if not text.isdecimal() or len(text) > MAX_LENGTH_DIGITS:
        raise MalformedBody("The header Content-Length is not a number of bytes")
    return int(text)


def check_length(text: str | None) -> None:
    """Refuse a request whose declared length can't be used, before anything reads its body.

    Args:
        text: the header's value; None or nothing where it is absent.

    Raises:
        MalformedBody: see `declared_length`.
    """
    if text:
        declared_length(text)


def origin_form(scope: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Return an ASGI scope whose path begins with a slash.

    Servers should accept `GET http://host/path` (RFC 9112, section 3.2.2), and some pass it on as it is. A
    path that is of neither form, such as the asterisk of OPTIONS, stays.
    """
    path: str = scope["path"]
    found = _ORIGIN.match(path)
    if found is None:
        return scope
    raw: bytes = scope.get("raw_path") or b""
    rest = _ORIGIN.sub("", raw.decode("latin-1"), count=1).encode("latin-1")
    return {**scope, "path": path[found.end() :] or "/", "raw_path": rest or b"/"}
