"""Counts the arrays, objects and texts of a JSON text before it is decoded.

Pure. Each of them takes fifty to two hundred bytes of memory for two or three of the text; a number takes no
more than ten times its text, so numbers are not counted: they are bounded by the limit of the body.
"""

from __future__ import annotations

from aylien_model_serving.errors import TooManyItems

#: All bytes but those that begin an item.
_OTHERS = bytes(set(range(256)) - set(b'"[{'))


def check(text: bytes, most: int) -> None:
    """Refuse a text with more items than `most`.

    Raises:
        TooManyItems: it names the setting.
    """
    if _at_most(text) > most and _exactly(text, most) > most:
        raise TooManyItems(
            f"The body has more than {most:,} arrays, objects and texts, keys included: "
            "MODEL_SERVING_MAX_JSON_ITEMS says how many are accepted"
        )


def _at_most(text: bytes) -> int:
    """Return an upper bound: brackets and quotes within texts are counted too."""
    return text.count(b"{") + text.count(b"[") + text.count(b'"') // 2


def _exactly(text: bytes, most: int) -> int:
    """Return the number of items, or that of texts alone if these are more than `most`."""
    marks = text.replace(b"\\\\", b"").replace(b'\\"', b"").translate(None, _OTHERS)
    texts = marks.count(b'"') // 2
    if texts > most:
        return texts
    return texts + sum(map(len, marks.split(b'"')[::2]))
