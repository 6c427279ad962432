"""What to say of a word that nobody knows.

Standard library only.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

#: Words of a list that are shown.
_SHOWN = 12


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return a hint at the known word that is nearest to an unknown one, or at those that there are."""
    words = list(dict.fromkeys(known))
    close = difflib.get_close_matches(word, words, n=1, cutoff=0.5)
    if close:
        return f"; did you mean {close[0]!r}?"
    shown = ", ".join(words[:_SHOWN]) + (", …" if len(words) > _SHOWN else "")
    return f"; known are {shown}" if words else ""
