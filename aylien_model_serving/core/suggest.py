"""Suggestions for an unknown word.

Standard library only.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

#: Known words that a suggestion lists at most.
_MAX_LISTED = 12

#: How near a word has to be to be suggested in place of the list of all.
_LIKENESS = 0.5


def nearest(word: str, known: Iterable[str], likeness: float = 0.7) -> str:
    """Return the end of an error message: the known word nearest to an unknown one; empty if none is near.

    Args:
        word: the unknown one.
        known: the others.
        likeness: from 0 to 1, how near it has to be.
    """
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=likeness)
    return f"; did you mean {close[0]!r}?" if close else ""


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return the end of an error message: the known word nearest to an unknown one, or all known words."""
    words = list(dict.fromkeys(known))
    if near := nearest(word, words, _LIKENESS):
        return near
    listed = ", ".join(words[:_MAX_LISTED]) + (", …" if len(words) > _MAX_LISTED else "")
    return f"; known are {listed}" if words else ""
