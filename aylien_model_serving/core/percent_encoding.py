"""Percent-encoding (RFC 3986, section 2.1) of bodies that may be large.

Standard library only. `urllib.parse.unquote_to_bytes` makes an object for each escape, a hundred bytes for
three of the text, so it gets a long text in blocks.
"""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

#: Bytes that are decoded at a time.
_BLOCK = 64 * 1024


def decoded(text: bytes) -> bytes:
    """Return a text with its escapes decoded; what is no escape stays as it is."""
    if b"%" not in text:
        return text
    if len(text) <= _BLOCK:
        return unquote_to_bytes(text)
    found, start = bytearray(), 0
    while start < len(text):
        end = start + _BLOCK
        if end < len(text):
            begun = text.rfind(b"%", end - 2, end)  # an escape that goes on in the next block
            end = end if begun < 0 else begun
        found += unquote_to_bytes(text[start:end])
        start = end
    return bytes(found)
