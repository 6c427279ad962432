"""Suggestions for an unknown word.

Standard library only.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

#: Known words that a suggestion lists at most.
_MAX_LISTED = 12


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return the end of an error message: the known word nearest to an unknown one, or all known words."""
    words = list(dict.fromkeys(known))
    close = difflib.get_close_matches(word, words, n=1, cutoff=0.5)
    if close:
        return f"; did you mean {close[0]!r}?"
    listed = ", ".join(words[:_MAX_LISTED]) + (", …" if len(words) > _MAX_LISTED else "")
    return f"; known are {listed}" if words else ""
