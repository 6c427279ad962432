"""Characters that change how a line or a terminal shows what others have written, as escapes.

Standard library only.
"""

from __future__ import annotations

import re

#: The controls of C0 and C1 (ECMA-48), what ends a line or a paragraph, and what reorders text: UAX 9, 2.
_CHARACTERS = "\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufff9-\ufffb\ufeff"
_LONE_SURROGATES = "\ud800-\udfff"

#: One character of these.
CONTROLS = re.compile(f"[{_CHARACTERS}{_LONE_SURROGATES}]")

_BUT_LINES = re.compile(f"[{_CHARACTERS}{_LONE_SURROGATES}]".replace("\x00-\x1f", "\x00-\x08\x0b-\x1f"))

_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def escape(text: str) -> str:
    """Return a text as one line that means nothing to a terminal: `\\n`, `\\x1b`, `\\u2028`."""
    return CONTROLS.sub(_escaped, text)


def escape_but_lines(text: str) -> str:
    """Return a text of several lines, with tabs, that means nothing else to a terminal."""
    return _BUT_LINES.sub(_escaped, text)


def escape_in_json(text: str) -> str:
    """Return a JSON text with JSON's own escapes for the same characters, which only its strings hold."""
    return _BUT_LINES.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _escaped(found: re.Match[str]) -> str:
    character = found[0]
    code = ord(character)
    return _SHORT.get(character) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")
