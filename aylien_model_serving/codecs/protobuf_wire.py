"""Protobuf's wire format: the records that a message's bytes consist of, found without parsing their content.

Pure. A record holds a field, or an item of a repeated one (https://protobuf.dev/programming-guides/encoding/).
Written here since the `protobuf` package parses whole messages, and does not say where a field's bytes are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

VARINT, I64, LEN, GROUP, GROUP_END, I32 = 0, 1, 2, 3, 4, 5
_WIDTHS = {I64: 8, I32: 4}

#: Bytes of the longest varint, and of the longest one that is a tag or a length.
_MAX_VARINT_BYTES, _MAX_SIZE_BYTES = 10, 5


class WireRecord(NamedTuple):
    """The positions of a record and its content.

    Args:
        number: the field's number.
        wire_type: how the content is laid out.
        start: where the tag begins.
        content: where the content begins.
        end: where the next record begins.
    """

    number: int
    wire_type: int
    start: int
    content: int
    end: int


def iter_records(body: bytes, max_records: int) -> Iterator[WireRecord]:
    """Yield the records of a message, not those of nested messages.

    Raises:
        ValueError: the bytes are no message, hold a group, or have more than `max_records` records.
    """
    position = 0
    for _ in range(max_records):
        if position == len(body):
            return
        record = _read_record(body, position)
        yield record
        position = record.end
    if position < len(body):
        raise ValueError("Too many records")


def _read_record(body: bytes, start: int) -> WireRecord:
    tag, content = _read_varint(body, start, _MAX_SIZE_BYTES)
    wire_type = tag & 0b111
    if wire_type == LEN:
        length, content = _read_varint(body, content, _MAX_SIZE_BYTES)
        end = content + length
    else:
        end = skip_number(body, content, wire_type)
    if end > len(body):
        raise ValueError("A record goes on beyond the end")
    return WireRecord(tag >> 3, wire_type, start, content, end)


def read_size(body: bytes, start: int) -> tuple[int, int]:
    """Return a tag or a length, and the position of its end.

    Raises:
        IndexError: there are no more bytes.
        ValueError: it goes on beyond its end.
    """
    first = body[start]
    return (first, start + 1) if first < 0x80 else _read_varint(body, start, _MAX_SIZE_BYTES)


def skip_number(body: bytes, content: int, wire_type: int) -> int:
    """Return the position of the end of a number.

    Raises:
        ValueError: it goes on beyond its end, or there is another wire type.
    """
    if wire_type == VARINT:
        return _read_varint(body, content, _MAX_VARINT_BYTES)[1]
    if wire_type not in _WIDTHS:
        raise ValueError("A group, or no record")
    return content + _WIDTHS[wire_type]


def _read_varint(body: bytes, start: int, longest: int) -> tuple[int, int]:
    """Return a varint and the position of its end."""
    value = 0
    for position, byte in enumerate(body[start : start + longest]):
        value |= (byte & 0x7F) << 7 * position
        if byte < 0x80:
            return value, start + position + 1
    raise ValueError("A varint goes on beyond its end")


def remove_records(body: bytes, records: Iterable[WireRecord]) -> bytes:
    """Return a message's bytes without some of its records, which are given in order of position."""
    kept, position = [], 0
    for record in records:
        kept.append(body[position : record.start])
        position = record.end
    return b"".join((*kept, body[position:]))


def encode_record(number: int, content: bytes) -> bytes:
    """Return the record of a length-delimited field."""
    return b"".join((_encode_varint(number << 3 | LEN), _encode_varint(len(content)), content))


def _encode_varint(value: int) -> bytes:
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
