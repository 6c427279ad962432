"""Counts the arrays, objects and texts of a JSON text before it is decoded.

Pure. Each of them takes fifty to two hundred bytes of memory for two or three of the text; a number takes no
more than ten times its text, so numbers are not counted: they are bounded by the limit of the body. Pydantic,
which makes an error of five hundred bytes for each value that does not fit, needs them counted too.
"""

from __future__ import annotations

from aylien_model_serving.errors import TooManyItems


def _all_but(marks: bytes) -> bytes:
    return bytes(set(range(256)) - set(marks))


#: All bytes but those that begin an item, and all but those that begin a value or follow one.
_NO_ITEMS, _NO_VALUES = _all_but(b'"[{'), _all_but(b'"[{,')


def check(text: bytes, most: int, *, numbers: bool = False) -> None:
    """Refuse a text with more items than `most`.

    Args:
        text: JSON.
        most: the arrays, objects and texts, keys included, that it may have.
        numbers: whether it may have no more numbers either, together with arrays and objects.

    Raises:
        TooManyItems: it names the setting.
    """
    brackets = text.count(b"{") + text.count(b"[")  # and those within texts
    if brackets + text.count(b'"') // 2 > most and _items(text, most) > most:
        raise TooManyItems(
            f"The body has more than {most:,} arrays, objects and texts, keys included: {_SETTING}"
        )
    if numbers and brackets + text.count(b",") > most and _values(text) > most:
        raise TooManyItems(f"The body has more than {most:,} values, numbers included: {_SETTING}")


_SETTING = "MODEL_SERVING_MAX_JSON_ITEMS says how many are accepted"


def _items(text: bytes, most: int) -> int:
    """Return the number of items, or that of texts alone if these are more than `most`."""
    marks = _without_escapes(text).translate(None, _NO_ITEMS)
    texts = marks.count(b'"') // 2
    return texts if texts > most else texts + _outside_of_texts(marks)


def _values(text: bytes) -> int:
    """Return the number of values that are not texts."""
    return _outside_of_texts(_without_escapes(text).translate(None, _NO_VALUES))


def _without_escapes(text: bytes) -> bytes:
    return text.replace(b"\\\\", b"").replace(b'\\"', b"")


def _outside_of_texts(marks: bytes) -> int:
    """Return how many marks are not within texts; window by window, between which other threads may run."""
    found, is_within = 0, False
    for start in range(0, len(marks), _WINDOW):
        parts = marks[start : start + _WINDOW].split(b'"')
        found += sum(map(len, parts[is_within::2]))
        is_within ^= len(parts) % 2 == 0
    return found


#: Marks that are looked at in one go.
_WINDOW = 64 * 1024
