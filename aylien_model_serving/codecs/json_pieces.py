"""Cuts a long JSON text into pieces that are decoded one by one, and puts their values together.

Pure. The decoder holds the interpreter's lock from a text's first byte to its last: no other thread or
greenlet runs for as long as eight megabytes take. So a text is cut at commas between values. Each piece is a
JSON text of its own: the arrays and objects that are open at a cut are closed at the end of one piece, and
opened again at the beginning of the next.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from aylien_model_serving.errors import MalformedBody

#: Bytes of a piece, less what is left of the text or value that the cut comes to.
SIZE = 128 * 1024

#: The key below which a piece has what goes on within an object; nobody can send it. It is of digits, which
#: no check of numbers takes for an exponent.
_OPEN_KEY = str(secrets.randbits(128))


class Piece(NamedTuple):
    """A part of a text that is a JSON text itself.

    Args:
        text: the part, within the arrays and objects that it is in.
        opened: how many of these are open where it begins.
        closed: how many are open where it ends.
        shift: from a place in `text` to that in the whole.
    """

    text: bytes
    opened: int
    closed: int
    shift: int


def pieces(body: bytes, size: int = SIZE) -> Iterator[Piece]:
    """Yield the pieces of a text; where it is no JSON, one of them is none either.

    Args:
        body: the text.
        size: bytes of a piece.
    """
    start, chain = 0, b""
    while (cut := _next_cut(body, start, size)) is not None:
        part, head = body[start:cut], _opened(chain)
        after = _open_behind(part, chain)
        if not after or not _is_between_values(part, body, cut):
            break
        yield Piece(b"".join((head, part, _closed(after))), len(chain), len(after), start - len(head))
        start, chain = cut + 1, after
    head = _opened(chain)
    yield Piece(head + body[start:], len(chain), 0, start - len(head))


def _next_cut(body: bytes, start: int, size: int) -> int | None:
    """Return the place of the first comma outside of texts so many bytes on; None close to the end."""
    place = start + size
    if place + size // 2 >= len(body):
        return None
    skipped = _blanked(body, start, place)
    place = start + len(skipped)
    if skipped.count(b'"') % 2:
        place = _end_of_text(body, place)
    while (mark := _COMMA_OR_TEXT.search(body, place)) is not None:
        if mark[0] == b",":
            return mark.start()
        place = _end_of_text(body, mark.end())
    return None


_COMMA_OR_TEXT = re.compile(rb'[,"]')


def _blanked(body: bytes, start: int, end: int) -> bytes:
    """Return a text from `start` to `end`, or a byte more, with blanks for escaped quotes and backslashes."""
    part = body[start:end]
    if b"\\" not in part:
        return part
    if (len(part) - len(part.rstrip(b"\\"))) % 2:
        part += body[end : end + 1]
    return part.replace(b"\\\\", b"  ").replace(b'\\"', b"  ")


def _end_of_text(body: bytes, place: int) -> int:
    """Return the place behind the text that one is in; the body's end where it has none."""
    width = _SHORT
    while place < len(body):
        part = _blanked(body, place, place + width)
        if (quote := part.find(b'"')) >= 0:
            return place + quote + 1
        place, width = place + len(part), min(2 * width, SIZE)
    return place


#: Bytes that are first looked at for the end of a text: most are short, and there may be many before a comma.
_SHORT = 64


def _open_behind(part: bytes, chain: bytes) -> bytes | None:
    """Return the brackets that are open behind a part of a text; None where one has no other half.

    Args:
        part: begins and ends outside of texts.
        chain: the brackets that are open before it.
    """
    brackets = b"".join(_blanked(part, 0, len(part)).translate(None, _NO_BRACKETS).split(b'"')[::2])
    still_open = bytearray(chain)
    for bracket in brackets.replace(b"[]", b"").replace(b"{}", b""):
        if bracket in _OPENERS:
            still_open.append(bracket)
        elif not still_open or still_open.pop() != _OPENER_OF[bracket]:
            return None
    return bytes(still_open)


_OPENERS, _CLOSERS = b"[{", b"]}"
_OPENER_OF = dict(zip(_CLOSERS, _OPENERS, strict=True))
_NO_BRACKETS = bytes(set(range(256)) - {*_OPENERS, *_CLOSERS, *b'"'})


def _is_between_values(part: bytes, body: bytes, cut: int) -> bool:
    """Return whether a value may end before a comma and another, or a key, begin behind it."""
    behind = _NO_SPACE.search(body, cut + 1)
    return (
        part.rstrip(_SPACE)[-1:] not in _BEFORE_VALUES
        and behind is not None
        and behind[0] not in _AFTER_VALUES
    )


_SPACE = b" \t\r\n"
_NO_SPACE = re.compile(rb"[^ \t\r\n]")
_BEFORE_VALUES = frozenset({b"", b"[", b"{", b",", b":"})
_AFTER_VALUES = frozenset({b"]", b"}", b",", b":"})


def _opened(chain: bytes) -> bytes:
    """Return the text that opens arrays and objects again, those around the last one up to what they hold."""
    return chain[:-1].replace(b"{", b'{"%b":' % _OPEN_KEY.encode()) + chain[-1:]


def _closed(chain: bytes) -> bytes:
    return chain[::-1].translate(bytes.maketrans(_OPENERS, _CLOSERS))


class Whole:
    """The value of a text, put together from those of its pieces."""

    def __init__(self) -> None:
        self.value: Any = None
        self._open: list[Any] = []

    def add(self, piece: Piece, value: Any) -> None:
        """Add the value of the next piece.

        Raises:
            MalformedBody: it has a key of an object that goes on and has had it.
        """
        begun, ended = _chain(value, piece.opened, iter), _chain(value, piece.closed, reversed)
        if not self._open:
            self.value = value
        goes_on = [at for at, (first, last) in enumerate(zip(begun, ended, strict=False)) if first is last]
        for at, items in enumerate(begun):
            _append(self._open[at], items, is_innermost=at == len(begun) - 1)
        self._open = [self._open[at] if at in goes_on else container for at, container in enumerate(ended)]


def _chain(value: Any, depth: int, ends: Callable[[Any], Iterator[Any]]) -> list[Any]:
    """Return the arrays and objects that a piece began with, or ended with, from the outermost on.

    Args:
        value: of the piece.
        depth: how many there are.
        ends: `iter` for those that it began with, `reversed` for those that it ended with.
    """
    found: list[Any] = []
    for _ in range(depth):
        found.append(value)
        value = next(ends(value.values() if type(value) is dict else value), None)
    return found


def _append(whole: Any, part: Any, *, is_innermost: bool) -> None:
    """Append what a piece holds of an array or object that was open where it began."""
    if type(whole) is list:
        whole += part if is_innermost else part[1:]
        return
    if not is_innermost:
        del part[_OPEN_KEY]
    for key, item in part.items():  # one by one: what `update` does takes as long, and lets nobody else run
        if key in whole:
            raise given_twice(key)
        whole[key] = item


def given_twice(key: str) -> MalformedBody:
    """Return the error of an object with a key that it has already."""
    return MalformedBody(f"The key {key[:80]!r} is given twice")
