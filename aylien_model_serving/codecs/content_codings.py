"""Content codings of request bodies: gzip, deflate, and br and zstd where their packages are installed.

Pure. What a body expands to can't be known before, so it is unpacked in pieces, of which no more is made than
the body may have. The standard library's `gzip` and `zlib.decompress` know no such limit.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

from aylien_model_serving.errors import BodyTooLarge, MalformedBody, UnsupportedCoding
from aylien_model_serving.process import native_threads

#: Codings that one body may have, one within the other.
MAX_CODINGS = 2

#: Members of gzip, or frames of zstd, that one body may have: a short one costs as much as a long one.
MAX_MEMBERS = 1000

#: Bytes of a body that are given to a decoder at once, and those that it may make of them.
_INPUT, _OUTPUT = 64 * 1024, 256 * 1024

#: Of zstd's window, which the decoder has in memory (RFC 9659).
_MAX_WINDOW = 8 * 1024 * 1024


class _DamagedError(Exception):
    """A body does not keep to its coding."""


def unpacked(body: bytes, header: str, limit: int | None) -> bytes:
    """Return a body without its content codings.

    Args:
        body: as it was sent.
        header: the value of Content-Encoding.
        limit: bytes that the body may have, between two codings as well.

    Raises:
        UnsupportedCoding: a coding is unknown here, or there are too many.
        BodyTooLarge: there is more in it than the limit.
        MalformedBody: it does not keep to its coding.
    """
    for coding in reversed(_codings(header)):
        body = _without(body, coding, limit)
    return body


def accepted() -> tuple[str, ...]:
    """Return the names of the codings that can be unpacked, for Accept-Encoding."""
    return tuple(name for name, pieces in _DECODERS.items() if pieces() is not None)


def _codings(header: str) -> list[str]:
    """Return the codings of a body, in the order in which they were applied."""
    named = (name.strip().lower() for name in header.split(","))
    codings = [_ALIASES.get(name, name) for name in named if name not in ("", "identity")]
    if len(codings) > MAX_CODINGS:
        raise UnsupportedCoding(f"A body has at most {MAX_CODINGS} content codings", accepted())
    for coding in codings:
        if coding not in accepted():
            raise UnsupportedCoding(
                f"Bodies of the Content-Encoding {coding[:40]!r} are not read here: send one of "
                f"{', '.join(accepted())}, or none",
                accepted(),
            )
    return codings


_ALIASES = {"x-gzip": "gzip"}


def _without(body: bytes, coding: str, limit: int | None) -> bytes:
    pieces_of = _DECODERS[coding]()
    assert pieces_of is not None  # or it would have been refused
    whole = io.BytesIO()
    try:
        for piece in pieces_of(memoryview(body)):
            whole.write(piece)
            if limit is not None and whole.tell() > limit:
                raise BodyTooLarge(limit)
            native_threads.yield_to_others()
    except _DamagedError as error:
        raise MalformedBody(f"The body is no {coding}: {error}") from error
    return whole.getvalue()


_Pieces = Callable[[memoryview], Iterator[bytes]]


def _gzip() -> _Pieces:
    return lambda body: _inflated(body, 16 + zlib.MAX_WBITS, MAX_MEMBERS)


def _deflate() -> _Pieces:
    return lambda body: _inflated(body, _wbits_of(body), 1)


def _wbits_of(body: memoryview) -> int:
    """Return how `deflate` is framed: as zlib, which HTTP means, or not at all, which some clients send."""
    has_header = len(body) > 1 and body[0] & 15 == zlib.DEFLATED and (body[0] << 8 | body[1]) % 31 == 0
    return zlib.MAX_WBITS if has_header else -zlib.MAX_WBITS


def _inflated(body: memoryview, wbits: int, max_members: int) -> Iterator[bytes]:
    """Yield what is in the members of a body, each of which ends where its own data says."""
    position, members = 0, 0
    while position < len(body) or not members:
        members += 1
        if members > max_members:
            raise _DamagedError("it goes on after its end" if max_members == 1 else "it has too many members")
        decoder = zlib.decompressobj(wbits)
        while not decoder.eof:
            given: Any = decoder.unconsumed_tail
            if not given:
                given = body[position : position + _INPUT]
                position += len(given)
            try:
                piece = decoder.decompress(given, _OUTPUT)
            except zlib.error as error:
                raise _DamagedError("it is damaged") from error
            if not (given or piece or decoder.eof):
                raise _DamagedError("it ends early")
            yield piece
        position -= len(decoder.unused_data)


def _br() -> _Pieces | None:
    brotli = _package("brotli")
    if not hasattr(getattr(brotli, "Decompressor", None), "can_accept_more_data"):
        return None  # or one that can't be told how much to make, as before 1.2
    return lambda body: _of_brotli(body, brotli)


def _of_brotli(body: memoryview, brotli: Any) -> Iterator[bytes]:
    decoder = brotli.Decompressor()
    try:
        for start in range(0, len(body), _INPUT):
            if decoder.is_finished():
                raise _DamagedError("it goes on after its end")
            yield decoder.process(bytes(body[start : start + _INPUT]), output_buffer_limit=_OUTPUT)
            while not decoder.is_finished() and (more := decoder.process(b"", output_buffer_limit=_OUTPUT)):
                yield more
    except brotli.error as error:
        raise _DamagedError("it is damaged") from error
    if not decoder.is_finished():
        raise _DamagedError("it ends early")


def _zstd() -> _Pieces | None:
    zstandard = _package("zstandard")
    return None if zstandard is None else lambda body: _of_zstd(body, zstandard)


def _of_zstd(body: memoryview, zstandard: Any) -> Iterator[bytes]:
    decoder = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW)
    reader = decoder.stream_reader(body, read_across_frames=True)
    try:
        while piece := reader.read(_OUTPUT):
            yield piece
        _check_whole(body, decoder)
    except zstandard.ZstdError as error:
        raise _DamagedError("it is damaged") from error


def _check_whole(body: memoryview, decoder: Any) -> None:
    """Refuse a body of zstd that ends within a frame, which its reader takes for an end.

    What the decoder makes of it is known to be within the limits by then.
    """
    position, frames = 0, 0
    while position < len(body) or not frames:
        frames += 1
        if frames > MAX_MEMBERS:
            raise _DamagedError("it has too many frames")
        frame = decoder.decompressobj()
        while not frame.eof:
            given = body[position : position + _INPUT]
            if not given:
                raise _DamagedError("it ends early")
            frame.decompress(given)
            position += len(given)
        position -= len(frame.unused_data)


@cache
def _package(name: str) -> ModuleType | None:
    """Return an optional package, or None where it is not installed."""
    try:
        return import_module(name)
    except ImportError:
        return None


#: By coding, what returns its decoder; None where its package is missing.
_DECODERS: dict[str, Callable[[], _Pieces | None]] = {
    "gzip": _gzip,
    "deflate": _deflate,
    "br": _br,
    "zstd": _zstd,
}
